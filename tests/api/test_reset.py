"""Reset over HTTP: all of one merchant's data go, and everything works again as new."""

from typing import Any

from tests.api.days import (
    balances,
    batches,
    body_of,
    captured,
    choose,
    log,
    read,
    unsound,
    until,
)
from tests.api.harness import Api
from tests.api.webhook_situations import created
from tests.running import AUTHORIZE

RESET = "/sandbox/reset"
CONFIRMED = {"confirm": "delete all my data"}
LISTS = ("/payments", "/events", "/settlements", "/postings", "/balances", "/webhooks/deliveries")
BAD: list[Any] = [
    *({}, {"confirm": True}, {"confirm": "yes"}, {"confirm": ""}, {"confirm": None}, []),
    *({"confirm": "Delete all my data"}, CONFIRMED | {"merchant": "second"}, "delete all my data"),
]


async def view_of(api: Api) -> list[dict[str, Any]]:
    """Return all that a merchant has."""
    api.clock.advance(seconds=3)
    more = ("/sandbox/settings", "/webhooks/endpoints", "/sandbox/invariants")
    return [await read(api, path) for path in (*LISTS, *more)]


async def a_day(api: Api) -> tuple[bytes, str]:
    """Authorize and capture under certain keys, settle; return the answer and the batch's id."""
    authorized = await api.post("authorize", AUTHORIZE, "k1")
    body = {"auth_id": authorized.json()["auth_id"]}
    assert (await api.post("capture", body, "k2")).status_code == 201
    await until(api, "2026-03-04T00:00:00Z")
    (batch,) = await batches(api)
    assert (batch["state"], batch["gross"]) == ("paid", 1000)
    return authorized.content, batch["settlement_id"]


async def test_everything_works_again_as_new(api: Api) -> None:
    """The data are gone and the clock is back; keys are fresh; settings and endpoints stay."""
    await choose(api, webhook_schedule="fast")
    endpoint = await created(api)
    del endpoint["secret"]
    answer, batch_id = await a_day(api)
    await api.client.post(f"/webhooks/endpoints/{endpoint['endpoint_id']}/ping")
    done = body_of(await api.client.post(RESET, json=CONFIRMED))
    empty = {path: (await read(api, path))["data"] for path in LISTS}
    clock = await read(api, "/sandbox/clock")
    kept = await read(api, "/webhooks/endpoints"), await read(api, "/sandbox/settings")
    old = [
        (await api.client.get(f"/settlements/{batch_id}")).status_code,
        (await api.client.get(f"/events/evt_{batch_id}_1")).status_code,
        (await api.client.get(f"/payments/{endpoint['endpoint_id']}")).status_code,
    ]
    audited = await read(api, "/sandbox/invariants")
    again, new_id = await a_day(api)

    assert done == {"complete": True}
    assert empty == {path: [] for path in LISTS}
    assert (clock["now"], clock["next_due_at"]) == (clock["real_now"], None)
    assert (kept[0]["data"], kept[1]["webhook_schedule"]) == ([endpoint], "fast")
    assert old == [404, 404, 404]
    assert (audited["holds"], audited["payments"], audited["transactions"]) == (True, 0, 0)
    assert again != answer
    assert new_id != batch_id
    assert len(await log(api, "/events")) == 5
    assert await balances(api) == {"USD": {"paid_out": 941, "fees": 59}}
    assert await unsound(api) == []


async def test_it_is_ones_own_data_alone(api: Api) -> None:
    """A second merchant's payments, batches, clock and keys stay; a repeated reset does no harm."""
    second = api.as_second()
    for one in (api, second):
        await captured(one)
        await until(one, "2026-03-03T00:00:00Z")
        api.clock.advance(seconds=1)
        await captured(one)
        api.clock.advance(seconds=1)
    first = await second.post("authorize", AUTHORIZE, "k1")
    api.clock.advance(seconds=3)
    theirs = await view_of(second)
    for _ in range(2):
        assert body_of(await api.client.post(RESET, json=CONFIRMED)) == {"complete": True}
    offset = (await read(second, "/sandbox/clock"))["offset_s"]

    assert await view_of(second) == theirs
    assert offset == 43_192.0
    assert (await second.post("authorize", AUTHORIZE, "k1")).content == first.content


async def test_it_needs_its_confirmation(api: Api) -> None:
    """Without the very words nothing is deleted, and the clock stays."""
    await captured(api)
    await until(api, "2026-03-03T00:00:00Z")
    before = await view_of(api)
    for body in BAD:
        answer = await api.client.post(RESET, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), body
    assert (await api.client.post(f"{RESET}?force=1", json=CONFIRMED)).status_code == 422

    assert await view_of(api) == before
    assert (await read(api, "/sandbox/clock"))["offset_s"] > 0
