"""Endpoints under parallel calls, kills and receivers that hang: nothing lost and no fault."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.hostile.receivers import OK, Request, Tripwire, answering, receiving
from tests.running import Answer, Running, running

ENDPOINTS, DELIVERIES = "/webhooks/endpoints", "/webhooks/deliveries"
ENDPOINTS_MAX, SECRETS_MAX = 16, 4
DEADLINE_S = 15.0
Call = tuple[str, str, object]


@asynccontextmanager
async def served(data: Path, *options: str) -> AsyncGenerator[Running]:
    """Serve until the block ends; receivers in this loop go on hearing meanwhile."""
    context = running(data, options=options)
    sandbox = await asyncio.to_thread(context.__enter__)
    try:
        yield sandbox
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncGenerator[Running]:
    """Serve a ledger of the test's own."""
    async with served(tmp_path / "ledger.db") as started:
        yield started


async def call(sandbox: Running, method: str, path: str, body: object = None) -> Answer:
    """Make one call beside whatever else goes on."""
    return await asyncio.to_thread(sandbox.call, method, path, body)


async def at_once(sandbox: Running, calls: Sequence[Call]) -> list[Answer]:
    """Make all calls at once, each in a thread and on a connection of its own."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(calls)) as threads:
        running_calls = [loop.run_in_executor(threads, sandbox.call, *one) for one in calls]
        return await asyncio.gather(*running_calls)


async def created(sandbox: Running, url: str) -> Any:
    """Make an endpoint and return the answer's body."""
    made = await call(sandbox, "POST", ENDPOINTS, {"url": url})

    assert made.status == 201, made.body
    return made.json


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; it is another process's to come about."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.01)


async def tried(sandbox: Running, delivery_id: str) -> Any:
    """Return a delivery once it was attempted."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            one = (await call(sandbox, "GET", f"{DELIVERIES}/{delivery_id}")).json
            if one["attempts_made"]:
                return one
            await asyncio.sleep(0.02)


def ids_in(sandbox: Running) -> list[str]:
    """Return the ids of all deliveries, newest first."""
    page = sandbox.call("GET", f"{DELIVERIES}?limit=100").json["data"]
    return [one["delivery_id"] for one in page]


def verifies(secret: str, request: Request) -> bool:
    """Tell whether a stranger's library takes the request."""
    try:
        Webhook(secret).verify(request.body, request.headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def logged(sandbox: Running) -> str:
    """Return what was logged since the banner."""
    _, banner_end, lines = sandbox.log.read_text().partition("Ctrl-C stops it.")

    assert banner_end
    return lines.strip()


async def test_of_many_creations_sixteen_are_made(sandbox: Running) -> None:
    """Of 64 at once exactly 16 are answered with an endpoint, and those are the ones there."""
    bodies = [{"url": "http://127.0.0.1:9999/", "description": f"{at}"} for at in range(64)]
    answers = await at_once(sandbox, [("POST", ENDPOINTS, body) for body in bodies])
    made = [one.json for one in answers if one.status == 201]
    refused = {one.json["code"] for one in answers if one.status != 201}
    listed = (await call(sandbox, "GET", ENDPOINTS)).json["data"]

    assert (len(made), refused) == (ENDPOINTS_MAX, {"too_many_endpoints"})
    assert {one["endpoint_id"] for one in made} == {one["endpoint_id"] for one in listed}
    assert len({one["secret"] for one in made}) == len(listed) == ENDPOINTS_MAX


async def test_each_rotation_shows_a_secret_of_its_own(sandbox: Running) -> None:
    """Of 32 at once no two show the same, and the last four sign what comes after."""
    async with receiving(answering(OK)) as receiver:
        made = await created(sandbox, receiver.url)
        path = f"{ENDPOINTS}/{made['endpoint_id']}"
        rotations: list[Call] = [("POST", f"{path}/rotate-secret", None)] * 32
        rotated = [one.json for one in await at_once(sandbox, rotations)]
        await call(sandbox, "POST", f"{path}/ping")
        await until(lambda: len(receiver.requests) == 1)
    by_version = {one["secret_versions"][0]["version"]: one["secret"] for one in rotated}
    signing = [
        version for version, one in by_version.items() if verifies(one, receiver.requests[0])
    ]

    assert sorted(by_version) == list(range(2, 34))
    assert len({made["secret"], *by_version.values()}) == 33
    assert sorted(signing) == list(range(34 - SECRETS_MAX, 34))
    assert not verifies(made["secret"], receiver.requests[0])


async def test_changes_of_different_fields_are_all_kept(sandbox: Running) -> None:
    """Of many changes at once none undoes another's field, nor a rotation between them."""
    path = f"{ENDPOINTS}/{(await created(sandbox, 'http://127.0.0.1:9999/'))['endpoint_id']}"
    changes = {
        "url": "http://127.0.0.1:9998/",
        "events": ["payment_captured"],
        "description": "changed",
        "enabled": False,
        "chaos": {
            "seed": 7, "delay": 0, "reorder": 0, "drop": 5, "duplicate": 0, "stale_timestamp": 0,
            "bad_signature": 0,
        },
    }  # fmt: skip
    calls: list[Call] = [("PATCH", path, {name: value}) for name, value in changes.items()]
    rotation: Call = ("POST", f"{path}/rotate-secret", None)
    answers = await at_once(sandbox, [*calls * 4, *[rotation] * 4])
    read = (await call(sandbox, "GET", path)).json

    assert {one.status for one in answers} == {200}
    assert read | changes == read
    assert read["secret_versions"][0]["version"] == 5


async def test_calls_race_with_deliveries(sandbox: Running) -> None:
    """Whatever is asked for while requests are in flight is done or refused, never a fault."""

    async def answer_late(_: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(OK)
        await writer.drain()

    async with receiving(answer_late) as receiver:
        ids = [(await created(sandbox, receiver.url))["endpoint_id"] for _ in range(4)]
        await at_once(sandbox, [("POST", f"{ENDPOINTS}/{one}/ping", None) for one in ids * 8])
        page = (await call(sandbox, "GET", f"{DELIVERIES}?limit=100")).json["data"]
        paths = [f"{ENDPOINTS}/{one}" for one in ids]
        again: list[Call] = [
            ("POST", f"{DELIVERIES}/{one['delivery_id']}/redeliver", None) for one in page
        ]
        span = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
        racing: list[Call] = []
        for at, path in enumerate(paths):
            racing += again[at * 8 : at * 8 + 8] + again[at * 8 : at * 8 + 4] * 3
            racing += [("POST", f"{path}/ping", None)] * 4
            racing += [
                ("PATCH", path, {"enabled": at % 2 == 0}),
                ("PATCH", path, {"enabled": True}),
            ]
            racing += [("POST", f"{path}/redeliver", span)] * 2
            racing += [("DELETE", path, None)] * 2 if at == 3 else []
        answers = await at_once(sandbox, racing)
        await until(lambda: all_ended(sandbox))
    statuses = {one.status for one in answers}

    assert len(receiver.requests) > 32
    assert {200, 202, 204, 404} <= statuses <= {200, 202, 204, 404, 409}
    assert logged(sandbox) == ""


def all_ended(sandbox: Running) -> bool:
    """Tell whether nothing is on its way any more."""
    page = sandbox.call("GET", f"{DELIVERIES}?limit=100").json["data"]
    return all(one["next_attempt_at"] is None for one in page)


async def test_a_kill_after_a_creation_keeps_it(tmp_path: Path) -> None:
    """The endpoint whose 201 was the last word is there, and its secret signs as before."""
    data = tmp_path / "ledger.db"
    async with receiving(answering(OK)) as receiver:
        for number in range(3):
            async with served(data) as sandbox:
                made = await created(sandbox, f"{receiver.url}/{number}")
                os.kill(sandbox.process.pid, signal.SIGKILL)
                await asyncio.to_thread(sandbox.process.wait)
            async with served(data) as sandbox:
                path = f"{ENDPOINTS}/{made['endpoint_id']}"
                read = (await call(sandbox, "GET", path)).json
                await call(sandbox, "POST", f"{path}/ping")
                await until(lambda: len(receiver.requests) > number)  # noqa: B023 - awaited here
            request = receiver.requests[number]
            spoiled = Request(request.line, request.headers, request.body + b" ")

            assert {name: made[name] for name in read} == read
            assert verifies(made["secret"], request)
            assert not verifies(made["secret"], spoiled)


async def test_a_receiver_that_hangs_outlives_its_endpoint(sandbox: Running) -> None:
    """Of a deleted endpoint what is in flight may end as it will; what falls due after is dead."""
    released = asyncio.Event()

    async def hang_until_released(_: Request, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with receiving(hang_until_released) as receiver:
        path = f"{ENDPOINTS}/{(await created(sandbox, receiver.url))['endpoint_id']}"
        await call(sandbox, "PATCH", "/sandbox/settings", {"webhook_schedule": "fast"})
        hung = (await call(sandbox, "POST", f"{path}/ping")).json["delivery_id"]
        await until(lambda: len(receiver.requests) == 1)
        deleted = await call(sandbox, "DELETE", path)
        again = await call(sandbox, "POST", f"{DELIVERIES}/{hung}/redeliver")
        released.set()
        await until(lambda: all_ended(sandbox))
        dead = (await call(sandbox, "GET", f"{DELIVERIES}/{hung}")).json

    assert (deleted.status, again.status) == (204, 404)
    assert (dead["state"], dead["dead_reason"]) == ("dead", "endpoint_deleted")
    assert [one["status"] for one in dead["attempts"]] == [500]
    assert len(receiver.requests) == 1
    assert logged(sandbox) == ""


async def test_private_addresses_can_be_forbidden(tmp_path: Path) -> None:
    """Then their urls are refused, and what was registered before is not connected to."""
    data = tmp_path / "ledger.db"
    with Tripwire() as wire:
        url = f"http://127.0.0.1:{wire.port}/"
        async with served(data) as sandbox:
            path = f"{ENDPOINTS}/{(await created(sandbox, url))['endpoint_id']}"
            first = (await call(sandbox, "POST", f"{path}/ping")).json["delivery_id"]
            await until(lambda: wire.touched() > 0)
            await call(sandbox, "POST", f"{path}/ping")
            os.kill(sandbox.process.pid, signal.SIGKILL)  # that ping is still on its way
            await asyncio.to_thread(sandbox.process.wait)
        wire.touched()
        async with served(data, "--no-allow-private-webhooks") as sandbox:
            refused = [
                await call(sandbox, "POST", ENDPOINTS, {"url": url}),
                await call(sandbox, "PATCH", path, {"url": url}),
                await call(sandbox, "PATCH", path, {"url": f"https://127.0.0.1:{wire.port}/"}),
            ]
            other = await call(sandbox, "PATCH", path, {"description": "still ours"})
            sandbox.authorize("an event")
            await call(sandbox, "POST", f"{path}/ping")
            await until(lambda: len(ids_in(sandbox)) == 4)
            after = [await tried(sandbox, one) for one in ids_in(sandbox) if one != first]
        touched = wire.touched()

    assert [(one.status, one.json["param"]) for one in refused] == [(422, "url")] * 3
    assert other.status == 200
    assert [one["attempts"][0]["error"] for one in after] == ["address_not_allowed"] * 3
    assert touched == 0
