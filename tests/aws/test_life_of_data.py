"""How long items stay: each says when the table may delete it, and no read waits for that."""

from collections.abc import AsyncGenerator, Awaitable, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_merchants import AWS_SETTINGS, DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.errors import NotATestCard, NotFound
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Authorize, Capture, Operation, Refund, Void
from payments_sandbox.domain.payment import Payment
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import KEY_LIFE, Outcome, Payments, Request
from payments_sandbox.services.ports import IdempotencyKey, PaymentFilter
from tests.contract.entries import auth_id, keep, key, listed, new
from tests.contract.homes import new_table
from tests.unit.examples import AUTHORIZE, MILLISECOND, VISA
from tests.unit.stand_ins import NOW, SECRETS, ManualClock, SeededIds

pytestmark = pytest.mark.aws
DAY = timedelta(days=1)
# Not on a whole second, so that rounding shows.
START = NOW + timedelta(milliseconds=1)
END = NOW + timedelta(days=90, seconds=1)
"""When a payment of START ends under the settings of AWS: never early."""
TOMORROW = NOW + timedelta(days=1, seconds=1)
READS = 10
KINDS = ("payment", "txn#000001", "txn#000002", "key")
SUBSETS = [subset for size in range(5) for subset in combinations(KINDS, size)]


class Sandbox(NamedTuple):
    """The services of one process on a table that deletes nothing by itself."""

    table: Table
    clock: ManualClock
    ledger: DynamoLedger
    merchants: DynamoMerchants
    payments: Payments

    async def authorize(self, key: str = "authorize", operation: Authorize = AUTHORIZE) -> Outcome:
        """Authorize under a key."""
        return await self.payments.authorize(operation, request("authorize", key))

    async def execute(self, operation: Operation, key: str) -> Outcome:
        """Do something to a payment under a key."""
        return await self.payments.execute(operation, request(type(operation).__name__, key))

    def items(self) -> list[Any]:
        """Return all that is in the table."""
        found: Any = self.table.client.scan(TableName=self.table.name, ConsistentRead=True)
        assert "LastEvaluatedKey" not in found
        return found["Items"]

    def lives(self, *kinds: str) -> dict[str, str | None]:
        """Return `expires_at` of all items whose sort key begins so, by their keys."""
        return {
            f"{one['transaction_id']['S']} {one['record']['S']}": one.get("expires_at", {}).get("N")
            for one in self.items()
            if one["record"]["S"].startswith(kinds)
        }

    def delete(self, records: tuple[str, ...]) -> None:
        """Delete the items of these sort keys, as the table might."""
        for one in [one for one in self.items() if one["record"]["S"] in records]:
            place = {name: one[name] for name in ("transaction_id", "record")}
            self.table.client.delete_item(TableName=self.table.name, Key=place)


@pytest.fixture
def table(emulator: str) -> Generator[Table]:
    """Yield an empty table."""
    with new_table(emulator) as table:
        yield table


async def sandbox_on(table: Table, first_settings: Settings = AWS_SETTINGS) -> Sandbox:
    """Return the services with one new merchant."""
    clock, ids = ManualClock(START), SeededIds()
    merchants = DynamoMerchants(table, first_settings, clock=clock)
    ledger = DynamoLedger(table, clock)
    await Tenancy(merchants, clock, ids).create_key("acme")
    return Sandbox(
        table, clock, ledger, merchants, Payments(ledger, merchants, clock, ids, SECRETS)
    )


@pytest_asyncio.fixture
async def sandbox(table: Table) -> AsyncGenerator[Sandbox]:
    """Yield the services as AWS has them."""
    sandbox = await sandbox_on(table)
    yield sandbox
    await sandbox.ledger.close()


def request(operation: str, key: str) -> Request:
    """Return the merchant's request under this key; its body is always the same."""
    return Request("acme", operation, key, "body")


def spent_by(operation: str, name: str, at: datetime) -> IdempotencyKey:
    """Return the key of a request as the services would look it up then."""
    scope = SECRETS.identity("scope", "acme", operation, name)[:16]
    print_ = SECRETS.identity("fingerprint", "acme", operation, "body")[:16]
    return replace(key(at=at), scope_hash=scope, fingerprint=print_)


def seconds(at: datetime) -> str:
    """Return a time as TTL counts: whole seconds, rounded up."""
    return str(-((datetime(1970, 1, 1, tzinfo=UTC) - at) // timedelta(seconds=1)))


async def seen(sandbox: Sandbox, payment: Payment) -> list[str]:
    """Return which reads show something of the payment or its last key."""
    ledger, payments = sandbox.ledger, sandbox.payments
    auth_id, capture_id = payment.payment_id, payment.captures[0].transaction_id
    reads: dict[str, Awaitable[object]] = {
        "payment": ledger.payment("acme", auth_id),
        "history": ledger.history("acme", auth_id),
        "history with what is due": payments.history("acme", auth_id),
        "authorization": payments.transaction("acme", auth_id),
        "capture": payments.transaction("acme", capture_id),
        "spent": ledger.spent(spent_by("Capture", "capture", sandbox.clock.at)),
        "list": listed(ledger),
        "list of the card": listed(ledger, PaymentFilter(card_id=payment.card.card_id)),
        "list of the reference": listed(ledger, PaymentFilter(reference="r")),
        "list of the status": listed(ledger, PaymentFilter(status=payment.status)),
    }
    assert len(reads) == READS
    return [name for name, read in reads.items() if await shows(read)]


async def shows(read: Awaitable[object]) -> bool:
    """Tell whether the read has something to show."""
    try:
        return bool(await read)
    except NotFound:
        return False


async def one_day_long(sandbox: Sandbox) -> Payment:
    """Authorize and capture in part, to be kept until TOMORROW."""
    await sandbox.merchants.change(
        "acme",
        lambda one: replace(one, settings=replace(one.settings, retention_days=1)),
    )
    first = (await sandbox.authorize(operation=replace(AUTHORIZE, reference="r"))).transaction
    sandbox.clock.at += timedelta(hours=1)
    await sandbox.execute(Capture(first.payment_id, 1), "capture")
    return await sandbox.ledger.payment("acme", first.payment_id)


async def test_one_payment_one_life(sandbox: Sandbox) -> None:
    """Head and transactions, however late they came, carry the authorization's end."""
    payment_id = (await sandbox.authorize()).transaction.payment_id
    sandbox.clock.at += DAY + MILLISECOND
    await sandbox.execute(Capture(payment_id, 300), "a")
    await sandbox.execute(Refund(payment_id), "b")
    sandbox.clock.at += timedelta(days=30, milliseconds=7)
    await sandbox.payments.history("acme", payment_id)
    await sandbox.execute(Void(payment_id), "too late")
    expected = {f"{payment_id} txn#{seq:06}": seconds(END) for seq in range(1, 6)}
    expected[f"{payment_id} payment"] = seconds(END)

    assert expected == sandbox.lives("payment", "txn#")
    assert int(seconds(END)) >= (START + timedelta(days=90)).timestamp()


async def test_a_key_lives_as_long_as_it_is_spent(sandbox: Sandbox) -> None:
    """A key goes with its own life, rounded up, and never after its payment."""
    payment_id = (await sandbox.authorize("first")).transaction.payment_id
    sandbox.clock.at = END - KEY_LIFE - MILLISECOND
    await sandbox.execute(Capture(payment_id, 1), "shorter")
    sandbox.clock.at = END - timedelta(hours=1)
    await sandbox.execute(Capture(payment_id, 1), "cut")
    expected = sorted([seconds(START + KEY_LIFE), seconds(END), seconds(END)], key=int)

    lives = sandbox.lives("key")

    spent = [life for name, life in lives.items() if name.startswith("idem#")]
    assert expected == sorted(spent, key=lambda life: int(life or 0))


@pytest.mark.parametrize(
    ("ends_at", "whole"),
    [(DAY, 0), (DAY + MILLISECOND, 1), (DAY + timedelta(milliseconds=999), 1)],
)
async def test_never_early(sandbox: Sandbox, ends_at: timedelta, whole: int) -> None:
    """The table may delete a payment or a key at its end or up to a second later, not before."""
    expected = {seconds(NOW + DAY + timedelta(seconds=whole))}

    await keep(sandbox.ledger, new(expires_at=NOW + ends_at), key(at=NOW, life=2 * DAY))
    await keep(sandbox.ledger, new(2, expires_at=NOW + 9 * DAY), key("b", at=NOW, life=ends_at))

    ours = {n: life for n, life in sandbox.lives("").items() if auth_id(1) in n or "idem#" in n}
    assert expected == {*ours.values()}
    assert len(ours) == 4


async def test_merchants_and_their_keys_stay(sandbox: Sandbox) -> None:
    """Neither merchants nor API keys say when they may be deleted, revoked keys neither."""
    (kept,) = await sandbox.merchants.keys("acme")
    await sandbox.merchants.change(
        "acme", lambda one: replace(one, settings=Settings(retention_days=1))
    )
    await Tenancy(sandbox.merchants, sandbox.clock, SeededIds(1)).create_key("another")
    await sandbox.merchants.revoke_key("acme", kept.key_id, START)

    lives = sandbox.lives("")

    assert len(lives) == 5
    assert {None} == {*lives.values()}


async def test_without_retention_nothing_ends(table: Table) -> None:
    """A merchant that keeps payments for good has no end on them; its keys die all the same."""
    sandbox = await sandbox_on(table, Settings())
    payment_id = (await sandbox.authorize()).transaction.payment_id
    await sandbox.execute(Capture(payment_id), "capture")
    kept, keys = sandbox.lives("payment", "txn#"), sandbox.lives("key")

    assert (3, {None}) == (len(kept), {*kept.values()})
    assert {None, seconds(START + KEY_LIFE)} == {*keys.values()}
    sandbox.clock.at += timedelta(days=9_999)
    assert payment_id == (await sandbox.ledger.payment("acme", payment_id)).payment_id
    await sandbox.ledger.close()


async def test_shown_to_the_last_millisecond(sandbox: Sandbox) -> None:
    """Every read shows the payment up to its end, and none from then on; all is still there."""
    payment = await one_day_long(sandbox)
    expected = sandbox.items()
    sandbox.clock.at = TOMORROW - MILLISECOND
    assert len(await seen(sandbox, payment)) == READS

    sandbox.clock.at = TOMORROW

    assert await seen(sandbox, payment) == []
    assert expected == sandbox.items()


@pytest.mark.parametrize("deleted", SUBSETS, ids="+".join)
async def test_deleted_in_any_order(sandbox: Sandbox, deleted: tuple[str, ...]) -> None:
    """Whichever of a payment's items are deleted first, it is not found and its keys are new."""
    payment = await one_day_long(sandbox)
    auth_id, capture_id = payment.payment_id, payment.captures[0].transaction_id
    before = len(sandbox.items())
    sandbox.clock.at = TOMORROW
    sandbox.delete(deleted)
    assert before - len(deleted) - ("key" in deleted) == len(sandbox.items())

    assert await seen(sandbox, payment) == []
    operations = (Capture(auth_id, 1), Refund(auth_id), Refund(auth_id, capture_id), Void(auth_id))
    for operation, name in product(operations, ("capture", "a new one")):
        with pytest.raises(NotFound):
            await sandbox.execute(operation, name)
    anew = await sandbox.authorize()

    assert not anew.replayed
    assert [anew.transaction.payment_id] == [one.payment_id for one in await listed(sandbox.ledger)]


async def test_a_clock_behind_the_tables(sandbox: Sandbox) -> None:
    """A key whose transaction the table deleted, by a clock ahead of ours, is not spent."""
    payment = await one_day_long(sandbox)
    sandbox.clock.at = TOMORROW - MILLISECOND
    sandbox.delete(("txn#000002",))

    assert await sandbox.ledger.spent(spent_by("Capture", "capture", sandbox.clock.at)) is None
    with pytest.raises(NotFound):
        await sandbox.execute(Capture(payment.payment_id, 1), "capture")


async def test_what_a_merchant_begins_with(sandbox: Sandbox) -> None:
    """On AWS a new merchant takes test cards only, and keeps payments for ninety days."""
    expected = Settings(test_cards_only=True, retention_days=90)
    unpublished = replace(AUTHORIZE, card=replace(VISA, number="4539578763621486"))
    before = sandbox.items()
    assert expected == (await sandbox.merchants.merchant("acme")).settings

    with pytest.raises(NotATestCard):
        await sandbox.authorize(operation=unpublished)
    assert before == sandbox.items()
    made = (await sandbox.authorize()).transaction
    payment = await sandbox.ledger.payment("acme", made.payment_id)

    assert payment.expires_at == END
    sandbox.clock.at = END - MILLISECOND
    assert await shows(sandbox.payments.history("acme", made.payment_id))
    sandbox.clock.at = END
    assert not await shows(sandbox.payments.history("acme", made.payment_id))
    assert await listed(sandbox.ledger) == []
