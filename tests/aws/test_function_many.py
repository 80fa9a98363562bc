"""Many requests at once, over functions that share a table in real time."""

import asyncio
import json
from collections import Counter

import httpx
import pytest

from tests.aws.function_rig import gateway_at
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

FUNCTIONS = 4


async def post(client: httpx.AsyncClient, operation: str, body: object, key: str) -> httpx.Response:
    """Send a POST under /payments."""
    headers = {"x-idempotency-key": key}
    return await client.post(f"/payments/{operation}", json=body, headers=headers)


async def test_64_identical_requests_at_once(emulator: str) -> None:
    """They are one transaction and 64 equal answers, whichever function answers."""
    async with gateway_at(emulator, FUNCTIONS) as client:
        answers = await asyncio.gather(
            *(post(client, "authorize", AUTHORIZE, "k1") for _ in range(64))
        )
        listed = (await client.get("/payments?limit=100")).json()["data"]

    assert {201} == {answer.status_code for answer in answers}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(listed) == 1


async def test_50_captures_of_30_on_1000(emulator: str) -> None:
    """Exactly 33 complete and 17 fail, numbered without gaps."""
    async with gateway_at(emulator, FUNCTIONS) as client:
        opened = (await post(client, "authorize", AUTHORIZE, "k1")).json()
        body = {"auth_id": opened["auth_id"], "amount": 30}
        answers = await asyncio.gather(
            *(post(client, "capture", body, f"c{number}") for number in range(50))
        )
        payment = (await client.get(f"/payments/{opened['auth_id']}")).json()

    assert Counter(answer.status_code for answer in answers) == {201: 33, 422: 17}
    assert payment["captured_amount"] == 990
    assert list(range(1, 52)) == [one["seq"] for one in payment["transactions"]]


async def test_the_rate_is_the_gateway_s(emulator: str) -> None:
    """The function limits no rate: 150 requests with one key at once all pass, and none is told."""
    async with gateway_at(emulator, FUNCTIONS) as client:
        answers = await asyncio.gather(*(client.get("/payments") for _ in range(150)))

    assert Counter(answer.status_code for answer in answers) == {200: 150}
    assert not [name for name in answers[0].headers if "ratelimit" in name]
    assert json.loads(answers[0].content)["data"] == []
