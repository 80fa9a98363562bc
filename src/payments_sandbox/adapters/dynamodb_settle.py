"""Settling in DynamoDB: many payments in one transaction, each whole or not at all.

A transaction is cancelled as a whole when one payment's head has moved on. The table tells which,
so that one is left out and the others are written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from payments_sandbox.adapters.dynamodb_items import (
    FOLLOWS,
    following,
    head_item,
    transaction_item,
)
from payments_sandbox.adapters.dynamodb_settlement_items import STATE, SUMMARY, line_item
from payments_sandbox.adapters.dynamodb_table import (
    NEW,
    REFUSED,
    Table,
    key_of,
    put_of,
    reasons_of,
    was_race,
)
from payments_sandbox.domain.settlement import BatchState, Settlement
from payments_sandbox.services.ports import Clock, LostRace
from payments_sandbox.services.settlement_ports import Settled

if TYPE_CHECKING:
    from types_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

ACTIONS_MAX = 100
"""What a transaction may hold."""
BUSY_TRIES_MAX = 6
BUSY_PAUSE_S = 0.025
_NO_REASON: Final = "None"


@dataclass(frozen=True, slots=True)
class _Part:
    """One payment's share of a transaction."""

    settled: Settled
    actions: "Sequence[TransactWriteItemTypeDef]"


async def settle(
    table: Table, clock: Clock, settlement: Settlement, some: Sequence[Settled]
) -> list[Settled]:
    """Write those whose heads are the ones they follow, and return them.

    One transaction after another, as two at a time would clash over the batch. Raise LostRace if
    it is not open.
    """
    parts = [_part(table, settlement, one, clock.now()) for one in some]
    written: list[Settled] = []
    for chunk in _chunks(parts):
        written += await _write(table, clock, settlement, chunk)
    return written


def _part(table: Table, settlement: Settlement, one: Settled, now: datetime) -> _Part:
    payment = one.payment
    before = following(payment.version - len(one.transactions), payment.merchant_id, now)
    return _Part(
        one,
        [
            put_of(table, head_item(payment), FOLLOWS, before),
            *[
                put_of(table, transaction_item(payment, each, now), NEW)
                for each in one.transactions
            ],
            put_of(table, line_item(one.line, settlement), NEW),
        ],
    )


def _chunks(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield as many at a time as a transaction holds beside the check of the batch."""
    chunk: list[_Part] = []
    count = 1
    for part in parts:
        if count + len(part.actions) > ACTIONS_MAX:
            yield chunk
            chunk, count = [], 1
        chunk.append(part)
        count += len(part.actions)
    if chunk:
        yield chunk


async def _write(
    table: Table, clock: Clock, settlement: Settlement, parts: list[_Part]
) -> list[Settled]:
    """Write these without those that others were faster with; raise LostRace.

    What somebody else writes at this moment is tried again, and left out if that goes on.
    """
    tries = 0
    while parts:
        actions = [_is_open(table, settlement), *[each for one in parts for each in one.actions]]
        try:
            await table.run(table.client.transact_write_items, TransactItems=actions)
        except ClientError as error:
            if not was_race(error):
                raise
            batch, *reasons = reasons_of(error)
            if batch == REFUSED:
                raise LostRace from error
            tries += 1
            is_over = tries >= BUSY_TRIES_MAX
            if is_over and batch != _NO_REASON:
                return []
            parts = [
                part
                for part, met in zip(parts, _by_part(parts, reasons), strict=True)
                if REFUSED not in met and not (is_over and met)
            ]
            if REFUSED not in reasons:
                await clock.pause(BUSY_PAUSE_S * 2 ** min(tries, BUSY_TRIES_MAX))
        else:
            return [one.settled for one in parts]
    return []


def _by_part(parts: Sequence[_Part], reasons: Sequence[str]) -> Iterator[set[str]]:
    """Yield what each part's actions met."""
    start = 0
    for part in parts:
        end = start + len(part.actions)
        yield {*reasons[start:end]} - {_NO_REASON}
        start = end


def _is_open(table: Table, settlement: Settlement) -> "TransactWriteItemTypeDef":
    return {
        "ConditionCheck": {
            "TableName": table.name,
            "Key": key_of(settlement.settlement_id, SUMMARY),
            "ConditionExpression": f"{STATE} = :open",
            "ExpressionAttributeValues": {":open": {"S": BatchState.OPEN.value}},
        }
    }
