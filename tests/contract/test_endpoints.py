"""Webhook endpoints: a merchant's own few, changed together and never half."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from payments_sandbox.domain.chaos import Chaos
from payments_sandbox.domain.endpoint import (
    ENDPOINTS_MAX,
    DisabledReason,
    Endpoint,
    SecretVersion,
    added,
    replaced,
    without,
)
from payments_sandbox.domain.errors import NotFound, TooManyEndpoints
from payments_sandbox.domain.identifiers import endpoint_id_of
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.services.merchants import hash_of
from payments_sandbox.services.webhook_ports import Endpoints
from tests.contract.entries import ACME, OTHER
from tests.contract.homes import Home
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW

RACERS = 20
All = tuple[Endpoint, ...]


def endpoint(number: int = 1, merchant_id: str = ACME) -> Endpoint:
    """Return the endpoint with this number."""
    return Endpoint(
        endpoint_id=endpoint_id_of(f"{number:026}"),
        merchant_id=merchant_id,
        url=f"https://example.com/hooks/{number}",
        secrets=(SecretVersion(1, "k1"),),
        created_at=NOW,
        updated_at=NOW,
    )


def adding(*numbers: int, merchant_id: str = ACME) -> Callable[[All], All]:
    """Return the change that adds endpoints."""

    def add(all_: All) -> All:
        for number in numbers:
            all_ = added(all_, endpoint(number, merchant_id))
        return all_

    return add


@pytest_asyncio.fixture
async def endpoints(home: Home) -> Endpoints:
    """Return the endpoints under test, of merchants that are there."""
    for merchant_id in (ACME, OTHER):
        await home.merchants.add_key(ApiKey(merchant_id, merchant_id, NOW), hash_of(merchant_id))
    return home.endpoints


async def test_none(endpoints: Endpoints) -> None:
    """A merchant begins without endpoints, and so does one that nobody knows."""
    assert await endpoints.endpoints(ACME) == ()
    assert await endpoints.endpoints("nobody") == ()


async def test_oldest_first(endpoints: Endpoints) -> None:
    """Endpoints stand in the order they were added, whatever their ids."""
    for number in (5, 1, 9):
        await endpoints.change_endpoints(ACME, adding(number))

    assert (endpoint(5), endpoint(1), endpoint(9)) == await endpoints.endpoints(ACME)


@pytest.mark.parametrize(
    "changed",
    [
        replace(endpoint(), events=("payment_captured", "payment_refunded")),
        replace(endpoint(), events=()),
        replace(endpoint(), description="ü, \u202e and 🐢", url="http://127.0.0.1:9/?a=b&c#d"),
        replace(endpoint(), enabled=False),
        endpoint().gone(NOW + MILLISECOND),
        replace(endpoint(), enabled=True, disabled_reason=DisabledReason.GONE),
        replace(endpoint(), chaos=Chaos()),
        replace(endpoint(), chaos=Chaos(7, 1, 2, 3, 4, 5, 100)),
        endpoint().rotated("k2", NOW).rotated("k3", NOW + timedelta(hours=1)),
    ],
    ids=[
        "events",
        "no events",
        "texts",
        "disabled",
        "gone",
        "odd",
        "chaos of none",
        "chaos",
        "rotated",
    ],
)
async def test_every_field(endpoints: Endpoints, changed: Endpoint) -> None:
    """What was written is what is read, field by field, beside others that stay."""
    await endpoints.change_endpoints(ACME, adding(1, 2))

    await endpoints.change_endpoints(ACME, lambda all_: replaced(all_, changed))

    assert (changed, endpoint(2)) == await endpoints.endpoints(ACME)


async def test_deleting(endpoints: Endpoints) -> None:
    """Of endpoints that are deleted nothing is left, and new ones are added after the last."""
    await endpoints.change_endpoints(ACME, adding(1, 2))
    for number in (1, 2):
        gone = endpoint(number).endpoint_id
        await endpoints.change_endpoints(ACME, lambda all_, gone=gone: without(all_, gone))
    assert await endpoints.endpoints(ACME) == ()

    await endpoints.change_endpoints(ACME, adding(3))

    assert (endpoint(3),) == await endpoints.endpoints(ACME)


async def test_what_a_change_raises(endpoints: Endpoints) -> None:
    """A change that raises is told to its caller, and nothing is written."""
    await endpoints.change_endpoints(ACME, adding(1))

    with pytest.raises(NotFound):
        await endpoints.change_endpoints(ACME, lambda all_: without(all_, "ep_none"))
    with pytest.raises(ZeroDivisionError):
        await endpoints.change_endpoints(ACME, lambda all_: all_[: 1 // 0])

    assert (endpoint(1),) == await endpoints.endpoints(ACME)
    await endpoints.change_endpoints(ACME, adding(2))
    assert (endpoint(1), endpoint(2)) == await endpoints.endpoints(ACME)


async def test_what_the_first_change_raises(endpoints: Endpoints) -> None:
    """It makes nothing either: the merchant has no endpoints, as before."""
    with pytest.raises(NotFound):
        await endpoints.change_endpoints(ACME, lambda all_: without(all_, "ep_none"))

    assert await endpoints.endpoints(ACME) == ()


async def test_other_merchants(endpoints: Endpoints) -> None:
    """Each merchant has its own endpoints, and a change sees and moves no others."""
    await endpoints.change_endpoints(ACME, adding(1, 2))
    seen: list[All] = []

    def watch(all_: All) -> All:
        seen.append(all_)
        return adding(3, merchant_id=OTHER)(all_)

    await endpoints.change_endpoints(OTHER, watch)
    await endpoints.change_endpoints(ACME, lambda all_: without(all_, endpoint(1).endpoint_id))

    assert seen == [()]
    assert (endpoint(2),) == await endpoints.endpoints(ACME)
    assert (endpoint(3, OTHER),) == await endpoints.endpoints(OTHER)


async def test_reads_follow_writes(endpoints: Endpoints) -> None:
    """What a change returned from is what the very next read shows, also between reads."""
    for number in range(ENDPOINTS_MAX):
        await endpoints.change_endpoints(ACME, adding(number))

        assert number + 1 == len(await endpoints.endpoints(ACME))


async def test_adding_at_once(endpoints: Endpoints) -> None:
    """Of endpoints added at the same moment there are 16 in the end, each there once."""
    outcomes = await asyncio.gather(
        *(endpoints.change_endpoints(ACME, adding(number)) for number in range(RACERS)),
        return_exceptions=True,
    )

    won = {endpoint(number) for number, one in enumerate(outcomes) if one is None}
    refused = [type(one) for one in outcomes if one is not None]
    found = await endpoints.endpoints(ACME)
    assert len(found) == ENDPOINTS_MAX
    assert won == {*found}
    assert [TooManyEndpoints] * (RACERS - ENDPOINTS_MAX) == refused


async def test_changing_at_once(endpoints: Endpoints) -> None:
    """Changes made at the same moment build on each other: none is lost, none done twice."""
    await endpoints.change_endpoints(ACME, adding(1, 2))

    def append(letter: str) -> Callable[[All], All]:
        def change(all_: All) -> All:
            first = all_[0]
            return replaced(all_, replace(first, description=first.description + letter))

        return change

    letters = "abcdefghijklmnopqrst"
    assert len(letters) == RACERS

    await asyncio.gather(*(endpoints.change_endpoints(ACME, append(one)) for one in letters))

    first, second = await endpoints.endpoints(ACME)
    assert sorted(letters) == sorted(first.description)
    assert endpoint(2) == second


async def test_merchants_at_once(endpoints: Endpoints) -> None:
    """Changes of different merchants at the same moment do not meet."""
    await asyncio.gather(
        *(
            endpoints.change_endpoints(merchant_id, adding(number, merchant_id=merchant_id))
            for merchant_id in (ACME, OTHER)
            for number in range(RACERS // 4)
        )
    )

    for merchant_id in (ACME, OTHER):
        expected = {endpoint(number, merchant_id) for number in range(RACERS // 4)}
        assert expected == {*await endpoints.endpoints(merchant_id)}


@pytest.mark.parametrize("moments", range(6))
async def test_a_caller_who_leaves(endpoints: Endpoints, moments: int) -> None:
    """What a caller who left had begun is there for everybody or for nobody, reads included."""
    task = asyncio.create_task(endpoints.change_endpoints(ACME, adding(1)))
    for _ in range(moments):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await endpoints.endpoints(ACME)
    await endpoints.change_endpoints(OTHER, adding(2, merchant_id=OTHER))
    seen: list[All] = []

    shown = await endpoints.endpoints(ACME)
    await endpoints.change_endpoints(ACME, lambda all_: seen.append(all_) or all_)

    assert seen == [shown]
