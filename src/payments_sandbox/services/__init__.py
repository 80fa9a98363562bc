"""What a caller can ask for: one short function for each use case."""
