"""What callers send about the sandbox itself: settings to change, and that all data shall go."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from payments_sandbox.api.bodies import Strict
from payments_sandbox.domain.calendar import SettlementDays
from payments_sandbox.domain.delivery import RetrySchedule
from payments_sandbox.domain.fees import WHOLE_BPS, FeeOnRefund
from payments_sandbox.domain.merchant import AmountRule, Settings

HOLIDAYS_MAX = 50
CONFIRMATION = "delete all my data"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _date(text: str) -> str:
    if _DATE.fullmatch(text) is None:
        raise ValueError("not as RFC 3339 has it")
    date.fromisoformat(text)
    return text


def _each_once(texts: list[str]) -> list[str]:
    if len(set(texts)) < len(texts):
        raise ValueError("named twice")
    return texts


class SettingsBody(Strict):
    """Settings to change; what is left out stays."""

    amount_rule: Annotated[str, Field(json_schema_extra={"enum": list(AmountRule)})] = Field(
        "off",
        pattern="^(off|cents)$",
        description='"off", or "cents": the last two digits of an amount are the response code.',
    )
    test_cards_only: bool = Field(
        default=False, description="true or false: whether other card numbers are refused."
    )
    retention_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        None,
        description="how many days a payment is kept, 1 to 3,650, or null for good; counts for"
        " payments authorized from now on.",
    )

    webhook_schedule: Annotated[str, Field(json_schema_extra={"enum": list(RetrySchedule)})] = (
        Field(
            "standard",
            pattern="^(standard|fast)$",
            description='"standard": webhooks are retried over three days; or "fast": within'
            " seconds, for test suites.",
        )
    )
    settlement_cutoff: str = Field(
        "00:00",
        pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="when a business day ends, in UTC, from 00:00 to 23:59; counts for what is"
        " captured and refunded from now on, as the days and fees do.",
    )
    settlement_days: Annotated[str, Field(json_schema_extra={"enum": list(SettlementDays)})] = (
        Field(
            "every_day",
            pattern="^(every_day|weekdays)$",
            description='"every_day" is a business day, or "weekdays" from Monday to Friday alone.',
        )
    )
    settlement_holidays: Annotated[
        list[Annotated[str, Field(json_schema_extra={"format": "date"}), AfterValidator(_date)]],
        Field(max_length=HOLIDAYS_MAX, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_each_once),
    ] = Field(
        default_factory=list,
        description="a list of up to 50 different dates that are no business days, for example"
        " 2026-12-25.",
    )
    fee_rate_bps: Annotated[int, Field(ge=0, le=WHOLE_BPS)] = Field(
        290, description="the fee's share of a capture in basis points, 0 to 10,000."
    )
    fee_fixed: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        30, description="the fixed part of a capture's fee in minor units, 0 to 1,000,000."
    )
    fee_on_refund: Annotated[str, Field(json_schema_extra={"enum": list(FeeOnRefund)})] = Field(
        "kept",
        pattern="^(kept|returned)$",
        description='"kept": a refund leaves the fee with the processor; or "returned": in'
        " proportion.",
    )

    def applied_to(self, settings: Settings) -> Settings:
        """Return the settings with what was sent in place."""
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        for name, read in _SETTINGS.items():
            if name in sent:
                sent[name] = read(sent[name])
        return replace(settings, **sent)


class ResetBody(Strict):
    """Confirms that all of a merchant's data shall go."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"confirm": CONFIRMATION}]})

    confirm: Literal["delete all my data"] = Field(
        description=f'the text "{CONFIRMATION}": payments, events, deliveries and settlements are'
        " deleted for good.",
    )


_SETTINGS: dict[str, Callable[[Any], object]] = {
    "amount_rule": AmountRule,
    "webhook_schedule": RetrySchedule,
    "settlement_cutoff": time.fromisoformat,
    "settlement_days": SettlementDays,
    "settlement_holidays": lambda days: tuple(map(date.fromisoformat, sorted(days))),
    "fee_on_refund": FeeOnRefund,
}
"""How a setting's text is read, where it is more than the text."""
