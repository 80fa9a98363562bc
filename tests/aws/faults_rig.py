"""A ledger on a table of its own, the services on it, and what must hold whatever happened."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from payments_sandbox.adapters.codec import encode_merchant
from payments_sandbox.adapters.dynamodb import DynamoLedger
from payments_sandbox.adapters.dynamodb_items import HEAD as HEAD_RECORD
from payments_sandbox.adapters.dynamodb_items import payment_of, transaction_of
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client, key_of
from payments_sandbox.api.app import UseCases
from payments_sandbox.domain.errors import Conflict, LedgerUnavailable, SandboxError
from payments_sandbox.domain.merchant import Merchant, Settings
from payments_sandbox.domain.payment import Payment
from payments_sandbox.domain.transaction import Transaction
from payments_sandbox.entrypoints.table_store import table_store
from payments_sandbox.entrypoints.wiring import NoCourier, use_cases_over
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.payments import Outcome, Payments
from payments_sandbox.services.ports import IdempotencyKey
from tests.aws.faults import Injector
from tests.contract.homes import new_table
from tests.property.folding import assert_sound
from tests.unit.examples import AUTHORIZE, MERCHANT_ID
from tests.unit.requests import request
from tests.unit.stand_ins import SECRETS, ManualClock, SeededIds

Act = Callable[["Rig"], Awaitable[object]]
# The client's pauses between its attempts are not waited for; how many attempts stays as it is.
NO_TIME = SimpleNamespace(sleep=lambda _: None)  # pyright: ignore[reportUnknownLambdaType]
UNSURE = (LedgerUnavailable, Conflict)


@dataclass(frozen=True)
class Rig:
    """The services under test, and what a test may reach behind them."""

    shared: Table
    """The table through a client that meets no faults."""
    ledger: DynamoLedger
    merchants: DynamoMerchants
    injector: Injector
    clock: ManualClock
    use: UseCases

    @property
    def payments(self) -> Payments:
        """The use cases of a payment."""
        return self.use.payments

    @property
    def tenancy(self) -> Tenancy:
        """The use cases of a merchant."""
        return self.use.tenancy

    async def authorize(self, key: str = "first", amount: int = AUTHORIZE.amount) -> Outcome:
        """Authorize on a test card under this key."""
        return await self.payments.authorize(
            replace(AUTHORIZE, amount=amount), request("authorize", key)
        )

    async def opened(self) -> str:
        """Authorize a payment and return its id."""
        return (await self.authorize()).transaction.payment_id

    def kept(self) -> list[tuple[Payment, list[Transaction]]]:
        """Return all payments with their transactions, as the table has them at this moment."""
        found = self.shared.client.scan(TableName=self.shared.name, ConsistentRead=True)
        assert "LastEvaluatedKey" not in found
        items = sorted(found["Items"], key=lambda one: str(one["record"]))
        transactions: dict[str, list[Transaction]] = {}
        for item in (one for one in items if str(one["record"].get("S")).startswith("txn#")):
            transactions.setdefault(str(item["transaction_id"].get("S")), []).append(
                transaction_of(item)
            )
        heads = [payment_of(one) for one in items if one["record"] == {"S": HEAD_RECORD}]
        assert transactions.keys() == {one.payment_id for one in heads}
        return [(one, transactions[one.payment_id]) for one in heads]

    def sound(self) -> int:
        """Check each payment against its transactions; return how many those are in all."""
        kept = self.kept()
        for payment, transactions in kept:
            assert_sound(payment, transactions)
        return sum(len(transactions) for _, transactions in kept)


@asynccontextmanager
async def rig_at(
    endpoint: str,
    kind: type[DynamoLedger] = DynamoLedger,
    *,
    pause_share: float = 1.0,
) -> AsyncGenerator[Rig]:
    """Yield the services on a new table, with a client that no other test has."""
    clock, ids = ManualClock(pause_share=pause_share), SeededIds()
    with new_table(endpoint) as shared, patch("botocore.endpoint.time", NO_TIME):
        client = dynamodb_client(endpoint)
        injector = Injector(client)
        table = Table(client, shared.name)
        ledger, merchants = kind(table, clock), DynamoMerchants(table, Settings(), clock=clock)
        begin_with_settings(shared)
        store = table_store(table, clock)._replace(ledger=ledger, merchants=merchants)
        use = use_cases_over(store, NoCourier(), SECRETS, clock, ids)
        try:
            yield Rig(shared, ledger, merchants, injector, clock, use)
        finally:
            injector.heal()
            await ledger.close()
            injector.close()


def begin_with_settings(table: Table, merchant_id: str = MERCHANT_ID) -> None:
    """Put a merchant there that has its settings, and no key yet."""
    item: Any = key_of(f"merchant_{merchant_id}", "settings") | {
        "listed_in": {"S": "merchants"},
        "listed_at": {"S": merchant_id},
        "body": {"S": encode_merchant(Merchant(merchant_id, Settings())).decode()},
    }
    table.client.put_item(TableName=table.name, Item=item)


async def result_of(doing: Awaitable[object]) -> object:
    """Return the answer, or the kind of the error that stands for it."""
    try:
        return await doing
    except SandboxError as error:
        return type(error)


def is_sure(result: object) -> bool:
    """Tell whether the caller learnt what came of it."""
    return all(result is not one for one in UNSURE)


def fact_of(result: object) -> object:
    """Return what must be the same each time: an outcome's transaction, else the whole answer."""
    return result.transaction if isinstance(result, Outcome) else result


async def assert_once(rig: Rig, act: Act, first: object, total: int) -> None:
    """Check that the act, which answered `first`, has one effect, now and after it is repeated.

    `total` is how many transactions there are in all once it is done.
    """
    rig.injector.heal()
    before = rig.sound()
    assert before <= total
    again = await result_of(act(rig))
    if isinstance(again, Outcome):
        assert again.replayed == (before == total)
    if is_sure(first):
        assert before == total
        assert fact_of(first) == fact_of(again)
    assert is_sure(again)
    assert total == rig.sound()


class ForgetsKeys(DynamoLedger):
    """It never spends a key."""

    async def append(
        self, payment: Payment, transactions: Sequence[Transaction], key: IdempotencyKey | None
    ) -> None:
        """Append without the key."""
        del key
        await super().append(payment, transactions, None)
