"""Calls about webhooks and events that succeed, and how their problems come about."""

import json
import re
from dataclasses import replace
from typing import Any

from payments_sandbox.domain.endpoint import ENDPOINTS_MAX
from tests.api.calls import Call
from tests.api.harness import Api

URL = "https://hooks.example.com/in"
_IDS = re.compile(r"(ep|dlv)_[0-9a-z_]+")
_UNKNOWN = {"ep": "ep_" + "0" * 26, "dlv": f"dlv_{'0' * 26}_1_{'0' * 26}"}


async def created(api: Api, **changes: Any) -> dict[str, Any]:
    """Make an endpoint and return the answer."""
    body = {"url": URL} | changes
    answer = await api.client.post("/webhooks/endpoints", json=body)
    assert answer.status_code == 201, answer.text
    return json.loads(answer.content)


async def pinged(api: Api) -> dict[str, Any]:
    """Make an endpoint, ping it and return the delivery."""
    endpoint_id = (await created(api))["endpoint_id"]
    answer = await api.client.post(f"/webhooks/endpoints/{endpoint_id}/ping")
    assert answer.status_code == 202, answer.text
    return json.loads(answer.content)


async def webhook_call_of(operation: str, api: Api) -> Call | None:
    """Return a call of the operation that succeeds, or None if it is about something else."""
    whole = {
        "create_endpoint": Call("POST", "/webhooks/endpoints", {"url": URL}),
        "list_endpoints": Call("GET", "/webhooks/endpoints"),
        "list_deliveries": Call("GET", "/webhooks/deliveries"),
        "list_events": Call("GET", "/events"),
    }
    on_endpoint: dict[str, tuple[str, str, dict[str, Any] | None]] = {
        "read_endpoint": ("GET", "", None),
        "change_endpoint": ("PATCH", "", {"description": "another"}),
        "delete_endpoint": ("DELETE", "", None),
        "rotate_secret": ("POST", "/rotate-secret", None),
        "ping_endpoint": ("POST", "/ping", None),
        "redeliver_all": ("POST", "/redeliver", {}),
    }
    on_delivery = {"read_delivery": ("GET", ""), "redeliver": ("POST", "/redeliver")}
    if operation in on_endpoint:
        method, action, body = on_endpoint[operation]
        ping = await pinged(api)
        if operation == "redeliver_all":
            body = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
        return Call(method, f"/webhooks/endpoints/{ping['endpoint_id']}{action}", body)
    if operation in on_delivery:
        method, action = on_delivery[operation]
        return Call(method, f"/webhooks/deliveries/{(await pinged(api))['delivery_id']}{action}")
    if operation == "read_event":
        core = (await api.authorize())["auth_id"].removeprefix("auth_")
        return Call("GET", f"/events/evt_{core}_1")
    return whole.get(operation)


def unknown(call: Call) -> Call:
    """Aim the call at an endpoint or a delivery that is not there."""
    return replace(call, path=_IDS.sub(lambda found: _UNKNOWN[found[1]], call.path))


async def disabled(call: Call, api: Api) -> Call:
    """Disable the endpoint that the call is about."""
    for endpoint in (await api.client.get("/webhooks/endpoints")).json()["data"]:
        path = f"/webhooks/endpoints/{endpoint['endpoint_id']}"
        await api.client.patch(path, json={"enabled": False})
    return call


async def as_many_as_can_be(call: Call, api: Api) -> Call:
    """Make all endpoints there can be."""
    for _ in range(ENDPOINTS_MAX):
        await created(api)
    return call
