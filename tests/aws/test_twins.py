"""The twins differ when something is planted in one of them: then a test of the API fails."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from payments_sandbox.adapters.secrets import FileSecrets
from payments_sandbox.domain.merchant import Settings
from tests.api import test_idempotency, test_problems, twins
from tests.api.harness import Api
from tests.gateway import GatewayTransport, Handler
from tests.unit.stand_ins import SeededIds

pytestmark = pytest.mark.aws

Test = Callable[[Api], Awaitable[None]]


async def is_fine(folder: Path, emulator: str, test: Test) -> bool:
    """Run a test of the API on twins; return whether it passes."""
    async with twins.twins_over(folder, emulator) as api:
        try:
            await test(api)
        except AssertionError:
            return False
        return True


async def refused(api: Api) -> None:
    """Send a request without a key."""
    headers = {"x-api-key": "sk_test_nobody"}
    answer = await api.client.get("/payments", headers=headers)

    assert answer.status_code == 401


class Changed(GatewayTransport):
    """A gateway that changes one thing in each answer."""

    change: Callable[[httpx.Response], httpx.Response]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Invoke the function and change its answer."""
        return type(self).change(await super().handle_async_request(request))


def changing(change: Callable[[httpx.Response], httpx.Response]) -> type[Changed]:
    """Return the gateway that makes this change."""
    return type("Changing", (Changed,), {"change": staticmethod(change)})


def without(header: str) -> Callable[[httpx.Response], httpx.Response]:
    """Return the change that drops a header."""

    def drop(answer: httpx.Response) -> httpx.Response:
        answer.headers.pop(header, None)
        return answer

    return drop


def another_status(answer: httpx.Response) -> httpx.Response:
    """Return the answer as a 200."""
    return httpx.Response(200, headers=answer.headers, content=answer.content)


def one_more_byte(answer: httpx.Response) -> httpx.Response:
    """Return the answer with a space after it."""
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return httpx.Response(answer.status_code, headers=headers, content=answer.content + b" ")


def letting_in_nobody(make: Callable[[], Handler], _: object) -> GatewayTransport:
    """Return the gateway that knows the key by an id that no merchant has."""
    return GatewayTransport(make, {twins.LOCAL_KEY: "unknown"})


def seeds() -> Callable[[], SeededIds]:
    """Return what makes ids of another seed each time."""
    numbers: Iterator[int] = count()
    return lambda: SeededIds(next(numbers))


REPLAY = test_idempotency.test_a_replay_has_the_same_bytes
METHOD = test_problems.test_the_method_that_no_route_takes
PLANTED: dict[str, tuple[str, Any, Test]] = {
    "another seed of ids": ("SeededIds", seeds(), REPLAY),
    "another setting": (
        "Settings",
        lambda: Settings(retention_days=1),
        test_idempotency.test_an_answer_replays_under_stricter_settings,
    ),
    "another root": ("load_secrets", lambda _: FileSecrets(bytes(32)), REPLAY),  # pyright: ignore[reportUnknownLambdaType]
    "another key at the gateway": ("GatewayTransport", letting_in_nobody, REPLAY),
    "another status": ("GatewayTransport", changing(another_status), REPLAY),
    "another byte": ("GatewayTransport", changing(one_more_byte), REPLAY),
    "no idempotent-replayed": (
        "GatewayTransport",
        changing(without("idempotent-replayed")),
        REPLAY,
    ),
    "no content-type": ("GatewayTransport", changing(without("content-type")), REPLAY),
    "no allow": ("GatewayTransport", changing(without("allow")), METHOD),
    "no www-authenticate": ("GatewayTransport", changing(without("www-authenticate")), refused),
}


@pytest.mark.parametrize("name", PLANTED)
async def test_a_planted_difference_fails_a_test(
    tmp_path: Path, emulator: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A test of the API fails on twins of which one is not as the other."""
    part, planted, test = PLANTED[name]
    monkeypatch.setattr(twins, part, planted)

    assert not await is_fine(tmp_path, emulator, test)


@pytest.mark.parametrize("test", list(dict.fromkeys(test for _, _, test in PLANTED.values())))
async def test_true_twins_pass(tmp_path: Path, emulator: str, test: Test) -> None:
    """The same tests pass on twins in which nothing is planted."""
    assert await is_fine(tmp_path, emulator, test)
