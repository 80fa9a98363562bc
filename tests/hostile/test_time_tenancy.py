"""Two merchants' clocks and books on one ledger: neither sees or moves what the other has."""

from typing import NamedTuple

import pytest

from tests.hostile.test_tenancy import METHODS, Merchant, new_merchant, seen, unknown
from tests.hostile.test_webhook_tenancy import nobodys, resewn
from tests.running import Running

ROUTES = (
    "/settlements/{}", "/settlements/{}/report.csv", "/settlements/{}/report.json", "/events/{}",
    "/transactions/{}",
)  # fmt: skip
READS = ("/settlements", "/balances", "/postings", "/events", "/payments", "/sandbox/invariants")
CONFIRMED = {"confirm": "delete all my data"}


class Holdings(NamedTuple):
    """The ids of what the first merchant has."""

    settlement_id: str
    closing_event: str
    settled_by: str
    capture_id: str
    """Of a capture that is in no batch yet."""


@pytest.fixture(scope="module")
def alice(sandbox: Running) -> Merchant:
    """Return the merchant who has something."""
    return new_merchant(sandbox, "alice")


@pytest.fixture(scope="module")
def bob(sandbox: Running) -> Merchant:
    """Return the merchant who would like to know."""
    return new_merchant(sandbox, "bob")


@pytest.fixture(scope="module")
def holdings(alice: Merchant) -> Holdings:
    """Give the first merchant a paid batch, and a capture that waits."""
    captures = list[str]()
    for _ in range(2):
        body = {"auth_id": alice.authorize()["auth_id"]}
        captures.append(alice.call("POST", "/payments/capture", body).json["transaction_id"])
        if len(captures) == 1:
            alice.call("POST", "/sandbox/clock/advance", {"by": "P3D"})
    (batch,) = alice.call("GET", "/settlements").json["data"]
    stl = str(batch["settlement_id"])
    return Holdings(stl, f"evt_{stl}_1", f"set_{captures[0].split('_')[1]}_3", captures[1])


def view_of(merchant: Merchant) -> list[bytes]:
    """Return all that a merchant can read of time, settlement and books."""
    offset = merchant.call("GET", "/sandbox/clock").json["offset_s"]
    return [str(offset).encode(), *(merchant.call("GET", path).body for path in READS)]


def test_anothers_ids_are_unknown(alice: Merchant, bob: Merchant, holdings: Holdings) -> None:
    """Every method of every path answers with the same bytes as for an id that nobody has."""
    found = {
        alice.call("GET", ROUTES[0].format(holdings.settlement_id)).status,
        alice.call("GET", ROUTES[3].format(holdings.closing_event)).status,
        alice.call("GET", ROUTES[4].format(holdings.settled_by)).status,
    }
    assert found == {200}
    for route in ROUTES:
        for one in holdings:
            for method in METHODS:
                theirs = bob.call(method, route.format(one))
                alike = bob.call(method, route.format(nobodys(one)))

                assert seen(theirs) == seen(alike)
                assert theirs.status == (404 if method == "GET" else 405)


def test_anothers_capture_cannot_be_voided(
    alice: Merchant, bob: Merchant, holdings: Holdings
) -> None:
    """It is unknown, and stays captured until its own merchant voids it."""
    body = {"transaction_id": holdings.capture_id}
    theirs = bob.call("POST", "/payments/void", body)
    nothing = bob.call("POST", "/payments/void", {"transaction_id": unknown(holdings.capture_id)})

    assert (theirs.status, seen(theirs)) == (404, seen(nothing))
    assert alice.call("POST", "/payments/void", body).status == 201


@pytest.mark.usefixtures("holdings")
def test_what_one_does_leaves_the_others(alice: Merchant, bob: Merchant) -> None:
    """Moving, settling and resetting one's own changes nothing of hers; nor is hers in one's."""
    before = view_of(alice)
    empty = [bob.call("GET", path).json for path in READS[:4]]
    for path, body in (
        ("/sandbox/clock/advance", {"by": "P400D"}),
        ("/sandbox/settlements/run", None),
        ("/sandbox/reset", CONFIRMED),
    ):
        assert bob.call("POST", path, body).status == 200

    assert view_of(alice) == before
    assert [one["data"] for one in empty] == [[], [], [], []]


@pytest.mark.usefixtures("holdings")
def test_anothers_cursors_open_nothing(alice: Merchant, bob: Merchant) -> None:
    """One of batches pages through one's own; one of postings is refused as one of nobody's."""
    bob.authorize()
    cursor = alice.call("GET", "/postings?limit=1").json["next_cursor"]
    theirs = bob.call("GET", f"/postings?cursor={cursor}")
    nothing = bob.call("GET", f"/postings?cursor={resewn(cursor, nobodys)}")
    batches = bob.call("GET", "/settlements?cursor=OTk5OS0xMi0zMSNVU0Q=")

    assert (theirs.status, seen(theirs)) == (422, seen(nothing))
    assert (batches.status, batches.json["data"]) == (200, [])
