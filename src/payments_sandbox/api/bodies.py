"""What callers send: strict bodies, each field described in the words an error will use."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from payments_sandbox.api.currencies import CODES, EXPONENTS
from payments_sandbox.api.problems import Problem
from payments_sandbox.domain.card import (
    PresentedCard,
    brand_of,
    cvc_fits,
    holds_card_number,
    luhn_valid,
)
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import is_payment_id, place_of
from payments_sandbox.domain.issuer import Simulate
from payments_sandbox.domain.operations import Authorize, Capture, Refund, Void
from payments_sandbox.domain.response_codes import PARTIAL_APPROVAL, RESPONSE_CODES
from payments_sandbox.domain.transaction import TransactionType
from payments_sandbox.domain.void_capture import VoidCapture

AMOUNT_MAX = 999_999_999_999
METADATA_MAX = 50


def currency_code(code: str) -> str:
    """Return the code; raise ValueError if there is no such currency."""
    if code not in EXPONENTS:
        raise ValueError("unknown currency")
    return code


def _response_code(code: str) -> str:
    if code not in RESPONSE_CODES:
        raise ValueError("unknown response code")
    return code


def no_card_number(text: str) -> str:
    """Return the text; raise ValueError if it holds a card number."""
    if holds_card_number(text):
        raise ValueError("holds a card number")
    return text


_AMOUNT = f"an integer in minor units of the currency, 1 to {AMOUNT_MAX:,}."
_NO_CONTROL = r"^[^\u0000-\u001f\u007f-\u009f]*$"
Amount = Annotated[int, Field(ge=1, le=AMOUNT_MAX)]
CurrencyCode = Annotated[
    str,
    Field(pattern="^[A-Z]{3}$", json_schema_extra={"enum": [*CODES]}),
    AfterValidator(currency_code),
]
ShortText = Annotated[
    str, Field(pattern=_NO_CONTROL, max_length=255), AfterValidator(no_card_number)
]
MetadataKey = Annotated[
    str, Field(pattern=_NO_CONTROL, min_length=1, max_length=40), AfterValidator(no_card_number)
]
MetadataValue = Annotated[
    str, Field(pattern=_NO_CONTROL, max_length=500), AfterValidator(no_card_number)
]
_METADATA_SCHEMA: dict[str, Any] = {
    "type": "object",
    "maxProperties": METADATA_MAX,
    "propertyNames": {"pattern": _NO_CONTROL, "minLength": 1, "maxLength": 40},
    "additionalProperties": {"type": "string", "pattern": _NO_CONTROL, "maxLength": 500},
}
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Field(max_length=METADATA_MAX),
    WithJsonSchema(_METADATA_SCHEMA),
]
Id = Annotated[str, Field(pattern="^[!-~]{1,64}$")]
# datetime reads more: weeks, commas, any separator, and nothing after a NUL.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
A_TIME = "an RFC 3339 time with its zone, for example 2026-03-01T12:00:00Z"


def _time(text: str) -> str:
    if _RFC_3339.fullmatch(text) is None:
        raise ValueError("not as RFC 3339 has it")
    text = text.upper()  # its letters may be small, and not every Python reads a z
    try:
        datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:  # its zone puts it before the first year or after the last
        raise ValueError("no time in UTC") from None
    return text


Time = Annotated[
    str, Field(max_length=40, json_schema_extra={"format": "date-time"}), AfterValidator(_time)
]


_EXAMPLE: JsonDict = {
    "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"},
    "amount": 1000,
    "currency": "USD",
    "reference": "order 1",
}


class Strict(BaseModel):
    """No coercion, no unknown fields, and no input in its errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class CardBody(Strict):
    """A card as its holder presents it."""

    number: str = Field(
        pattern="^[0-9]{12,19}$",
        description="12 to 19 digits without spaces that pass the Luhn check.",
        json_schema_extra={"format": "card-number"},
        repr=False,
        examples=["4242424242424242"],
    )
    exp_month: int = Field(ge=1, le=12, description="the month as an integer, 1 to 12.")
    exp_year: int = Field(
        ge=2000, le=2099, description="the year as an integer of four digits, 2000 to 2099."
    )
    cvc: str | None = Field(
        None,
        pattern="^[0-9]{3,4}$",
        description="a string of three digits, four on Amex.",
        json_schema_extra={"format": "card-cvc"},
        repr=False,
    )

    def presented(self) -> PresentedCard:
        """Return the card; raise Problem for a number or CVC no card has."""
        if not luhn_valid(self.number):
            raise _invalid("card.number", "the number fails the Luhn check; is a digit wrong?")
        if self.cvc is not None and not cvc_fits(brand_of(self.number), self.cvc):
            raise _invalid("card.cvc", "this brand's CVC is of another length; Amex has four.")
        return PresentedCard(self.number, self.exp_month, self.exp_year, self.cvc)


class SimulateBody(Strict):
    """The outcome to simulate."""

    response_code: Annotated[str, AfterValidator(_response_code)] = Field(
        description="an ISO 8583 response code of the list, as a string of two characters.",
        json_schema_extra={"enum": list(RESPONSE_CODES)},
    )
    approved_amount: Amount | None = Field(
        None, description="with code 10: an integer in minor units below the amount."
    )


class AuthorizeBody(Strict):
    """Ask the issuer for an amount on a card."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    card: CardBody = Field(description="an object with number, exp_month, exp_year and cvc.")
    amount: Amount = Field(description=_AMOUNT)
    currency: CurrencyCode = Field(description="an active ISO 4217 code in upper case.")
    reference: ShortText | None = Field(
        None,
        description="your own reference: up to 255 characters, no control characters and no"
        " card number.",
    )
    metadata: Metadata = Field(
        default_factory=dict,
        description="an object of up to 50 texts (names up to 40, values up to 500 characters),"
        " no control characters and no card numbers.",
    )
    partial_approval: bool = Field(
        default=False, description="true or false: whether a smaller amount may be approved."
    )
    simulate: SimulateBody | None = Field(
        None, description="an object with response_code and, for code 10, approved_amount."
    )

    def to_operation(self) -> Authorize:
        """Return the operation; raise Problem for what no single field can tell."""
        return Authorize(
            card=self.card.presented(),
            amount=self.amount,
            currency=self.currency,
            reference=self.reference,
            metadata=self.metadata,
            partial_approval=self.partial_approval,
            simulate=self._simulate(),
        )

    def _simulate(self) -> Simulate | None:
        if self.simulate is None:
            return None
        code, approved = self.simulate.response_code, self.simulate.approved_amount
        param = "simulate.approved_amount"
        if approved is None and code == PARTIAL_APPROVAL and self.partial_approval:
            raise _invalid(param, "is required with code 10 when partial_approval is true.")
        if approved is not None and code != PARTIAL_APPROVAL:
            raise _invalid(param, "goes with code 10 alone.")
        if approved is not None and approved >= self.amount:
            raise _invalid(param, "must be less than the amount.")
        return Simulate(code, approved)


class CaptureBody(Strict):
    """Take what was authorized, or part of it."""

    auth_id: Id = Field(description="the id of the authorization, auth_...")
    amount: Amount | None = Field(None, description=_AMOUNT + " Left out: all that is left.")
    currency: CurrencyCode | None = Field(
        None, description="an ISO 4217 code, the authorization's; may be left out."
    )
    final: bool = Field(default=False, description="true or false: whether the rest is released.")

    def to_operation(self) -> Capture:
        """Return the operation; raise NotFound."""
        return Capture(_payment_id(self.auth_id), self.amount, self.currency, self.final)


class VoidBody(Strict):
    """Release what is not captured, or reverse a capture before its cut-off."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["auth_id"]}, {"required": ["transaction_id"]}]}
    )

    auth_id: Id = Field(
        "", description="the id of the authorization (auth_...) to release what is left of."
    )
    transaction_id: Id = Field(
        "", description="instead: the id of a capture (cap_...) to reverse before its cut-off."
    )

    def to_operation(self) -> Void | VoidCapture:
        """Return the operation; raise NotFound or Problem."""
        if len(self.model_fields_set) != 1:
            raise _invalid("auth_id", "send auth_id or transaction_id, and not both.")
        if "auth_id" in self.model_fields_set:
            return Void(_payment_id(self.auth_id))
        place = place_of(self.transaction_id)
        if place.type is not TransactionType.CAPTURE:
            raise _invalid("transaction_id", "must be a capture's id (cap_...).")
        return VoidCapture(place.payment_id, self.transaction_id)


class RefundBody(Strict):
    """Give back what was captured, or part of it."""

    transaction_id: Id = Field(
        description="the id of a capture (cap_...), or of the authorization (auth_...) to refund"
        " over the whole payment, oldest capture first."
    )
    amount: Amount | None = Field(None, description=_AMOUNT + " Left out: all that is left.")
    currency: CurrencyCode | None = Field(
        None, description="an ISO 4217 code, the authorization's; may be left out."
    )

    def to_operation(self) -> Refund:
        """Return the operation; raise NotFound or Problem."""
        place = place_of(self.transaction_id)
        if place.type not in {TransactionType.AUTHORIZATION, TransactionType.CAPTURE}:
            raise _invalid("transaction_id", "must be a capture's id or an auth_id.")
        capture_id = self.transaction_id if place.type is TransactionType.CAPTURE else None
        return Refund(place.payment_id, capture_id, self.amount, self.currency)


def _payment_id(auth_id: str) -> str:
    if not is_payment_id(auth_id):
        raise NotFound
    return auth_id


def _invalid(param: str, what: str) -> Problem:
    return Problem("validation_failed", param=param, detail=f"{param}: {what}")
