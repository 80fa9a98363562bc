"""Webhook records on a table that loses answers, and whose index lags."""

from collections.abc import AsyncGenerator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
import pytest_asyncio

from payments_sandbox.adapters.dynamodb_deliveries import DynamoDeliveries
from payments_sandbox.adapters.dynamodb_endpoints import DynamoEndpoints
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.domain.endpoint import without
from payments_sandbox.services.ports import LostRace
from tests.aws.faults import APPEND, TROUBLES, Injector, Trouble, edited
from tests.aws.faults_rig import NO_TIME
from tests.contract.entries import ACME
from tests.contract.homes import new_table
from tests.contract.test_deliveries import END, SUCCESS, delivery, event_id, tried
from tests.contract.test_endpoints import adding, endpoint
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import ManualClock

pytestmark = pytest.mark.aws

PUT = "PutItem"
EACH = pytest.mark.parametrize("trouble", TROUBLES, ids=str)


class Rig(NamedTuple):
    """What is tested, through a client that faults meet."""

    deliveries: DynamoDeliveries
    endpoints: DynamoEndpoints
    injector: Injector


@pytest_asyncio.fixture
async def rig(emulator: str) -> AsyncGenerator[Rig]:
    """Yield deliveries and endpoints in a new table."""
    with new_table(emulator) as shared, patch("botocore.endpoint.time", NO_TIME):
        client = dynamodb_client(emulator)
        injector = Injector(client)
        table = Table(client, shared.name)
        yield Rig(DynamoDeliveries(table, ManualClock()), DynamoEndpoints(table), injector)
        injector.heal()
        await table.close()
        injector.close()


@EACH
async def test_a_delivery_that_is_added(rig: Rig, trouble: Trouble) -> None:
    """It is there once, and returned as it was added."""
    rig.injector.plan(PUT, trouble.fault)

    assert [delivery()] == await rig.deliveries.add([delivery()])

    assert rig.injector.met == 1
    assert delivery() == await rig.deliveries.delivery(ACME, delivery().delivery_id)


@EACH
async def test_a_delivery_that_moves_on(rig: Rig, trouble: Trouble) -> None:
    """Its writer has won, and is told so; who comes with the same version after it has lost."""
    leased = delivery().leased(END)
    await rig.deliveries.add([delivery()])
    rig.injector.plan(PUT, trouble.fault)

    await rig.deliveries.replace(leased)

    assert rig.injector.met == 1
    assert leased == await rig.deliveries.delivery(ACME, leased.delivery_id)
    with pytest.raises(LostRace):
        await rig.deliveries.replace(leased)


@EACH
async def test_an_endpoint_that_is_added(rig: Rig, trouble: Trouble) -> None:
    """It is there once: the change is not made on top of itself."""
    for number in (1, 2):
        rig.injector.plan(APPEND, trouble.fault)
        await rig.endpoints.change_endpoints(ACME, adding(number))
        assert rig.injector.met == 1

    assert (endpoint(1), endpoint(2)) == await rig.endpoints.endpoints(ACME)


@EACH
async def test_an_endpoint_that_is_deleted(rig: Rig, trouble: Trouble) -> None:
    """It is gone, and its deleter is not told that it was not there."""
    await rig.endpoints.change_endpoints(ACME, adding(1))
    rig.injector.plan(APPEND, trouble.fault)

    await rig.endpoints.change_endpoints(ACME, lambda all_: without(all_, endpoint(1).endpoint_id))

    assert rig.injector.met == 1
    assert await rig.endpoints.endpoints(ACME) == ()


async def test_an_index_that_lags(rig: Rig) -> None:
    """What it names twice comes once; what is delivered, leased or gone by now does not come."""
    due, delivered, leased, gone = (delivery(event_id(number)) for number in range(4))
    await rig.deliveries.add([due, delivered, leased])
    await rig.deliveries.replace(tried(delivered, SUCCESS))
    await rig.deliveries.replace(leased.leased(END))

    def lag(_: Any, facts: Any) -> None:
        (named,) = facts["Items"]
        for one in (delivered, leased, gone, due):
            facts["Items"].append(named | {"transaction_id": {"S": one.message_id}})
        facts["Count"] = len(facts["Items"])

    rig.injector.plan("Query by_due", edited(lag))

    assert [due] == await rig.deliveries.due(ACME, END - MILLISECOND)
    assert rig.injector.met == 1
