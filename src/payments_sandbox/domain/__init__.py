"""What is true about payments: plain Python, without I/O, clock or chance."""
