"""Why an operation was refused, as one tree.

SandboxError
├── Refusal                      the rules said no: recorded as a failed transaction, replays
│   ├── AlreadyCaptured
│   ├── AuthorizationVoided
│   ├── AuthorizationExpired
│   ├── AuthorizationDeclined
│   ├── NotCaptured
│   ├── AlreadyRefunded
│   ├── AlreadySettled
│   ├── AlreadyVoided
│   ├── CurrencyMismatch
│   ├── AmountExceedsCapturable
│   └── AmountExceedsRefundable
└── Unrecorded                   never reached the rules: leaves nothing
    ├── NotFound
    ├── NotATestCard
    ├── IdempotencyKeyReused
    ├── PaymentFull
    ├── ClockStep
    ├── TooManyEndpoints
    ├── EndpointDisabled
    ├── Conflict
    └── LedgerUnavailable

Each class is its docstring, its code and whether the same request may succeed later.
The first line of the docstring is the `detail` a caller reads.
"""

from typing import ClassVar


class SandboxError(Exception):
    """The base of everything the sandbox refuses."""

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    param: ClassVar[str | None] = None

    @classmethod
    def detail(cls) -> str:
        """Return the sentence a caller reads: what is wrong, and the remedy."""
        return (cls.__doc__ or "").partition("\n")[0]


class Refusal(SandboxError):
    """The rules refused; the payment keeps a failed transaction that says so."""


class AlreadyCaptured(Refusal):
    """Nothing is left to capture or void: the payment is captured. Refund it instead."""

    code = "already_captured"


class AuthorizationVoided(Refusal):
    """The authorization was voided. Authorize again."""

    code = "authorization_voided"


class AuthorizationExpired(Refusal):
    """The authorization expired at its capture_before. Authorize again."""

    code = "authorization_expired"


class AuthorizationDeclined(Refusal):
    """The authorization was declined, so there is nothing to act on."""

    code = "authorization_declined"


class NotCaptured(Refusal):
    """Nothing was captured, so nothing can be refunded. Void the authorization instead."""

    code = "not_captured"


class AlreadyRefunded(Refusal):
    """It is refunded already: nothing is left to refund, and what is refunded cannot be voided."""

    code = "already_refunded"


class AlreadySettled(Refusal):
    """The capture's cut-off has passed: it is settled and cannot be voided. Refund it instead."""

    code = "already_settled"


class AlreadyVoided(Refusal):
    """The capture was voided, so there is nothing of it to refund or void."""

    code = "already_voided"


class CurrencyMismatch(Refusal):
    """The currency differs from the authorization's. Leave it out or send the same one."""

    code = "currency_mismatch"
    param = "currency"


class AmountExceedsCapturable(Refusal):
    """The amount is larger than what is left to capture; see capturable_amount."""

    code = "amount_exceeds_capturable"
    param = "amount"


class AmountExceedsRefundable(Refusal):
    """The amount is larger than what is left to refund; see refundable_amount."""

    code = "amount_exceeds_refundable"
    param = "amount"


class Unrecorded(SandboxError):
    """The request never reached the rules and left nothing behind."""


class NotFound(Unrecorded):
    """Nothing with this id exists for this API key."""

    code = "not_found"


class NotATestCard(Unrecorded):
    """Only published test cards are accepted here (setting test_cards_only)."""

    code = "validation_failed"
    param = "card.number"


class IdempotencyKeyReused(Unrecorded):
    """This idempotency key was spent on another body. Use a new key for a new request."""

    code = "idempotency_key_reused"


class PaymentFull(Unrecorded):
    """The payment holds as many captures (100) or transactions (1,000) as it can."""

    code = "payment_full"


class ClockStep(Unrecorded):
    """The clock moves forward by at most 400 days at a time, and no further than 2199."""

    code = "validation_failed"
    param = "to"


class TooManyEndpoints(Unrecorded):
    """There are as many webhook endpoints (16) as there can be. Delete one first."""

    code = "too_many_endpoints"


class EndpointDisabled(Unrecorded):
    """The webhook endpoint is disabled. Enable it first (PATCH enabled: true)."""

    code = "endpoint_disabled"


class Conflict(Unrecorded):
    """Too many writers at once on the same record. Send the same request again."""

    code = "conflict"
    retryable = True


class LedgerUnavailable(Unrecorded):
    """The ledger cannot be written or read now. Send the same request again."""

    code = "ledger_unavailable"
    retryable = True


REFUSALS: dict[str, type[Refusal]] = {refusal.code: refusal for refusal in Refusal.__subclasses__()}
