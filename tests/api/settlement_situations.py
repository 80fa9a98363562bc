"""Calls about time, settlement and books that succeed, and how their problems come about."""

import json
import re
from dataclasses import replace
from typing import Any

from payments_sandbox.api.settings_body import CONFIRMATION
from tests.api.calls import Call
from tests.api.harness import Api

UNKNOWN_BATCH = "stl_" + "0" * 26
_BATCH = re.compile(r"stl_[0-9a-z]{26}")


async def captured(api: Api, amount: int = 1000, **changes: Any) -> dict[str, Any]:
    """Authorize and capture an amount, and return the capture."""
    auth_id = (await api.authorize(amount=amount, **changes))["auth_id"]
    return json.loads((await api.post("capture", {"auth_id": auth_id})).content)


async def settled_batch(api: Api) -> str:
    """Capture, let a day pass, settle, and return the batch's id."""
    await captured(api)
    api.clock.advance(days=1)
    ran = await api.client.post("/sandbox/settlements/run")
    assert ran.status_code == 200, ran.text
    batches = json.loads((await api.client.get("/settlements")).content)["data"]
    return str(batches[0]["settlement_id"])


async def settlement_call_of(operation: str, api: Api) -> Call | None:
    """Return a call of the operation that succeeds, or None if it is about something else."""
    whole = {
        "read_clock": Call("GET", "/sandbox/clock"),
        "advance_clock": Call("POST", "/sandbox/clock/advance", {"by": "PT1H"}),
        "reset": Call("POST", "/sandbox/reset", {"confirm": CONFIRMATION}),
        "read_invariants": Call("GET", "/sandbox/invariants"),
        "list_settlements": Call("GET", "/settlements"),
        "read_balances": Call("GET", "/balances"),
        "list_postings": Call("GET", "/postings"),
    }
    on_batch = {
        "read_settlement": "",
        "read_report_csv": "/report.csv",
        "read_report_json": "/report.json",
    }
    if operation == "run_settlement":
        await captured(api)
        api.clock.advance(days=1)
        return Call("POST", "/sandbox/settlements/run")
    if operation in on_batch:
        return Call("GET", f"/settlements/{await settled_batch(api)}{on_batch[operation]}")
    return whole.get(operation)


def at_another_batch(call: Call) -> Call:
    """Aim the call at a batch that is not there."""
    return replace(call, path=_BATCH.sub(UNKNOWN_BATCH, call.path))


async def settled(call: Call, api: Api) -> Call:
    """Aim the call at a capture whose cut-off has passed."""
    capture_id = (await captured(api))["transaction_id"]
    api.clock.advance(days=1)
    return replace(call, body={"transaction_id": capture_id})


async def voided(call: Call, api: Api) -> Call:
    """Aim the call at a capture that was voided."""
    body = {"transaction_id": (await captured(api))["transaction_id"]}
    await api.post("void", body)
    return replace(call, body=body)


async def refunded_whole(call: Call, api: Api) -> Call:
    """Aim the call at a capture that was refunded."""
    body = {"transaction_id": (await captured(api))["transaction_id"]}
    await api.post("refund", body)
    return replace(call, body=body)
