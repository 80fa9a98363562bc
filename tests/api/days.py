"""Days of a shop: captures and refunds, its clock moved forward, and what its books then say."""

import json
from typing import Any

import httpx

from tests.api.harness import Api
from tests.api.settlement_situations import captured

__all__ = ["captured"]
# On DynamoDB the log is seen two seconds late.
HELD_BACK_S = 3.0


def body_of(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """Return the body of an answer that has this status."""
    assert answer.status_code == status, answer.text
    return json.loads(answer.content)


async def read(api: Api, path: str) -> dict[str, Any]:
    """Return what a path answers."""
    return body_of(await api.client.get(path))


async def advance(api: Api, **body: str) -> dict[str, Any]:
    """Move the clock forward, and return what it told."""
    api.clock.advance(seconds=HELD_BACK_S)
    return body_of(await api.client.post("/sandbox/clock/advance", json=body))


async def until(api: Api, moment: str) -> dict[str, Any]:
    """Move the clock to a moment, all the way."""
    told = await advance(api, to=moment)
    assert told["complete"], told
    return told


async def refunded(api: Api, transaction_id: str, amount: int | None = None) -> dict[str, Any]:
    """Give back an amount, or all that is left."""
    body = {"transaction_id": transaction_id}
    return body_of(await api.post("refund", body | ({"amount": amount} if amount else {})), 201)


async def choose(api: Api, **settings: Any) -> dict[str, Any]:
    """Change settings."""
    return body_of(await api.client.patch("/sandbox/settings", json=settings))


async def batches(api: Api, query: str = "") -> list[dict[str, Any]]:
    """Return a page of batches."""
    return (await read(api, f"/settlements{query}"))["data"]


async def lines(api: Api, batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a batch took."""
    return (await read(api, f"/settlements/{batch['settlement_id']}/report.json"))["lines"]


async def balances(api: Api) -> dict[str, dict[str, int]]:
    """Return the balances by currency, those alone that are not zero."""
    return {
        one.pop("currency"): {name: amount for name, amount in one.items() if amount}
        for one in (await read(api, "/balances"))["data"]
    }


async def log(api: Api, path: str, after: str = "start") -> list[dict[str, Any]]:
    """Return all of a log, oldest first."""
    api.clock.advance(seconds=HELD_BACK_S)
    page = await read(api, f"{path}?limit=100&after={after}")
    found: list[dict[str, Any]] = page["data"]
    while page["next_cursor"] is not None:
        page = await read(api, f"{path}?limit=100&cursor={page['next_cursor']}")
        found += page["data"]
    return found


async def unsound(api: Api) -> list[str]:
    """Return the names of the checks that do not hold."""
    report = await read(api, "/sandbox/invariants")
    assert report["complete"]
    failed = [one["name"] for one in report["checks"] if not one["holds"]]
    assert report["holds"] == (not failed)
    return failed
