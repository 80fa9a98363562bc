"""What was counted at the emulator, by operation: docs/cost.md is computed from it.

`make bench-aws` fails when it finds other counts, so the page cannot grow stale.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counted:
    """What one request makes: calls, and DynamoDB's units, those of a table and its indexes."""

    calls: tuple[str, ...]
    table: float = 0.0
    by_card: float = 0.0
    by_merchant: float = 0.0
    by_due: float = 0.0
    read: float = 0.0

    @property
    def write(self) -> float:
        """Write units in all."""
        return self.table + self.by_card + self.by_merchant + self.by_due

    @property
    def spends_key(self) -> bool:
        """Whether its write is its last call: a replay reads the transaction after it."""
        return self.calls[-1] == _WRITE


_GET, _WRITE = "GetItem", "TransactWriteItems"
_LIST = ("Query", "BatchGetItem")
COUNTS = {
    "authorize": Counted((_GET, _WRITE), table=6, by_card=1, by_merchant=2, by_due=1, read=1),
    "authorize, 10 KB metadata": Counted(
        (_GET, _WRITE), table=26, by_card=1, by_merchant=2, by_due=1, read=1
    ),
    "capture": Counted((_GET, _WRITE), table=6, by_merchant=1, by_due=1, read=1),
    "void": Counted((_GET, _WRITE), table=6, by_merchant=1, by_due=1, read=1),
    "refund": Counted((_GET, _WRITE), table=6, by_merchant=1, read=1),
    "replay of capture": Counted((_GET, _WRITE, _GET), table=6, read=2),
    "read payment": Counted(("Query",), read=1),
    "read transaction": Counted((_GET,), read=1),
    "list 25": Counted(_LIST, read=13.5),
    "list 25 by card": Counted(_LIST, read=13.5),
    "read settings": Counted((_GET,), read=1),
}
_PUT = "PutItem"
WEBHOOK_COUNTS = {
    "webhook: relay, one endpoint": Counted((_GET, _PUT), table=1, by_merchant=1, by_due=1, read=1),
    "webhook: deliver, at once": Counted(
        (_GET, _PUT, _GET, _GET, _GET, _PUT), table=2, by_due=1, read=4
    ),
}
ENTRIES_MOVED = 2
"""Units of by_due that AWS charges for the claim, which moves an entry; the emulator tells none."""

STORED_BYTES = 3_358
"""An authorized and captured payment: its head, two transactions and their index entries."""
KEY_BYTES = 264
"""A spent key, which is kept for a day."""
LOG_BYTES = 756
"""An access line and a line of metrics; a few bytes more or less by the time it took."""
LOG_BYTES_OFF_MAX = 25
CPU_MS = 5.0
"""CPU time of a warm authorization or capture, of one core of the machine it was measured on."""
