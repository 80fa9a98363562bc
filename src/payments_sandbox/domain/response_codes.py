"""The ISO 8583 response codes (data element 39) the issuer may answer with.

Names and retry classes follow Visa's categories as acquirers publish them; decline codes are
the words most integrations already know.
"""

from enum import StrEnum
from typing import NamedTuple

APPROVED = "00"
PARTIAL_APPROVAL = "10"
INSUFFICIENT_FUNDS = "51"
EXPIRED_CARD = "54"


class Advice(StrEnum):
    """What to do after a decline."""

    DO_NOT_RETRY = "do_not_retry"
    RETRY_LATER = "retry_later"
    FIX_DATA = "fix_data"


class ResponseCode(NamedTuple):
    """One code: its standard name and, for a decline, its decline code and advice."""

    code: str
    name: str
    decline_code: str | None = None
    advice: Advice | None = None

    @property
    def approves(self) -> bool:
        """Tell whether the issuer says yes with it."""
        return self.decline_code is None


_NEVER, _LATER, _FIX = Advice.DO_NOT_RETRY, Advice.RETRY_LATER, Advice.FIX_DATA

_TABLE = (
    ResponseCode("00", "Approved"),
    ResponseCode("01", "Refer to card issuer", "call_issuer"),
    ResponseCode("02", "Refer to card issuer, special condition", "call_issuer"),
    ResponseCode("03", "Invalid merchant", "not_permitted", _LATER),
    ResponseCode("04", "Pick up card", "pickup_card", _NEVER),
    ResponseCode("05", "Do not honour", "do_not_honor"),
    ResponseCode("06", "Error", "processing_error"),
    ResponseCode("07", "Pick up card, special condition", "pickup_card", _NEVER),
    ResponseCode("08", "Honour with identification"),
    ResponseCode("10", "Approved for partial amount"),
    ResponseCode("12", "Invalid transaction", "transaction_not_allowed", _NEVER),
    ResponseCode("13", "Invalid amount", "invalid_amount"),
    ResponseCode("14", "Invalid card number", "incorrect_number", _NEVER),
    ResponseCode("15", "No such issuer", "invalid_account", _NEVER),
    ResponseCode("19", "Re-enter transaction", "reenter_transaction", _LATER),
    ResponseCode("25", "Unable to locate record", "processing_error"),
    ResponseCode("28", "File unavailable", "processing_error"),
    ResponseCode("30", "Format error", "processing_error"),
    ResponseCode("41", "Lost card", "lost_card", _NEVER),
    ResponseCode("43", "Stolen card", "stolen_card", _NEVER),
    ResponseCode("46", "Closed account", "invalid_account", _NEVER),
    ResponseCode("51", "Insufficient funds", "insufficient_funds", _LATER),
    ResponseCode("54", "Expired card", "expired_card", _FIX),
    ResponseCode("55", "Incorrect PIN", "incorrect_pin", _FIX),
    ResponseCode("57", "Not permitted to cardholder", "transaction_not_allowed", _NEVER),
    ResponseCode("58", "Not permitted to terminal", "transaction_not_allowed"),
    ResponseCode("59", "Suspected fraud", "fraudulent", _LATER),
    ResponseCode("61", "Exceeds amount limit", "withdrawal_count_limit_exceeded", _LATER),
    ResponseCode("62", "Restricted card", "restricted_card", _LATER),
    ResponseCode("63", "Security violation", "security_violation"),
    ResponseCode("65", "Exceeds frequency limit", "card_velocity_exceeded", _LATER),
    ResponseCode("68", "Response received too late", "issuer_not_available"),
    ResponseCode("75", "PIN tries exceeded", "pin_try_exceeded", _LATER),
    ResponseCode("78", "Blocked, first use", "card_blocked_first_use", _LATER),
    ResponseCode("82", "CVV or iCVV failed", "incorrect_cvc", _FIX),
    ResponseCode("85", "No reason to decline"),
    ResponseCode("91", "Issuer or switch inoperative", "issuer_not_available", _LATER),
    ResponseCode("92", "No routing", "issuer_not_available"),
    ResponseCode("93", "Violation of law, cannot complete", "not_permitted", _LATER),
    ResponseCode("94", "Duplicate transmission", "duplicate_transaction"),
    ResponseCode("96", "System malfunction", "processing_error", _LATER),
    ResponseCode("1A", "Strong customer authentication required", "authentication_required", _FIX),
    ResponseCode("N7", "CVV2 mismatch", "incorrect_cvc", _FIX),
    ResponseCode("R0", "Stop payment, this one", "revocation_of_authorization", _NEVER),
    ResponseCode("R1", "Stop payment, authorization", "revocation_of_authorization", _NEVER),
    ResponseCode("R3", "Stop payment, all authorizations", "revocation_of_authorization", _NEVER),
)
RESPONSE_CODES = {entry.code: entry for entry in _TABLE}
