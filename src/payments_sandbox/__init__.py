"""A card-payments processor that moves no money."""

__version__ = "0.1.0"
