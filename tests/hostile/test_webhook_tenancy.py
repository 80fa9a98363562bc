"""Two merchants' webhooks on one ledger: neither sees, changes or sets off what the other has."""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.emulator import free_port
from tests.hostile.receivers import Tripwire, answer, answering, receiving
from tests.hostile.test_tenancy import METHODS, Merchant, new_merchant, seen, unknown
from tests.running import Answer, Running

ENDPOINTS, DELIVERIES = "/webhooks/endpoints", "/webhooks/deliveries"
DEADLINE_S = 10.0
TWELVE_HOURS = "retry-after: 43200"
SPAN = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
ROUTES: dict[str, tuple[object, set[str]]] = {
    "/events/{}": (None, {"GET"}),
    ENDPOINTS + "/{}": ({"enabled": False, "description": "taken"}, {"GET", "PATCH", "DELETE"}),
    ENDPOINTS + "/{}/rotate-secret": (None, {"POST"}),
    ENDPOINTS + "/{}/ping": (None, {"POST"}),
    ENDPOINTS + "/{}/redeliver": (SPAN, {"POST"}),
    DELIVERIES + "/{}": (None, {"GET"}),
    DELIVERIES + "/{}/redeliver": (None, {"POST"}),
}
"""Each path that takes an id, with a body it takes and its methods."""


@dataclass(frozen=True)
class Holdings:
    """What the first merchant has; nobody may connect to where her endpoint points."""

    endpoint_id: str
    delivery_ids: tuple[str, ...]
    """One delivered, one pending for hours, one dead."""
    message_ids: tuple[str, ...]
    wire: Tripwire

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        return (self.endpoint_id, *self.delivery_ids, *self.message_ids)


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; it is another process's to come about."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def new_endpoint(merchant: Merchant, url: str) -> str:
    """Make an endpoint and return its id."""
    made = merchant.call("POST", ENDPOINTS, {"url": url})

    assert made.status == 201, made.body
    return str(made.json["endpoint_id"])


def deliveries_of(merchant: Merchant, query: str = "") -> list[dict[str, Any]]:
    """Return a merchant's deliveries, newest first."""
    return list(merchant.call("GET", f"{DELIVERIES}?limit=100{query}").json["data"])


def attempted(merchant: Merchant, number: int) -> None:
    """Wait until a merchant has so many deliveries, each of them attempted."""
    until(
        lambda: [bool(one["attempts_made"]) for one in deliveries_of(merchant)] == [True] * number
    )


async def three_ends(alice: Merchant) -> str:
    """Give the merchant an endpoint with a delivery that ended in each way; return its id."""
    ends = ("204 No Content", "503 Service Unavailable", "410 Gone")
    respond = answering(*(answer(end, b"", TWELVE_HOURS) for end in ends))
    async with receiving(respond) as receiver:
        endpoint_id = await asyncio.to_thread(new_endpoint, alice, receiver.url)
        await asyncio.to_thread(alice.authorize)
        await asyncio.to_thread(attempted, alice, 1)
        await asyncio.to_thread(alice.call, "POST", f"{ENDPOINTS}/{endpoint_id}/ping")
        await asyncio.to_thread(attempted, alice, 2)
        await asyncio.to_thread(alice.authorize)
        await asyncio.to_thread(attempted, alice, 3)
    return endpoint_id


@pytest.fixture(scope="module")
def alice(sandbox: Running) -> Merchant:
    """Return the merchant who has something."""
    return new_merchant(sandbox, "alice")


@pytest.fixture(scope="module")
def bob(sandbox: Running) -> Merchant:
    """Return the merchant who would like to know."""
    return new_merchant(sandbox, "bob")


@pytest.fixture(scope="module")
def bobs_endpoint(bob: Merchant) -> str:
    """Return the id of an endpoint that nobody listens behind."""
    return new_endpoint(bob, f"http://127.0.0.1:{free_port()}/bob")


@pytest.fixture(scope="module")
def holdings(alice: Merchant) -> Generator[Holdings]:
    """Give the first merchant one of everything, then point her endpoint at a wire."""
    endpoint_id = asyncio.run(three_ends(alice))
    with Tripwire() as wire:
        url = f"http://127.0.0.1:{wire.port}/alice"
        alice.call("PATCH", f"{ENDPOINTS}/{endpoint_id}", {"url": url, "enabled": True})
        deliveries = deliveries_of(alice)
        assert {one["state"] for one in deliveries} == {"delivered", "pending", "dead"}
        ids = [tuple(one[name] for one in deliveries) for name in ("delivery_id", "event_id")]
        yield Holdings(endpoint_id, ids[0], ids[1], wire)


def view_of(merchant: Merchant) -> list[bytes]:
    """Return all that the merchant can read of webhooks."""
    each = [f"{DELIVERIES}/{one['delivery_id']}" for one in deliveries_of(merchant)]
    return [merchant.call("GET", path).body for path in (ENDPOINTS, DELIVERIES, "/events", *each)]


def turned(bob: Merchant, endpoint_id: str) -> None:
    """Wait until the dispatcher has looked at everything that is due once more."""
    ping = bob.call("POST", f"{ENDPOINTS}/{endpoint_id}/ping").json
    path = f"{DELIVERIES}/{ping['delivery_id']}"
    until(lambda: bob.call("GET", path).json["attempts_made"] > 0)


@pytest.fixture
def untouched(
    alice: Merchant, bob: Merchant, bobs_endpoint: str, holdings: Holdings
) -> Iterator[None]:
    """Fail if the test changed anything of the first merchant's, or sent anything to her."""
    before = view_of(alice)
    yield
    turned(bob, bobs_endpoint)

    assert view_of(alice) == before
    assert holdings.wire.touched() == 0


def nobodys(one: str) -> str:
    """Return an id of the same form of which no part is anybody's."""
    return "_".join(part if len(part) < 26 else "0" * 26 for part in one.split("_"))


def test_a_change_and_a_request_would_be_seen(sandbox: Running) -> None:
    """What the other tests look for comes about when a merchant asks for it."""
    carol = new_merchant(sandbox, "carol")
    with Tripwire() as wire:
        own = new_endpoint(carol, f"http://127.0.0.1:{wire.port}/own")
        before = view_of(carol)
        ping = carol.call("POST", f"{ENDPOINTS}/{own}/ping")
        until(lambda: wire.touched() > 0)
        after = view_of(carol)
    known, nothing = (carol.call("GET", f"{ENDPOINTS}/{one}") for one in (own, nobodys(own)))

    assert ping.status == 202
    assert before != after
    assert seen(known) != seen(nothing)


def test_ones_own_ids_are_known(alice: Merchant, holdings: Holdings) -> None:
    """The ids that another merchant finds nothing under are there."""
    found = [
        alice.call("GET", f"{ENDPOINTS}/{holdings.endpoint_id}"),
        *(alice.call("GET", f"{DELIVERIES}/{one}") for one in holdings.delivery_ids),
        *(alice.call("GET", f"/events/{one}") for one in holdings.message_ids if "evt" in one),
        *(alice.call("GET", f"{DELIVERIES}?event_id={one}") for one in holdings.message_ids),
    ]

    assert {one.status for one in found} == {200}
    assert all(len(one.json["data"]) == 1 for one in found[-3:])
    assert sum("ping" in one for one in holdings.message_ids) == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.usefixtures("untouched")
def test_another_merchants_id_is_unknown(
    bob: Merchant, holdings: Holdings, route: str, method: str
) -> None:
    """Every method of every path answers with the same bytes as for an id that nobody has."""
    body, methods = ROUTES[route]
    for one in holdings.ids:
        theirs = bob.call(method, route.format(one), body)
        alike = [bob.call(method, route.format(made(one)), body) for made in (unknown, nobodys)]

        assert [seen(theirs)] * 2 == [seen(other) for other in alike]
        assert theirs.status == (404 if method in methods else 405)


@pytest.mark.parametrize(
    "body",
    [{}, SPAN, {"cursor": "hers"}, SPAN | {"cursor": "hers"}],
    ids=["dead", "span", "dead below", "span below"],
)
@pytest.mark.usefixtures("untouched")
def test_sending_all_again_sends_ones_own(
    alice: Merchant, bob: Merchant, bobs_endpoint: str, holdings: Holdings, body: dict[str, str]
) -> None:
    """Neither through her endpoint nor through one's own does anything of hers go out."""
    cursor = alice.call("GET", f"{DELIVERIES}?limit=1").json["next_cursor"]
    sent = body | {"cursor": cursor} if "cursor" in body else body
    theirs = bob.call("POST", f"{ENDPOINTS}/{holdings.endpoint_id}/redeliver", sent)
    none = bob.call("POST", f"{ENDPOINTS}/{nobodys(holdings.endpoint_id)}/redeliver", sent)
    own = bob.call("POST", f"{ENDPOINTS}/{bobs_endpoint}/redeliver", sent)

    assert cursor is not None
    assert (theirs.status, seen(theirs)) == (404, seen(none))
    assert own.status == 202
    assert own.json["redelivered"] <= len(deliveries_of(bob))


@pytest.mark.usefixtures("untouched")
def test_a_list_holds_ones_own_alone(bob: Merchant, bobs_endpoint: str, holdings: Holdings) -> None:
    """Nothing of another merchant's is in a list, and a filter by it matches nothing."""
    turned(bob, bobs_endpoint)
    lists = b"".join(bob.call("GET", path).body for path in (ENDPOINTS, DELIVERIES, "/events"))
    filtered: list[tuple[Answer, Answer]] = []
    for name in ("endpoint_id", "event_id"):
        for one in holdings.ids:
            path = f"{DELIVERIES}?{name}="
            filtered.append((bob.call("GET", path + one), bob.call("GET", path + nobodys(one))))

    assert bobs_endpoint.encode() in lists
    assert [one for one in holdings.ids if one.encode() in lists] == []
    assert {theirs.body for theirs, _ in filtered} == {b'{"data":[],"next_cursor":null}'}
    assert [seen(theirs) for theirs, _ in filtered] == [seen(none) for _, none in filtered]


def resewn(cursor: str, made: Callable[[str], str]) -> str:
    """Return the cursor with another id in it."""
    place = urlsafe_b64decode(cursor).decode()
    head, mark, one = place.partition("#") if "#" in place else (place[0], "", place[1:])
    return urlsafe_b64encode(f"{head}{mark}{made(one)}".encode()).decode()


@pytest.mark.parametrize("query", ["?limit=1", "?limit=1&after=start"])
@pytest.mark.usefixtures("untouched", "holdings")
def test_a_cursor_of_anothers_events_opens_nothing(
    alice: Merchant, bob: Merchant, query: str
) -> None:
    """It is refused as one that names an event that never was, in either direction."""
    bob.authorize()
    cursor = alice.call("GET", f"/events{query}").json["next_cursor"]
    theirs = bob.call("GET", f"/events?cursor={cursor}")
    none = bob.call("GET", f"/events?cursor={resewn(cursor, nobodys)}")

    assert (theirs.status, theirs.json["param"]) == (422, "cursor")
    assert seen(theirs) == seen(none)
    assert alice.call("GET", f"/events?cursor={cursor}").status == 200


@pytest.mark.usefixtures("untouched")
def test_anothers_events_cannot_be_followed(bob: Merchant, holdings: Holdings) -> None:
    """What comes after her event is refused as after one that never was."""
    bob.authorize()
    for one in holdings.ids:
        theirs = bob.call("GET", f"/events?after={one}")
        none = bob.call("GET", f"/events?after={nobodys(one)}")

        assert (theirs.status, theirs.json["param"]) == (422, "after")
        assert seen(theirs) == seen(none)


@pytest.mark.usefixtures("untouched", "holdings")
def test_a_cursor_of_anothers_deliveries_opens_nothing(
    alice: Merchant, bob: Merchant, bobs_endpoint: str
) -> None:
    """It pages through one's own alone, as a cursor of that moment that nobody was given."""
    turned(bob, bobs_endpoint)
    cursor = alice.call("GET", f"{DELIVERIES}?limit=1").json["next_cursor"]
    theirs = bob.call("GET", f"{DELIVERIES}?cursor={cursor}")
    none = bob.call("GET", f"{DELIVERIES}?cursor={resewn(cursor, nobodys)}")
    own = {one["delivery_id"] for one in deliveries_of(bob)}

    assert seen(theirs) == seen(none)
    assert {one["delivery_id"] for one in theirs.json["data"]} <= own


def test_an_event_goes_to_its_merchants_endpoints(
    bob: Merchant, bobs_endpoint: str, holdings: Holdings
) -> None:
    """What one merchant does is delivered to that merchant, and to nobody else's address."""
    auth_id = bob.authorize()["auth_id"]
    event_id = auth_id.replace("auth_", "evt_") + "_1"
    until(lambda: len(deliveries_of(bob, f"&event_id={event_id}")) > 0)
    turned(bob, bobs_endpoint)
    made = deliveries_of(bob, f"&event_id={event_id}")

    assert [one["endpoint_id"] for one in made] == [bobs_endpoint]
    assert holdings.wire.touched() == 0
