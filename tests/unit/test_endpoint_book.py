"""Endpoints as their merchant makes, changes, rotates and deletes them."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.adapters.sqlite_endpoints import SqliteEndpoints
from payments_sandbox.domain.chaos import Chaos
from payments_sandbox.domain.endpoint import Endpoint, SecretVersion
from payments_sandbox.domain.errors import NotFound, TooManyEndpoints
from payments_sandbox.services.endpoints import EndpointBook, NewEndpoint, WithSecret
from payments_sandbox.services.merchants import MerchantTime
from tests.unit.examples import MERCHANT_ID, OTHER_ID
from tests.unit.ledgers import ContendedLedger
from tests.unit.stand_ins import NOW, SECRETS, ManualClock, SeededIds
from tests.unit.webhooks import URL, Webhooks

NEW = NewEndpoint(URL, ("payment_captured",), "orders", enabled=True, chaos=Chaos(drop=10))
MINUTE = timedelta(minutes=1)


@pytest.fixture
def book(webhooks: Webhooks, merchant_time: MerchantTime, ids: SeededIds) -> EndpointBook:
    """Return the use cases under test."""
    return EndpointBook(webhooks.endpoints, SECRETS, merchant_time, ids)


def secret_of(shown: WithSecret) -> bytes:
    """Return the secret as its owner uses it."""
    return base64.b64decode(shown.secret.removeprefix("whsec_"), validate=True)


def signing(endpoint: Endpoint) -> bytes:
    """Return what requests to the endpoint are signed with first."""
    first = endpoint.signing(NOW)[0]
    return SECRETS.webhook(first.root_id, endpoint.endpoint_id, first.version)


async def test_a_new_endpoint(book: EndpointBook, ledger: ContendedLedger) -> None:
    """A new endpoint is what its merchant said, with its first secret, which is shown."""
    shown = await book.create(MERCHANT_ID, NEW)

    endpoint = shown.endpoint
    assert endpoint.endpoint_id.startswith("ep_")
    expected = Endpoint(
        endpoint_id=endpoint.endpoint_id,
        merchant_id=MERCHANT_ID,
        url=URL,
        secrets=(SecretVersion(1, SECRETS.webhook_root_id()),),
        created_at=NOW,
        updated_at=NOW,
        events=("payment_captured",),
        description="orders",
        enabled=True,
        chaos=Chaos(drop=10),
    )
    assert expected == endpoint == await book.one(MERCHANT_ID, endpoint.endpoint_id)
    assert (endpoint,) == await SqliteEndpoints(ledger).endpoints(MERCHANT_ID)
    assert signing(endpoint) == secret_of(shown)
    assert shown.secret.startswith("whsec_")


async def test_one_that_is_disabled_from_the_start(book: EndpointBook) -> None:
    """An endpoint may be made disabled, without chaos."""
    shown = await book.create(MERCHANT_ID, replace(NEW, enabled=False, chaos=None))

    assert not shown.endpoint.enabled
    assert shown.endpoint.chaos is None


async def test_secrets_are_apart(book: EndpointBook) -> None:
    """No two endpoints have the same secret, though they have the same URL."""
    shown = [await book.create(MERCHANT_ID, NEW) for _ in range(16)]

    assert len({one.secret for one in shown}) == len(shown)


async def test_the_limit(book: EndpointBook) -> None:
    """A merchant has sixteen endpoints at most, oldest first; another's do not count."""
    made = [(await book.create(MERCHANT_ID, NEW)).endpoint for _ in range(16)]

    with pytest.raises(TooManyEndpoints):
        await book.create(MERCHANT_ID, NEW)
    await book.create(OTHER_ID, NEW)

    assert tuple(made) == await book.all(MERCHANT_ID)
    await book.delete(MERCHANT_ID, made[3].endpoint_id)
    last = await book.create(MERCHANT_ID, NEW)
    assert (*made[:3], *made[4:], last.endpoint) == await book.all(MERCHANT_ID)


async def test_the_limit_holds_in_a_crowd(book: EndpointBook) -> None:
    """However many are made at once, sixteen are kept."""
    made = await asyncio.gather(
        *(book.create(MERCHANT_ID, NEW) for _ in range(30)), return_exceptions=True
    )

    refused = [one for one in made if isinstance(one, TooManyEndpoints)]
    assert len(refused) == 14
    assert len(await book.all(MERCHANT_ID)) == 16


async def test_a_change(book: EndpointBook, clock: ManualClock) -> None:
    """A change replaces the endpoint where it stands, and notes when."""
    first, second = [(await book.create(MERCHANT_ID, NEW)).endpoint for _ in range(2)]
    clock.pass_by(MINUTE)
    expected = replace(first, url="https://new.example/", updated_at=NOW + MINUTE)

    changed = await book.change(
        MERCHANT_ID, first.endpoint_id, lambda one: replace(one, url="https://new.example/")
    )

    assert expected == changed
    assert (expected, second) == await book.all(MERCHANT_ID)


async def test_changes_at_once(book: EndpointBook) -> None:
    """Of changes made at once none undoes another."""
    endpoint_id = (await book.create(MERCHANT_ID, NEW)).endpoint.endpoint_id

    await asyncio.gather(
        *(
            book.change(
                MERCHANT_ID,
                endpoint_id,
                lambda one: replace(one, description=one.description + "!"),
            )
            for _ in range(10)
        )
    )

    assert (await book.one(MERCHANT_ID, endpoint_id)).description == "orders" + "!" * 10


async def test_a_rotation(book: EndpointBook, clock: ManualClock) -> None:
    """A rotation shows a new secret, which signs from then on beside the old one."""
    before = await book.create(MERCHANT_ID, NEW)
    clock.pass_by(MINUTE)
    endpoint_id = before.endpoint.endpoint_id
    expected = before.endpoint.rotated(SECRETS.webhook_root_id(), NOW + MINUTE)

    shown = await book.rotate_secret(MERCHANT_ID, endpoint_id)

    assert expected == shown.endpoint == await book.one(MERCHANT_ID, endpoint_id)
    assert signing(shown.endpoint) == secret_of(shown)
    assert shown.secret != before.secret
    old = shown.endpoint.signing(NOW + MINUTE)[1]
    assert secret_of(before) == SECRETS.webhook(old.root_id, endpoint_id, old.version)


async def test_a_deleted_endpoint(book: EndpointBook) -> None:
    """What is deleted is gone, and a new one has another id and secret."""
    shown = await book.create(MERCHANT_ID, NEW)

    await book.delete(MERCHANT_ID, shown.endpoint.endpoint_id)

    assert await book.all(MERCHANT_ID) == ()
    again = await book.create(MERCHANT_ID, NEW)
    assert shown.endpoint.endpoint_id != again.endpoint.endpoint_id
    assert shown.secret != again.secret


async def test_what_another_merchant_has(book: EndpointBook) -> None:
    """Another merchant's endpoint is not found, and stays as it is."""
    endpoint = (await book.create(MERCHANT_ID, NEW)).endpoint
    await book.create(OTHER_ID, NEW)

    with pytest.raises(NotFound):
        await book.one(OTHER_ID, endpoint.endpoint_id)
    with pytest.raises(NotFound):
        await book.change(OTHER_ID, endpoint.endpoint_id, lambda one: one)
    with pytest.raises(NotFound):
        await book.rotate_secret(OTHER_ID, endpoint.endpoint_id)
    with pytest.raises(NotFound):
        await book.delete(OTHER_ID, endpoint.endpoint_id)

    assert (endpoint,) == await book.all(MERCHANT_ID)


async def test_nobody_has_any(book: EndpointBook) -> None:
    """A merchant starts without endpoints."""
    assert await book.all(MERCHANT_ID) == ()
    with pytest.raises(NotFound):
        await book.one(MERCHANT_ID, "ep_x")
