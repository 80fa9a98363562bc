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


_GET, _WRITE, _BATCH, _QUERY = "GetItem", "TransactWriteItems", "BatchGetItem", "Query"
_CHANGE = (_BATCH, _WRITE)
_LIST = (_GET, _QUERY, _BATCH)
COUNTS = {
    "authorize": Counted((_GET, _WRITE), table=6, by_card=1, by_merchant=2, by_due=1, read=1),
    "authorize, 10 KB metadata": Counted(
        (_GET, _WRITE), table=26, by_card=1, by_merchant=2, by_due=1, read=1
    ),
    "capture": Counted(_CHANGE, table=6, by_merchant=1, by_due=2, read=2),
    "void": Counted(_CHANGE, table=6, by_merchant=1, by_due=1, read=2),
    "refund": Counted(_CHANGE, table=8, by_merchant=1, read=2),
    "replay of capture": Counted((*_CHANGE, _GET), table=8, read=3),
    "read payment": Counted((_GET, _QUERY), read=2),
    "read transaction": Counted((_GET,), read=1),
    "list 25": Counted(_LIST, read=14.5),
    "list 25 by card": Counted(_LIST, read=14.5),
    "read settings": Counted((_GET,), read=1),
}
_PUT = "PutItem"
WEBHOOK_COUNTS = {
    "webhook: relay, one endpoint": Counted(
        (_GET, _GET, _PUT), table=1, by_merchant=1, by_due=1, read=2
    ),
    "webhook: deliver, at once": Counted(
        (_GET, _GET, _PUT, _GET, _GET, _GET, _PUT), table=2, by_due=1, read=5
    ),
}
_DUE = (_GET, _QUERY, _QUERY)
_NONE_DUE = (*_DUE, _QUERY, _QUERY)
SETTLED_AT_ONCE = 64
SETTLE_ONE, SETTLE_MANY = "settle: one payment, its write", "settle: 64 payments, a batch opened"
PLAN, SWEEP = "plan: a merchant with nothing due", "sweep: two merchants with nothing due"
SETTLEMENT_COUNTS = {
    SETTLE_ONE: Counted((_WRITE,), table=8, by_merchant=1, by_due=1),
    SETTLE_MANY: Counted(
        (*_DUE, _BATCH, *[_WRITE] * 3, *_NONE_DUE), table=392, by_merchant=65, by_due=64, read=71
    ),
    "close: a batch of one": Counted(
        (_GET, _QUERY, _GET, _WRITE, _QUERY, _WRITE), table=8, by_merchant=1, read=4
    ),
    PLAN: Counted((_QUERY, *_DUE), read=3),
    SWEEP: Counted((_QUERY, *(_GET, _QUERY) * 2, *(*_DUE, _QUERY) * 2), read=10.5),
}
ENTRIES_MOVED = 2
"""Units of by_due that AWS charges for the claim, which moves an entry; the emulator tells none."""

STORED_BYTES = 3_646
"""An authorized and captured payment: its head, two transactions and their index entries."""
SETTLED_BYTES = 1_639
"""What a settlement adds: its transaction, its line in the batch, and the index entry."""
KEY_BYTES = 264
"""A spent key, which is kept for a day."""
LOG_BYTES = 780
"""An access line and a line of metrics; a few bytes more or less by the time it took."""
LOG_BYTES_OFF_MAX = 25
WEBHOOK_LOG_BYTES = 228
"""A line of metrics of the sender's."""
CPU_MS = 5.0
"""CPU time of a warm authorization or capture, of one core of the machine it was measured on."""
SETTLE_CPU_MS = 1.1
"""CPU time for each payment that is settled, on the same machine."""
