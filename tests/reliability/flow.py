"""One authorize-capture-refund, gone through to its end whatever is in the way."""

from http.client import HTTPException

from tests.reliability.load import Journal, Sent, authorization
from tests.running import Running

TRIES_MAX = 4


class Flow:
    """Sends its three requests in order, each until it is acknowledged, always with its key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.journal = Journal()
        self.unavailable = 0
        """How many answers said that the ledger cannot be written."""

    @property
    def done(self) -> bool:
        """Whether all three are acknowledged."""
        return len(self.journal.acknowledged) == 3

    @property
    def auth_id(self) -> str:
        """The payment."""
        return self.journal.acknowledged[0].auth_id

    def go_on(self, sandbox: Running) -> None:
        """Send what is left, until all is acknowledged or the sandbox has ended."""
        for _ in range(3 * TRIES_MAX):
            if self.done:
                return
            sent = self._next()
            self.journal.in_doubt[sent.key] = sent
            try:
                answer = sent.to(sandbox)
            except (OSError, HTTPException):
                return
            if answer.status == 503:
                self.unavailable += 1
            else:
                self.journal.note(sent, answer)

    def _next(self) -> Sent:
        match len(self.journal.acknowledged):
            case 0:
                return authorization(f"{self.name}-authorize")
            case 1:
                body = {"auth_id": self.auth_id, "amount": 600}
                return Sent(f"{self.name}-capture", "/payments/capture", body)
            case _:
                body = {"transaction_id": self.auth_id, "amount": 200}
                return Sent(f"{self.name}-refund", "/payments/refund", body)
