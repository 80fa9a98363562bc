"""Times as texts, the same in answers, in lists and in ledgers."""

from datetime import datetime


def iso_of(at: datetime) -> str:
    """Return a UTC time as RFC 3339 with milliseconds: texts are in the order of their times."""
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
