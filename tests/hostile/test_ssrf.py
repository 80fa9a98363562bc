"""Webhooks never reach this machine or its networks unless they are allowed to."""

import asyncio
import urllib.request
from collections.abc import Generator
from ipaddress import ip_address

import pytest

from payments_sandbox.adapters.guarded_http import GuardedClient
from payments_sandbox.domain.delivery import Outcome
from payments_sandbox.domain.destination import Destination, DestinationPolicy, is_allowed
from tests.hostile.receivers import ANYWHERE, OK, Tripwire, answer, answering, receiving, sending
from tests.hostile.ssrf import ADDRESSES, PUBLIC_ADDRESSES, URLS, literal, name_of

NAME = "hooks.good.example"
PUBLIC = PUBLIC_ADDRESSES[0]
REFUSED = "address_not_allowed"
NOTHING_PRIVATE = DestinationPolicy()
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy")


class Lookup:
    """A name server that gives these answers in turn, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        """Return the addresses of our name, the only one that there is."""
        assert host == NAME
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def tripwire() -> Generator[Tripwire]:
    """A port where nobody may connect."""
    with Tripwire() as one:
        yield one


async def post(
    url: str, policy: DestinationPolicy = NOTHING_PRIVATE, lookup: Lookup | None = None
) -> Outcome:
    """Post once, by a sender of its own."""
    async with sending(policy, lookup=lookup) as sender:
        return await sender.post(url, {}, b"{}")


def test_there_are_many_different_attacks() -> None:
    """More than eighty are tried, none of them twice."""
    attacks = {*ADDRESSES, *URLS}

    assert len(attacks) == len(ADDRESSES) + len(URLS) > 80


@pytest.mark.parametrize("url", URLS, ids=name_of)
async def test_a_hostile_url_is_not_connected_to(url: str, tripwire: Tripwire) -> None:
    """Whatever a URL looks like, nobody is reached and no answer kept."""
    outcome = await post(url.format(port=tripwire.port))

    assert outcome == Outcome(duration_ms=0, error=REFUSED)
    assert tripwire.touched() == 0


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_is_not_connected_to(address: str, tripwire: Tripwire) -> None:
    """An address that is not public is refused in a URL."""
    outcome = await post(f"https://{literal(address)}:{tripwire.port}/")

    assert outcome == Outcome(duration_ms=0, error=REFUSED)
    assert tripwire.touched() == 0


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_name_of_an_address_is_not_connected_to(address: str, tripwire: Tripwire) -> None:
    """A name is refused if it stands for such an address, though for a public one as well."""
    for addresses in ([address], [PUBLIC, address], [address, PUBLIC]):
        outcome = await post(f"https://{NAME}:{tripwire.port}/", lookup=Lookup(addresses))

        assert outcome.error == REFUSED
        assert tripwire.touched() == 0


@pytest.mark.parametrize("address", ADDRESSES)
async def test_the_socket_is_judged_too(address: str, tripwire: Tripwire) -> None:
    """Were the URL let through, the address would be refused where the connection is made."""
    client = GuardedClient(
        allow_private=False, timeout_s=2.0, now=lambda: pytest.fail("no answer"), lookup=None
    )
    text = str(ip_address(address))
    outcome = await client.post(Destination("http", text, tripwire.port, "/"), {}, b"{}")
    await client.close()

    assert outcome.error == REFUSED
    assert tripwire.touched() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_wire_counts(scheme: str, host: str, tripwire: Tripwire) -> None:
    """Where private addresses are allowed, such URLs do connect: the wire is no dummy."""
    async with sending(timeout_s=0.2) as sender:
        outcome = await sender.post(f"{scheme}://{host}:{tripwire.port}/", {}, b"{}")

    assert outcome.error == "timeout"
    assert tripwire.touched() == 1


async def test_an_answer_that_changes_is_not_followed(
    tripwire: Tripwire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is looked up once for a connection, which goes to the very address that was judged."""
    dialled: list[str] = []

    async def dial(_: object, peer: tuple[str, int]) -> None:
        dialled.append(peer[0])
        raise ConnectionRefusedError

    lookup = Lookup([PUBLIC], ["127.0.0.1"])
    url = f"https://{NAME}:{tripwire.port}/"
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", dial)
    async with sending(NOTHING_PRIVATE, lookup=lookup) as sender:
        first = await sender.post(url, {}, b"{}")
        asked_for_first = lookup.asked
        second = await sender.post(url, {}, b"{}")

    assert (first.error, asked_for_first) == ("connect_failed", 1)
    assert (second.error, lookup.asked) == (REFUSED, 2)
    assert dialled == [PUBLIC]
    assert tripwire.touched() == 0


async def test_looking_up_twice_is_caught(tripwire: Tripwire) -> None:
    """A sender that judges one answer and connects to the next trips over the wire."""
    lookup = Lookup([PUBLIC], ["127.0.0.1"])
    judged = await lookup(NAME)
    assert all(is_allowed(ip_address(one), allow_private=False) for one in judged)

    _, writer = await asyncio.open_connection((await lookup(NAME))[0], tripwire.port)
    writer.close()

    assert tripwire.touched() == 1


async def test_proxy_variables_are_ignored(
    tripwire: Tripwire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that the environment names would connect to anything; nobody asks it."""
    for name in PROXY_VARIABLES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{tripwire.port}")
    async with receiving(answering(OK)) as receiver:
        excepted = DestinationPolicy(exception=("127.0.0.1", receiver.port))
        outcome = await post(receiver.url, excepted)
        refused = await post(f"http://{NAME}/", lookup=Lookup(["127.0.0.1"]))

    assert (outcome.status, refused.error) == (200, REFUSED)
    assert tripwire.touched() == 0


async def test_a_client_that_asks_the_proxy_is_caught(
    tripwire: Tripwire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables do lead a common client to the wire."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{tripwire.port}")

    # An opener of its own: the common one would keep the proxy for all tests that come after.
    opener = urllib.request.build_opener()

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(opener.open, f"http://{NAME}/", timeout=0.2)

    assert tripwire.touched() == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int, tripwire: Tripwire) -> None:
    """A redirect is the outcome; nobody goes where it points."""
    target = f"location: http://127.0.0.1:{tripwire.port}/"
    async with receiving(answering(answer(f"{status} Elsewhere", b"", target))) as receiver:
        for policy in (
            DestinationPolicy(exception=("127.0.0.1", receiver.port)),
            ANYWHERE,
        ):
            outcome = await post(receiver.url, policy)

            assert (outcome.status, outcome.succeeded) == (status, False)
        assert len(receiver.requests) == 2
    assert tripwire.touched() == 0


async def test_the_exception_is_one_host_and_one_port(tripwire: Tripwire) -> None:
    """Beside the one destination that tests may allow, everything is refused as before."""
    async with receiving(answering(OK)) as receiver:
        policy = DestinationPolicy(exception=("127.0.0.1", receiver.port))
        async with sending(policy, lookup=Lookup(["127.0.0.1"])) as sender:
            allowed = await sender.post(receiver.url, {}, b"{}")
            others = [
                await sender.post(url, {}, b"{}")
                for url in (
                    f"https://127.0.0.1:{tripwire.port}/",
                    f"http://localhost:{receiver.port}/",
                    f"https://[::ffff:127.0.0.1]:{receiver.port}/",
                    f"https://{NAME}:{receiver.port}/",
                    f"https://{NAME}:{tripwire.port}/",
                )
            ]
        assert (allowed.status, receiver.connections) == (200, 1)
    assert [one.error for one in others] == [REFUSED] * 5
    assert tripwire.touched() == 0
