"""What a caller over HTTP is told while the table has faults, and that sending again is safe."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest

from payments_sandbox.api.app import create_app
from payments_sandbox.api.edge import EdgeSettings
from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.services.merchants import hash_of
from tests.aws.faults import (
    ALWAYS,
    APPEND,
    BY_MERCHANT,
    HEADS,
    OWNER,
    RECORDS,
    SETTINGS,
    TRANSACTION,
    answer_lost,
    cancelling,
    no_connection,
)
from tests.aws.faults_rig import Rig, rig_at
from tests.aws.faults_uses import FIRST_ID, opened
from tests.running import API_KEY, AUTHORIZE
from tests.unit.examples import MERCHANT_ID
from tests.unit.stand_ins import NOW

pytestmark = pytest.mark.aws


ATTEMPTS = 3


class Question(NamedTuple):
    """One request, and the calls it makes after the API key was looked up."""

    method: str
    path: str
    body: Any
    places: Sequence[str]


QUESTIONS = [
    Question("POST", "/payments/authorize", AUTHORIZE, [OWNER, SETTINGS, APPEND]),
    Question("POST", "/payments/capture", {"auth_id": FIRST_ID}, [OWNER, HEADS, APPEND]),
    Question("POST", "/payments/void", {"auth_id": FIRST_ID}, [HEADS, APPEND]),
    Question("GET", f"/payments/{FIRST_ID}", None, [OWNER, SETTINGS, RECORDS]),
    Question("GET", "/payments", None, [SETTINGS, BY_MERCHANT, HEADS]),
    Question("GET", "/sandbox/settings", None, [SETTINGS]),
    Question("PATCH", "/sandbox/settings", {"retention_days": 7}, [SETTINGS, APPEND]),
    Question("GET", "/health", None, [OWNER]),
]
MADE = [
    pytest.param(one, place, id=f"{one.method} {one.path} {place}")
    for one in QUESTIONS
    for place in one.places
]
CANCELLED = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]


@asynccontextmanager
async def calling(rig: Rig) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of the app over the rig."""
    transport = httpx.ASGITransport(
        create_app(rig.use, EdgeSettings(), DestinationPolicy()), raise_app_exceptions=False
    )
    await rig.merchants.add_key(ApiKey("local", MERCHANT_ID, NOW), hash_of(API_KEY))
    headers = {"x-api-key": API_KEY, "x-idempotency-key": "key"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", headers=headers
    ) as client:
        yield client


async def ask(client: httpx.AsyncClient, question: Question) -> httpx.Response:
    """Make the request."""
    return await client.request(question.method, question.path, json=question.body)


def told(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Return status, code and when to come again."""
    return answer.status_code, json.loads(answer.content)["code"], answer.headers.get("retry-after")


@pytest.mark.parametrize(("question", "place"), MADE)
async def test_the_ledger_is_unavailable(emulator: str, question: Question, place: str) -> None:
    """A fault that stays is a 503 with Retry-After; afterwards the same request is answered."""
    async with rig_at(emulator) as rig, calling(rig) as client:
        await opened(rig)
        rig.injector.plan(place, answer_lost, ALWAYS)

        answer = await ask(client, question)

        assert rig.injector.met == ATTEMPTS
        assert told(answer) == (503, "ledger_unavailable", "1")
        rig.injector.heal()
        first, again = await ask(client, question), await ask(client, question)
        assert first.is_success
        assert (first.status_code, first.content) == (again.status_code, again.content)
        rig.sound()


@pytest.mark.parametrize("question", QUESTIONS[:3], ids=lambda one: one.path)
@pytest.mark.parametrize("code", CANCELLED)
async def test_too_many_writers(emulator: str, question: Question, code: str) -> None:
    """A write that loses every race is a 409 with Retry-After; afterwards it is done."""
    async with rig_at(emulator) as rig, calling(rig) as client:
        await opened(rig)
        rig.injector.plan(APPEND, cancelling(code, 1), ALWAYS)

        answer = await ask(client, question)

        assert told(answer) == (409, "conflict", "1")
        rig.injector.heal()
        assert (await ask(client, question)).is_success
        assert rig.sound() == 2


@pytest.mark.parametrize("question", QUESTIONS[:3], ids=lambda one: one.path)
async def test_our_own_fault(emulator: str, question: Question) -> None:
    """A write the table finds malformed is a 500: no retry mends it."""
    async with rig_at(emulator) as rig, calling(rig) as client:
        await opened(rig)
        rig.injector.plan(APPEND, cancelling("ValidationError", 1), ALWAYS)

        answer = await ask(client, question)

        assert told(answer) == (500, "internal_error", None)
        assert (rig.injector.met, rig.sound()) == (1, 1)


async def test_a_replay_that_cannot_be_read(emulator: str) -> None:
    """A repeated request whose transaction cannot be read is a 503, then replays."""
    question = QUESTIONS[1]
    async with rig_at(emulator) as rig, calling(rig) as client:
        await opened(rig)
        first = await ask(client, question)
        rig.injector.plan(TRANSACTION, no_connection, ALWAYS)

        answer = await ask(client, question)

        assert told(answer) == (503, "ledger_unavailable", "1")
        rig.injector.heal()
        assert first.content == (await ask(client, question)).content
