"""HTTP in, HTTP out: parses, calls one service, renders."""
