"""Events over HTTP, in both homes."""

import json
from typing import Any

import pytest

from tests.api.harness import Api

HELD_BACK_S = 3


async def happened(api: Api) -> list[str]:
    """Have something happen to two payments; return the ids of the events, oldest first."""
    ids: list[str] = []
    for _ in range(2):
        auth_id = (await api.authorize())["auth_id"]
        core = auth_id.removeprefix("auth_")
        api.clock.advance(seconds=1)
        await api.post("capture", {"auth_id": auth_id, "amount": 700})
        api.clock.advance(seconds=1)
        await api.post("capture", {"auth_id": auth_id, "amount": 700})
        api.clock.advance(seconds=1)
        ids += [f"evt_{core}_{seq}" for seq in (1, 2, 3)]
    api.clock.advance(seconds=HELD_BACK_S)
    return ids


async def listed(api: Api, query: str) -> dict[str, Any]:
    """Return a page."""
    answer = await api.client.get(f"/events{query}")
    assert answer.status_code == 200, answer.text
    return json.loads(answer.content)


async def walked(api: Api, query: str) -> list[str]:
    """Return the ids of all pages from this one on."""
    ids: list[str] = []
    page = await listed(api, query)
    while True:
        ids += [one["id"] for one in page["data"]]
        if page["next_cursor"] is None:
            return ids
        page = await listed(api, f"?limit=2&cursor={page['next_cursor']}")


async def test_an_event_is_its_transaction(api: Api) -> None:
    """It carries the transaction as the API shows it, under a name that tells how it ended."""
    ids = await happened(api)
    events = [(await api.client.get(f"/events/{one}")).json() for one in ids]
    transaction_id = events[1]["data"]["transaction_id"]
    transaction = (await api.client.get(f"/transactions/{transaction_id}")).json()

    assert ids == [one["id"] for one in events]
    assert [one["type"] for one in events] == [
        "payment_authorized",
        "payment_captured",
        "payment_capture_failed",
    ] * 2
    assert [one["sequence"] for one in events] == [1, 2, 3] * 2
    assert events[1]["data"] == transaction
    assert events[1]["timestamp"] == transaction["created_at"]
    assert events[2]["data"]["error_code"] == "amount_exceeds_capturable"


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 100])
async def test_pages_lead_through_all(api: Api, limit: int) -> None:
    """Newest first or oldest first, each event comes once, whatever the size of the page."""
    ids = await happened(api)

    assert ids[::-1] == await walked(api, f"?limit={limit}")
    assert ids == await walked(api, f"?limit={limit}&after=start")
    assert ids[2:] == await walked(api, f"?limit={limit}&after={ids[1]}")
    assert await walked(api, f"?after={ids[-1]}") == []


async def test_a_follower_misses_nothing(api: Api) -> None:
    """What happens after the last event is there when it is asked for."""
    before = await happened(api)
    after = await happened(api)

    assert after == await walked(api, f"?limit=4&after={before[-1]}")


BAD: list[tuple[str | None, str]] = [
    ("after", "?after=evt_" + "0" * 26 + "_1"),
    ("after", "?after=auth_" + "0" * 26),
    ("after", "?after="),
    ("cursor", "?cursor=abc"),
    ("cursor", "?cursor=YXV0aF8wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA=="),
    ("limit", "?limit=101"),
    ("limit", "?limit=0"),
    (None, "?after=start&cursor=abc"),
    (None, "?type=payment_captured"),
]


async def test_a_bad_question(api: Api) -> None:
    """It is refused by name, and nothing of it is repeated."""
    for param, query in BAD:
        answer = await api.client.get(f"/events{query}")
        problem = answer.json()

        assert (answer.status_code, problem["code"]) == (422, "validation_failed")
        assert problem.get("param") == param
        assert "000" not in problem["detail"]


@pytest.mark.parametrize(
    "event_id", ["evt_" + "0" * 26 + "_1", "evt_x", "auth_" + "0" * 26, "ping_" + "0" * 26]
)
async def test_an_event_that_is_not(api: Api, event_id: str) -> None:
    """What is no event of ours is not found."""
    await happened(api)

    assert (await api.client.get(f"/events/{event_id}")).status_code == 404
