"""How the outside is reached: storage, time, secrets."""
