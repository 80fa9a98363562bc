"""Two merchants on one ledger: neither learns whether anything of the other's exists."""

import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.hostile.marks import CARD
from tests.running import AUTHORIZE, PROGRAM, Answer, Running

Body = Mapping[str, object]
UNKNOWN = "0" * 26
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
REFERENCE = "order b1946ac92492d234"


@dataclass(frozen=True)
class Merchant:
    """A merchant's own view of the sandbox."""

    sandbox: Running
    api_key: str

    def call(self, method: str, path: str, body: object = None, *, key: str = "") -> Answer:
        """Make a call as this merchant; without a key, under a new one."""
        key = key or secrets.token_hex(8)
        return self.sandbox.call(method, path, body, key=key, api_key=self.api_key)

    def authorize(self, *, key: str = "", **changes: object) -> Any:
        """Authorize a test card and return the answer's body."""
        answer = self.call("POST", "/payments/authorize", AUTHORIZE | changes, key=key)

        assert answer.status == 201, answer.body
        return answer.json


@dataclass(frozen=True)
class Holdings:
    """The ids of what the first merchant has; one authorization is captured and refunded."""

    open_id: str
    auth_id: str
    capture_id: str
    refund_id: str
    void_id: str
    card_id: str


def new_merchant(sandbox: Running, name: str) -> Merchant:
    """Make a merchant by the command line, while the sandbox serves."""
    command = [str(PROGRAM), "keys", "create", name, "--data", str(sandbox.data)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return Merchant(sandbox, made.stdout.strip())


@pytest.fixture(scope="module")
def alice(sandbox: Running) -> Merchant:
    """Return the merchant who has something."""
    return new_merchant(sandbox, "alice")


@pytest.fixture(scope="module")
def bob(sandbox: Running) -> Merchant:
    """Return the merchant who would like to know."""
    return new_merchant(sandbox, "bob")


@pytest.fixture(scope="module")
def carol(sandbox: Running) -> Merchant:
    """Return a merchant who has nothing."""
    return new_merchant(sandbox, "carol")


@pytest.fixture(scope="module")
def holdings(alice: Merchant) -> Holdings:
    """Give the first merchant one of everything."""
    opened = alice.authorize(reference=REFERENCE)
    captured = alice.authorize(reference=REFERENCE)["auth_id"]
    voided = alice.authorize(reference=REFERENCE)["auth_id"]
    capture = alice.call("POST", "/payments/capture", {"auth_id": captured}).json
    refund_body = {"transaction_id": captured, "amount": 1}
    refund = alice.call("POST", "/payments/refund", refund_body).json
    void = alice.call("POST", "/payments/void", {"auth_id": voided}).json
    return Holdings(
        opened["auth_id"], captured, capture["transaction_id"], refund["transaction_id"],
        void["transaction_id"], opened["card"]["card_id"],
    )  # fmt: skip


def unknown(real_id: str) -> str:
    """Return an id of the same form that nothing has."""
    prefix, _, *seq = real_id.split("_")
    return "_".join([prefix, UNKNOWN, *seq])


def seen(answer: Answer) -> tuple[int, bytes, set[str], str | None]:
    """Return all of an answer but the moment and the request's id."""
    return answer.status, answer.body, set(answer.headers), answer.headers.get("allow")


def ids_of(holdings: Holdings) -> list[str]:
    """Return every id that a path or a body may name."""
    return [
        holdings.open_id, holdings.auth_id, holdings.capture_id, holdings.refund_id,
        holdings.void_id,
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", ["/payments/{}", "/transactions/{}"])
def test_another_merchants_id_is_unknown_to_every_method(
    bob: Merchant, holdings: Holdings, method: str, route: str
) -> None:
    """The answer has the same bytes as for an id that nobody has."""
    for one in ids_of(holdings):
        theirs = bob.call(method, route.format(one))
        nobodys = bob.call(method, route.format(unknown(one)))

        assert seen(theirs) == seen(nobodys)
        assert theirs.status == (404 if method == "GET" else 405)


def test_ones_own_ids_are_known(alice: Merchant, holdings: Holdings) -> None:
    """The ids that another merchant finds nothing under are there."""
    payments = [alice.call("GET", f"/payments/{one}").status for one in ids_of(holdings)[:2]]
    transactions = [alice.call("GET", f"/transactions/{one}").status for one in ids_of(holdings)]

    assert {*payments, *transactions} == {200}


@pytest.mark.parametrize(
    ("operation", "extra"),
    [
        ("capture", {}),
        ("capture", {"amount": 1, "currency": "EUR", "final": True}),
        ("capture", {"amount": 999_999_999_999}),
        ("refund", {}),
        ("refund", {"amount": 1}),
        ("refund", {"amount": 999_999_999_999, "currency": "EUR"}),
        ("void", {}),
    ],
)
def test_another_merchants_payment_cannot_be_touched(
    alice: Merchant, bob: Merchant, holdings: Holdings, operation: str, extra: Body
) -> None:
    """Every operation on every id answers as for an unknown one, and changes nothing."""
    path = f"/payments/{operation}"
    field = "transaction_id" if operation == "refund" else "auth_id"
    for one in ids_of(holdings):
        payment = f"/payments/auth_{one.split('_')[1]}"
        before = alice.call("GET", payment).body
        theirs = bob.call("POST", path, {field: one, **extra})
        nobodys = bob.call("POST", path, {field: unknown(one), **extra})

        assert seen(theirs) == seen(nobodys)
        assert theirs.json["code"] in {"not_found", "validation_failed"}
        assert alice.call("GET", payment).body == before


def test_a_refused_touch_leaves_its_key_unspent(bob: Merchant, holdings: Holdings) -> None:
    """A key tried on another merchant's payment still works for one's own."""
    own = bob.authorize()["auth_id"]
    refused = bob.call("POST", "/payments/capture", {"auth_id": holdings.open_id}, key="tried")
    done = bob.call("POST", "/payments/capture", {"auth_id": own}, key="tried")

    assert (refused.status, done.status) == (404, 201)
    assert "idempotent-replayed" not in done.headers


@pytest.mark.parametrize(
    "query",
    ["", "?status=authorized", "?status=partially_refunded", "?status=voided", "?limit=100",
     f"?reference={REFERENCE.replace(' ', '%20')}"],
)  # fmt: skip
@pytest.mark.usefixtures("holdings")
def test_a_list_holds_ones_own_alone(alice: Merchant, carol: Merchant, query: str) -> None:
    """A merchant with nothing sees nothing, whatever is asked for."""
    theirs = carol.call("GET", f"/payments{query}").json
    own = alice.call("GET", f"/payments{query}").json

    assert theirs == {"data": [], "next_cursor": None}
    assert len(own["data"]) > 0


def test_another_merchants_card_matches_nothing(
    alice: Merchant, bob: Merchant, holdings: Holdings
) -> None:
    """A filter by a card of another merchant answers as for a card that nobody has."""
    bob.authorize()
    theirs = bob.call("GET", f"/payments?card_id={holdings.card_id}")
    nobodys = bob.call("GET", f"/payments?card_id=card_{'a' * 24}")
    own = alice.call("GET", f"/payments?card_id={holdings.card_id}").json["data"]

    assert seen(theirs) == seen(nobodys)
    assert len(own) == 3


@pytest.mark.usefixtures("holdings")
def test_another_merchants_cursor_opens_nothing(alice: Merchant, bob: Merchant) -> None:
    """A cursor that was given to another merchant pages through one's own payments at most."""
    mine = {bob.authorize()["auth_id"] for _ in range(3)}
    cursor = alice.call("GET", "/payments?limit=1").json["next_cursor"]
    page = bob.call("GET", f"/payments?limit=100&cursor={cursor}").json
    listed = {payment["auth_id"] for payment in bob.call("GET", "/payments?limit=100").json["data"]}

    assert cursor is not None
    assert {payment["auth_id"] for payment in page["data"]} <= listed
    assert mine <= listed


def test_the_same_key_is_two_keys(alice: Merchant, bob: Merchant) -> None:
    """One merchant's idempotency key neither replays nor blocks the other's."""
    first = alice.authorize(key="shared", amount=100)
    second = bob.authorize(key="shared", amount=200)
    again = bob.call("POST", "/payments/authorize", AUTHORIZE | {"amount": 200}, key="shared")
    other = alice.call("POST", "/payments/authorize", AUTHORIZE | {"amount": 200}, key="shared")

    assert (first["amount"], second["amount"]) == (100, 200)
    assert first["auth_id"] != second["auth_id"]
    assert (again.json["auth_id"], other.status) == (second["auth_id"], 422)


def test_the_same_card_is_two_cards(alice: Merchant, bob: Merchant) -> None:
    """Merchants cannot find out together that a customer is the same one."""
    of_alice = {alice.authorize()["card"]["card_id"] for _ in range(2)}
    of_bob = {bob.authorize()["card"]["card_id"] for _ in range(2)}

    assert (len(of_alice), len(of_bob)) == (1, 1)
    assert of_alice.isdisjoint(of_bob)


def test_settings_are_ones_own(alice: Merchant, bob: Merchant) -> None:
    """What one merchant sets changes nothing for another one."""
    before = bob.call("GET", "/sandbox/settings").body
    alice.call("PATCH", "/sandbox/settings", {"amount_rule": "cents"})
    after = bob.call("GET", "/sandbox/settings").body
    rules = [one.authorize(card=CARD, amount=105)["simulation"]["rule"] for one in (alice, bob)]
    alice.call("PATCH", "/sandbox/settings", {"amount_rule": "off"})

    assert after == before
    assert rules == ["amount_rule", "approve"]


def test_a_second_key_of_a_merchant_sees_the_same(
    sandbox: Running, alice: Merchant, holdings: Holdings
) -> None:
    """What belongs together is the merchant's, not the key's: a replay works with either."""
    second = new_merchant(sandbox, "alice")
    first = alice.authorize(key="rotated")
    replayed = second.authorize(key="rotated")

    assert second.api_key != alice.api_key
    assert second.call("GET", f"/payments/{holdings.open_id}").status == 200
    assert replayed == first


def test_a_revoked_key_opens_nothing(sandbox: Running) -> None:
    """A key that is revoked while the sandbox serves ends at once, for its merchant too."""
    dave = new_merchant(sandbox, "dave")
    own = dave.authorize()["auth_id"]
    key_id = dave.api_key.split("_")[2]
    command = [str(PROGRAM), "keys", "revoke", "dave", key_id, "--data", str(sandbox.data)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    refused = dave.call("GET", f"/payments/{own}")
    nobody = Merchant(sandbox, "sk_test_nobody").call("GET", f"/payments/{own}")

    assert refused.status == 401
    assert seen(refused) == seen(nobody)
