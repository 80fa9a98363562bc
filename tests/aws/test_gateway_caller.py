"""Whose key the gateway let in: asked once a minute, and never believed beyond what is kept."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.domain.merchant import ApiKey, Settings
from payments_sandbox.entrypoints import gateway
from payments_sandbox.entrypoints.gateway import GatewayCaller
from payments_sandbox.services.merchants import Tenancy, hash_of
from tests.aws.function_rig import Event, event_of, function_at, posted
from tests.contract.homes import new_table
from tests.running import AUTHORIZE
from tests.unit.stand_ins import NOW

pytestmark = pytest.mark.aws

KEY, SHOP = "sk_test_shop", "shop"


class Asked(DynamoMerchants):
    """Merchants that note which key they are asked for."""

    asked: list[str]

    async def merchant_id_by_gateway_key(self, key_id: str) -> str | None:
        """Note it, and return whose key it is."""
        self.asked.append(key_id)
        return await super().merchant_id_by_gateway_key(key_id)


class Desk:
    """A caller with time in the test's hand."""

    def __init__(self, merchants: Asked) -> None:
        self.merchants = merchants
        self.now_s = 1_000.0
        tenancy = Tenancy(merchants, SystemClock(), RandomIds())
        self._caller = GatewayCaller(merchants, tenancy, lambda: self.now_s)

    async def add(self, key_id: str, merchant_id: str, api_key: str = KEY) -> None:
        """Keep a key that the gateway knows."""
        key = ApiKey(key_id, merchant_id, NOW)
        await self.merchants.add_key(key, hash_of(api_key), at_gateway=True)

    async def whose(self, key_id: str | None, api_key: str | None = None) -> str | None:
        """Return whom a request is from."""
        identity = {} if key_id is None else {"apiKeyId": key_id}
        headers = [] if api_key is None else [(b"x-api-key", api_key.encode())]
        context = {"requestContext": {"requestId": "1", "identity": identity}}
        return await self._caller({"type": "http", "headers": headers, "aws.event": context})


@pytest_asyncio.fixture
async def desk(emulator: str) -> AsyncIterator[Desk]:
    """A desk over a table of its own, with the key `k1` of a shop."""
    with new_table(emulator) as table:
        merchants = Asked(table, Settings())
        merchants.asked = []
        one = Desk(merchants)
        await one.add("k1", SHOP)
        yield one
        await table.close()


async def test_a_key_is_asked_for_once_a_minute(desk: Desk) -> None:
    """Whose it is comes from the table, then from memory for 60 seconds and not longer."""
    found = [await desk.whose("k1")]
    desk.now_s += 59.999
    found.append(await desk.whose("k1"))
    before = len(desk.merchants.asked)
    desk.now_s += 0.001
    found.append(await desk.whose("k1"))

    assert found == [SHOP] * 3
    assert (before, len(desk.merchants.asked)) == (1, 2)


async def test_using_a_key_does_not_keep_it(desk: Desk) -> None:
    """The minute runs from when the table was asked, however often the key is used."""
    for _ in range(10):
        await desk.whose("k1")
        desk.now_s += 13

    assert desk.merchants.asked == ["k1"] * 2


async def test_a_revoked_key_is_forgotten(desk: Desk) -> None:
    """A key that is revoked opens nothing once its minute is over."""
    await desk.whose("k1")
    await desk.merchants.revoke_key(SHOP, "k1", NOW)
    desk.now_s += 60

    assert await desk.whose("k1") is None
    assert await desk.whose(None, KEY) is None


async def test_an_unknown_key_is_not_remembered(desk: Desk) -> None:
    """A key made after it was asked for works at once."""
    before = await desk.whose("k2")
    await desk.add("k2", "late", "sk_test_late")

    assert [before, await desk.whose("k2")] == [None, "late"]


async def test_a_gateway_that_tells_no_id(desk: Desk) -> None:
    """The key itself is looked up, each time, and an unknown or missing one is nobody's."""
    found = [
        await desk.whose(None, KEY),
        await desk.whose("", KEY),
        await desk.whose(None, "sk_test_nobody"),
        await desk.whose(None, ""),
        await desk.whose(None),
    ]

    assert found == [SHOP, SHOP, None, None, None]
    assert desk.merchants.asked == []


async def test_the_id_counts_and_not_the_header(desk: Desk) -> None:
    """The gateway has checked the key: another key in the header changes nothing."""
    await desk.add("k2", "other", "sk_test_other")

    assert await desk.whose("k1", "sk_test_other") == SHOP
    assert await desk.whose("unknown", KEY) is None


async def test_memory_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys are used, so many are remembered at most, and all are known."""
    monkeypatch.setattr(gateway, "REMEMBERED_MAX", 5)
    for number in range(20):
        await desk.add(f"n{number}", f"m{number}", f"sk_test_{number}")
    found = [await desk.whose(f"n{number}") for number in range(20)]
    remembered: dict[str, Any] = vars(desk)["_caller"].__dict__["_remembered"]

    assert [f"m{number}" for number in range(20)] == found
    assert 0 < len(remembered) <= 5


def let_in_by(key_id: str, event: Event) -> Event:
    """Return the event of a request that the gateway let in by another key."""
    event["requestContext"]["identity"]["apiKeyId"] = key_id
    return event


def test_an_unknown_id_is_refused(emulator: str) -> None:
    """A key that the gateway lets in and nobody owns is a 401 with a challenge."""
    with function_at(emulator) as rig:
        answer = rig.invoke(let_in_by("unknown", event_of("GET", "/payments")))

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "ApiKey"


def test_payments_of_others_are_not_there(emulator: str) -> None:
    """With another merchant's key a payment is not found, listed or changed."""
    with function_at(emulator) as rig:
        auth_id = rig.invoke(posted("authorize", AUTHORIZE)).json()["auth_id"]
        other = ApiKey("k2", "other", NOW)
        asyncio.run(rig.merchants.add_key(other, hash_of("sk_test_other"), at_gateway=True))
        foreign = [
            event_of("GET", f"/payments/{auth_id}"),
            event_of("GET", f"/transactions/{auth_id}"),
            posted("capture", {"auth_id": auth_id}, "k2"),
            posted("refund", {"transaction_id": auth_id, "amount": 1}, "k2"),
            posted("void", {"auth_id": auth_id}, "k2"),
        ]
        answers = [rig.invoke(let_in_by("k2", event)) for event in foreign]
        listed = rig.invoke(let_in_by("k2", event_of("GET", "/payments")))
        mine = rig.invoke(event_of("GET", f"/payments/{auth_id}"))

    assert [404] * len(foreign) == [answer.status_code for answer in answers]
    assert listed.json()["data"] == []
    assert (mine.status_code, len(mine.json()["transactions"])) == (200, 1)
