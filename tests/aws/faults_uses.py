"""The use cases that a fault may meet: what precedes each, which calls it makes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest

from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Capture, Operation, Refund, Void
from payments_sandbox.services.ports import PaymentFilter
from tests.aws.faults import (
    APPEND,
    BY_CARD,
    BY_MERCHANT,
    HEAD,
    HEADS,
    LOST,
    RECORDS,
    SETTINGS,
    SPENT,
    TRANSACTION,
    TROUBLES,
)
from tests.aws.faults_rig import Act, Rig
from tests.unit.examples import AUTH_ID, AUTHORIZE, MERCHANT_ID
from tests.unit.requests import request
from tests.unit.stand_ins import SeededIds

# The first payment of a rig: its ids come from a seed.
FIRST_ID = f"auth_{SeededIds().core()}"
PRIVATE = replace(AUTHORIZE, card=replace(AUTHORIZE.card, number="4000002500001001"))
WEEK = timedelta(days=7)
ALL = PaymentFilter()


class Use(NamedTuple):
    """A use case; after it is done there are `total` transactions."""

    prepare: Callable[[Rig], Awaitable[object]]
    act: Act
    places: tuple[str, ...]
    total: int


def executing(operation: Operation, key: str = "key") -> Act:
    """Return the act of executing the operation."""
    name = type(operation).__name__.lower()
    return lambda rig: rig.payments.execute(operation, request(name, key))


async def nothing(_: Rig) -> None:
    """Begin with an empty table."""


async def opened(rig: Rig) -> None:
    """Begin with a payment."""
    assert await rig.opened() == FIRST_ID


async def captured(rig: Rig) -> None:
    """Begin with a payment captured in part."""
    await opened(rig)
    await CAPTURE(rig)


async def refunded(rig: Rig) -> None:
    """Begin with a payment captured and refunded in part."""
    await captured(rig)
    await executing(Refund(FIRST_ID, amount=100), "before")(rig)


async def overdue(rig: Rig) -> None:
    """Begin with a payment whose authorization is over."""
    await opened(rig)
    rig.clock.pass_by(WEEK)


async def several(rig: Rig) -> None:
    """Begin with three payments of one card."""
    for number in range(3):
        await rig.authorize(f"{number}")


async def private_card(rig: Rig) -> None:
    """Begin with a payment on a card that is no longer allowed."""
    await authorize_private(rig)
    await rig.tenancy.change_settings(MERCHANT_ID, lambda _: Settings(test_cards_only=True))


async def authorize_private(rig: Rig) -> object:
    """Authorize on a card that is not published."""
    return await rig.payments.authorize(PRIVATE, request("authorize"))


async def list_all(rig: Rig) -> object:
    """List all payments."""
    return await rig.payments.list_payments(MERCHANT_ID, ALL, before=None, limit=10)


async def list_card(rig: Rig) -> object:
    """List the payments of one card."""
    payment = await rig.ledger.payment(MERCHANT_ID, FIRST_ID)
    wanted = PaymentFilter(card_id=payment.card.card_id)
    return await rig.payments.list_payments(MERCHANT_ID, wanted, before=None, limit=10)


async def authorize(rig: Rig) -> object:
    """Authorize on a test card."""
    return await rig.authorize("key")


async def read_history(rig: Rig) -> object:
    """Read a payment and its transactions."""
    return await rig.payments.history(MERCHANT_ID, FIRST_ID)


async def read_transaction(rig: Rig) -> object:
    """Read one transaction."""
    return await rig.payments.transaction(MERCHANT_ID, FIRST_ID)


async def read_settings(rig: Rig) -> object:
    """Read the settings."""
    return await rig.tenancy.settings(MERCHANT_ID)


async def change_settings(rig: Rig) -> object:
    """Change one of the settings."""
    return await rig.tenancy.change_settings(
        MERCHANT_ID, lambda settings: replace(settings, retention_days=7)
    )


CAPTURE = executing(Capture(FIRST_ID, 300))
USES: Mapping[str, Use] = {
    "authorize": Use(nothing, authorize, (SETTINGS, APPEND), 1),
    "authorize again": Use(authorize, authorize, (APPEND, TRANSACTION), 1),
    "authorize when forbidden": Use(
        private_card, authorize_private, (SETTINGS, SPENT, TRANSACTION), 1
    ),
    "capture": Use(opened, CAPTURE, (HEADS, APPEND), 2),
    "capture again": Use(captured, CAPTURE, (HEADS, APPEND, TRANSACTION), 2),
    "capture too late": Use(overdue, CAPTURE, (APPEND,), 3),
    "capture nothing": Use(nothing, executing(Capture(AUTH_ID)), (HEADS, SETTINGS, SPENT), 0),
    "refund": Use(captured, executing(Refund(FIRST_ID, amount=100)), (HEADS, APPEND), 3),
    "void": Use(captured, executing(Void(FIRST_ID)), (HEADS, APPEND), 3),
    "history": Use(refunded, read_history, (SETTINGS, RECORDS), 3),
    "history too late": Use(overdue, read_history, (RECORDS, APPEND), 2),
    "list": Use(several, list_all, (SETTINGS, BY_MERCHANT, HEADS), 3),
    "list a card": Use(several, list_card, (HEAD, BY_CARD, HEADS), 3),
    "transaction": Use(opened, read_transaction, (TRANSACTION,), 1),
    "settings": Use(nothing, read_settings, (SETTINGS,), 0),
    "change settings": Use(nothing, change_settings, (SETTINGS, APPEND), 0),
}
PLACES = [(name, place) for name, use in USES.items() for place in use.places]
# Each call meets every fault in one use case, and the loss of its answer in all others.
FIRST_USES = {place: name for name, place in reversed(PLACES)}
CASES = [
    pytest.param(name, place, trouble, id=f"{name}-{place}-{trouble.name}")
    for name, place in PLACES
    for trouble in (TROUBLES if FIRST_USES[place] == name else [LOST])
]
