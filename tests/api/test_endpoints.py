"""Webhook endpoints over HTTP, in both homes."""

from typing import Any

from payments_sandbox.domain.event import EventType
from tests.api.harness import Api
from tests.api.webhook_situations import URL, created

PATH = "/webhooks/endpoints"
PUBLISHED = "4242424242424242"


async def test_the_secret_is_shown_once(api: Api) -> None:
    """Creation and rotation show a secret of their own; no read does."""
    made = await created(api, events=["payment_captured"], description="the shop")
    rotated = (await api.client.post(f"{PATH}/{made['endpoint_id']}/rotate-secret")).json()
    read = (await api.client.get(f"{PATH}/{made['endpoint_id']}")).json()
    listed = (await api.client.get(PATH)).json()

    assert made["secret"].startswith("whsec_")
    assert rotated["secret"] not in {made["secret"], ""}
    assert "secret" not in read
    assert {"data": [read], "next_cursor": None} == listed
    assert [one["version"] for one in made["secret_versions"]] == [1]
    assert [(one["version"], one["valid_until"]) for one in read["secret_versions"]] == [
        (2, None),
        (1, "2026-03-03T12:00:00.000Z"),
    ]


async def test_what_was_sent_is_what_is_read(api: Api) -> None:
    """An endpoint is as it was made; what is left out has its default."""
    chaos = {"seed": 7, "drop": 10}
    made = await created(api, chaos=chaos)
    rest = dict.fromkeys(("delay", "reorder", "duplicate", "stale_timestamp", "bad_signature"), 0)

    assert (
        made
        | {
            "url": URL,
            "events": ["*"],
            "description": "",
            "enabled": True,
            "disabled_reason": None,
            "chaos": chaos | rest,
            "created_at": "2026-03-02T12:00:00.000Z",
        }
        == made
    )


async def test_a_change_leaves_the_rest(api: Api) -> None:
    """What is left out of a change stays, and null ends the chaos."""
    made = await created(api, events=["payment_captured"], chaos={"drop": 1})
    api.clock.advance(seconds=1)
    path = f"{PATH}/{made['endpoint_id']}"
    changed = (await api.client.patch(path, json={"enabled": False, "chaos": None})).json()
    same = (await api.client.patch(path, json={})).json()

    del made["secret"]
    expected = made | {"enabled": False, "chaos": None, "updated_at": "2026-03-02T12:00:01.000Z"}
    assert expected == changed == same == (await api.client.get(path)).json()


async def test_a_deleted_endpoint_is_gone(api: Api) -> None:
    """After a 204 nothing finds it, and another may take its place."""
    made = await created(api)
    path = f"{PATH}/{made['endpoint_id']}"
    deleted = await api.client.delete(path)

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [
        (await api.client.get(path)).status_code,
        (await api.client.delete(path)).status_code,
        (await api.client.post(f"{path}/ping")).status_code,
    ] == [404, 404, 404]
    assert (await api.client.get(PATH)).json()["data"] == []


async def test_there_are_sixteen_at_most(api: Api) -> None:
    """The seventeenth is refused and leaves nothing."""
    for _ in range(16):
        await created(api)
    refused = await api.client.post(PATH, json={"url": URL})

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_endpoints")
    assert len((await api.client.get(PATH)).json()["data"]) == 16


BAD: list[tuple[str, dict[str, Any]]] = [
    ("url", {"url": "http://hooks.example.com/in"}),
    ("url", {"url": "https://127.0.0.1/in"}),
    ("url", {"url": "https://169.254.169.254/latest"}),
    ("url", {"url": "https://user:secret@hooks.example.com/in"}),
    ("url", {"url": "https://hooks.example.com/in#part"}),
    ("url", {"url": "ftp://hooks.example.com/in"}),
    ("url", {"url": "hooks"}),
    ("url", {"url": ""}),
    ("url", {"url": f"https://hooks.example.com/{PUBLISHED}"}),
    ("url", {"url": "https://hooks.example.com/" + "x" * 2048}),
    ("url", {"url": None}),
    ("url", {"url": 5}),
    ("events", {"events": []}),
    ("events", {"events": "payment_captured"}),
    ("events", {"events": ["payment_captured", "payment_captured"]}),
    ("events", {"events": ["payment.captured"]}),
    ("events", {"events": [*EventType, "*", "*"]}),
    ("description", {"description": "x" * 256}),
    ("description", {"description": "a\nb"}),
    ("description", {"description": f"card {PUBLISHED}"}),
    ("enabled", {"enabled": "yes"}),
    ("enabled", {"enabled": None}),
    ("chaos", {"chaos": 5}),
    ("chaos.drop", {"chaos": {"drop": 101}}),
    ("chaos.drop", {"chaos": {"drop": -1}}),
    ("chaos.drop", {"chaos": {"drop": 0.5}}),
    ("chaos.seed", {"chaos": {"seed": 2**31}}),
    ("chaos", {"chaos": {"thunder": 1}}),
]


async def test_bad_input(api: Api) -> None:
    """Making and changing refuse it alike, name the field, repeat nothing and save nothing."""
    before = await created(api)
    path = f"{PATH}/{before['endpoint_id']}"
    del before["secret"]

    for param, changes in BAD:
        refused = [
            await api.client.post(PATH, json={"url": URL} | changes),
            await api.client.patch(path, json=changes),
        ]
        for answer in refused:
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (422, "validation_failed"), changes
            assert problem["param"] == param, changes
            assert "secret" not in answer.text
            assert PUBLISHED not in answer.text
    assert [before] == (await api.client.get(PATH)).json()["data"]
