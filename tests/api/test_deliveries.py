"""Deliveries over HTTP, in both homes; nothing is sent here, so all of them are pending."""

import json
from typing import Any

from tests.api.harness import Api
from tests.api.webhook_situations import created

PATH = "/webhooks/deliveries"


async def pings(api: Api, count: int) -> tuple[str, list[dict[str, Any]]]:
    """Ping a new endpoint so often; return its id and the deliveries, oldest first."""
    endpoint_id = (await created(api))["endpoint_id"]
    made: list[dict[str, Any]] = []
    for _ in range(count):
        answer = await api.client.post(f"/webhooks/endpoints/{endpoint_id}/ping")
        made.append(json.loads(answer.content))
        api.clock.advance(seconds=1)
    return endpoint_id, made


async def walked(api: Api, query: str) -> list[str]:
    """Return the ids of all pages."""
    ids: list[str] = []
    cursor = ""
    while True:
        page = (await api.client.get(f"{PATH}?limit=2{query}{cursor}")).json()
        ids += [one["delivery_id"] for one in page["data"]]
        if page["next_cursor"] is None:
            return ids
        cursor = f"&cursor={page['next_cursor']}"


async def test_a_ping_is_a_delivery(api: Api) -> None:
    """It is pending, has no attempt yet, and reads back the same."""
    endpoint_id, (ping,) = await pings(api, 1)
    read = (await api.client.get(f"{PATH}/{ping['delivery_id']}")).json()

    assert ping == read
    assert (ping["type"], ping["state"], ping["attempts"]) == ("ping", "pending", [])
    assert (ping["endpoint_id"], ping["attempts_made"]) == (endpoint_id, 0)
    assert ping["next_attempt_at"] == ping["created_at"] == "2026-03-02T12:00:00.000Z"
    assert (await api.client.get("/events")).json()["data"] == []


async def test_pages_lead_through_all(api: Api) -> None:
    """Each delivery comes once, newest first, and each filter narrows."""
    first, of_first = await pings(api, 5)
    second, of_second = await pings(api, 2)
    made = [one["delivery_id"] for one in (*of_first, *of_second)]

    assert made[::-1] == await walked(api, "")
    assert made[:5][::-1] == await walked(api, f"&endpoint_id={first}")
    assert made[5:][::-1] == await walked(api, f"&endpoint_id={second}&state=pending")
    assert made[3:4] == await walked(api, f"&event_id={of_first[3]['event_id']}")
    assert await walked(api, "&state=dead") == []
    assert await walked(api, "&state=delivered&endpoint_id=ep_none") == []


async def test_redelivering_makes_it_due(api: Api) -> None:
    """One or a span of them are due again at once; the answer says how many."""
    endpoint_id, made = await pings(api, 3)
    one = await api.client.post(f"{PATH}/{made[0]['delivery_id']}/redeliver")
    span = {"since": "2026-03-02T12:00:01Z", "until": "2026-03-02T14:00:02+02:00"}
    path = f"/webhooks/endpoints/{endpoint_id}/redeliver"
    some = await api.client.post(path, json=span)
    dead = await api.client.post(path, json={})
    due = [
        (await api.client.get(f"{PATH}/{ping['delivery_id']}")).json()["next_attempt_at"]
        for ping in made
    ]

    assert (one.status_code, some.status_code) == (202, 202)
    assert one.json()["next_attempt_at"] == "2026-03-02T12:00:03.000Z"
    assert some.json() == {"redelivered": 1, "next_cursor": None}
    assert dead.json() == {"redelivered": 0, "next_cursor": None}
    assert due == ["2026-03-02T12:00:03.000Z"] * 2 + ["2026-03-02T12:00:02.000Z"]


BAD: list[tuple[str | None, dict[str, Any]]] = [
    ("until", {"since": "2026-03-02T12:00:00Z"}),
    ("since", {"until": "2026-03-02T12:00:00Z"}),
    ("since", {"since": "yesterday", "until": "2026-03-02T12:00:00Z"}),
    ("since", {"since": "2026-03-02T12:00:00", "until": "2026-03-02T12:00:00Z"}),
    ("until", {"since": "2026-03-02T12:00:00Z", "until": "2026-03-02T12:00:00Z"}),
    ("until", {"since": "2026-03-02T12:00:00Z", "until": 5}),
    ("cursor", {"cursor": "abc"}),
    (None, {"state": "dead"}),
]


async def test_a_bad_span(api: Api) -> None:
    """It is refused by name."""
    endpoint_id, _ = await pings(api, 1)
    for param, body in BAD:
        answer = await api.client.post(f"/webhooks/endpoints/{endpoint_id}/redeliver", json=body)

        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert answer.json().get("param") == param


async def test_a_bad_question(api: Api) -> None:
    """It is refused by name."""
    for query in ("?state=lost", "?endpoint_id=", "?event_id=%20", "?cursor=abc"):
        answer = await api.client.get(PATH + query)

        assert answer.status_code == 422
        assert answer.json()["param"] == query[1:].partition("=")[0]


async def test_a_disabled_endpoint_takes_nothing(api: Api) -> None:
    """Pinging it or sending to it again is refused until it is enabled."""
    endpoint_id, (ping,) = await pings(api, 1)
    path = f"/webhooks/endpoints/{endpoint_id}"
    await api.client.patch(path, json={"enabled": False})
    refused = [
        await api.client.post(f"{path}/ping"),
        await api.client.post(f"{path}/redeliver", json={}),
        await api.client.post(f"{PATH}/{ping['delivery_id']}/redeliver"),
    ]
    await api.client.patch(path, json={"enabled": True})

    assert [one.json()["code"] for one in refused] == ["endpoint_disabled"] * 3
    assert (await api.client.post(f"{path}/ping")).status_code == 202
