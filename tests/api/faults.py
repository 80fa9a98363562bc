"""A ledger whose calls fail, for the answers that a working one never gives."""

from typing import Any

from payments_sandbox.adapters.sqlite import SqliteLedger

_CALLS = {"payment", "history", "transaction", "payments", "spent", "append"}


class Faulty:
    """Stands before the real ledger; once `error` is set, the calls it is for raise it."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self.error: Exception | None = None
        self.calls = _CALLS | {"reading", "writer"}

    def __getattr__(self, name: str) -> Any:
        if self.error is not None and name in self.calls:
            raise self.error
        return getattr(self._ledger, name)
