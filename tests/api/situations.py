"""How each documented problem comes about: a situation for a code, and the call that meets it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from payments_sandbox.domain.merchant import Settings
from payments_sandbox.domain.operations import Capture
from payments_sandbox.domain.payment import TRANSACTIONS_MAX
from payments_sandbox.services.merchants import LOCAL_MERCHANT
from tests.api.calls import Call
from tests.api.harness import Api
from tests.api.settlement_situations import (
    at_another_batch,
    refunded_whole,
    settled,
    settlement_call_of,
    voided,
)
from tests.api.webhook_situations import as_many_as_can_be, disabled, unknown, webhook_call_of
from tests.running import AUTHORIZE

UNKNOWN_ID = "auth_" + "0" * 26


async def call_of(operation: str, api: Api) -> Call:  # noqa: PLR0911 - one for each
    """Return a call of the operation that succeeds."""
    other = await webhook_call_of(operation, api) or await settlement_call_of(operation, api)
    if other is not None:
        return other
    match operation:
        case "authorize":
            return Call("POST", "/payments/authorize", AUTHORIZE)
        case "capture" | "void":
            auth_id = (await api.authorize())["auth_id"]
            return Call("POST", f"/payments/{operation}", {"auth_id": auth_id})
        case "refund":
            auth_id = (await api.authorize())["auth_id"]
            await api.post("capture", {"auth_id": auth_id})
            return Call("POST", "/payments/refund", {"transaction_id": auth_id})
        case "read_payment":
            return Call("GET", f"/payments/{(await api.authorize())['auth_id']}")
        case "read_transaction":
            return Call("GET", f"/transactions/{(await api.authorize())['auth_id']}")
        case "change_settings":
            return Call("PATCH", "/sandbox/settings", {"test_cards_only": False})
        case _:
            paths = {"list_payments": "/payments", "read_settings": "/sandbox/settings"}
            return Call("GET", paths.get(operation, "/health"))


Spoil = Callable[[Call, Api], Awaitable[Call]]


def with_header(name: str, value: str) -> Spoil:
    """Spoil a call by a header."""

    async def spoil(call: Call, api: Api) -> Call:
        del api
        return replace(call, headers=call.headers | {name: value})

    return spoil


def with_content(content: bytes) -> Spoil:
    """Spoil a call by a body."""

    async def spoil(call: Call, api: Api) -> Call:
        del api
        return replace(call, content=content)

    return spoil


async def _without_key(call: Call, api: Api) -> Call:
    del api
    return replace(call, keyed=False)


async def _contradictory(call: Call, api: Api) -> Call:
    del api
    return replace(
        call, headers=call.headers | {"transfer-encoding": "chunked", "content-length": "2"}
    )


async def _not_valid(call: Call, api: Api) -> Call:
    del api
    if call.body is None:
        return replace(call, query="?nonsense=1")
    return replace(call, body=(call.body or {}) | {"nonsense": 1})


async def _unknown(call: Call, api: Api) -> Call:
    del api
    if call.path.startswith("/webhooks"):
        return unknown(call)
    if call.path.startswith("/settlements"):
        return at_another_batch(call)
    if call.method == "GET":
        return replace(call, path=call.path.rpartition("/")[0] + "/" + UNKNOWN_ID)
    return replace(call, body=dict.fromkeys(call.body or {}, UNKNOWN_ID))


async def _reused(call: Call, api: Api) -> Call:
    await call.send(api)
    amount = {"currency": "EUR"} if "/void" not in call.path else {}
    other = await api.authorize()
    return replace(call, body=(call.body or {}) | amount | _ids(call, other["auth_id"]))


def _ids(call: Call, auth_id: str) -> dict[str, str]:
    return {name: auth_id for name in ("auth_id", "transaction_id") if name in (call.body or {})}


def on(situation: Callable[[Api], Awaitable[str]], **changes: Any) -> Spoil:
    """Aim the call at a payment in some situation."""

    async def spoil(call: Call, api: Api) -> Call:
        body = (call.body or {}) | _ids(call, await situation(api)) | changes
        return replace(call, body=body)

    return spoil


async def _open(api: Api) -> str:
    return (await api.authorize())["auth_id"]


async def _declined(api: Api) -> str:
    return (await api.authorize(simulate={"response_code": "05"}))["auth_id"]


async def _voided(api: Api) -> str:
    auth_id = await _open(api)
    await api.post("void", {"auth_id": auth_id})
    return auth_id


async def _expired(api: Api) -> str:
    auth_id = await _open(api)
    api.clock.advance(days=8)
    return auth_id


async def _captured(api: Api) -> str:
    auth_id = await _open(api)
    await api.post("capture", {"auth_id": auth_id})
    return auth_id


async def _captured_in_part(api: Api) -> str:
    auth_id = await _open(api)
    await api.post("capture", {"auth_id": auth_id, "amount": 1})
    return auth_id


async def _full(api: Api) -> str:
    """Fill a payment up in one append, by the rules themselves."""
    auth_id = await _captured(api)
    payment = await api.ledger.payment(LOCAL_MERCHANT, auth_id)
    transactions: list[Any] = []
    while payment.version < TRANSACTIONS_MAX:
        payment, (added,) = Capture(auth_id, 1).apply(payment, Settings(), api.clock.now())
        transactions.append(added)
    await api.ledger.append(payment, transactions, None)
    return auth_id


SITUATIONS: dict[str, Spoil] = {
    "malformed_request": _contradictory,
    "malformed_json": with_content(b'{"amount": NaN}'),
    "idempotency_key_missing": _without_key,
    "idempotency_key_invalid": with_header("x-idempotency-key", "k" * 256),
    "unauthorized": with_header("x-api-key", "sk_test_other"),
    "not_found": _unknown,
    "body_too_large": with_content(b" " * 70_000),
    "unsupported_media_type": with_header("content-type", "text/plain"),
    "misdirected_request": with_header("host", "rebound.example"),
    "validation_failed": _not_valid,
    "headers_too_large": with_header("x-padding", "x" * 17_000),
    "idempotency_key_reused": _reused,
    "authorization_declined": on(_declined),
    "authorization_voided": on(_voided),
    "authorization_expired": on(_expired),
    "already_captured": on(_captured),
    "not_captured": on(_open),
    "already_refunded": refunded_whole,
    "already_settled": settled,
    "already_voided": voided,
    "payment_full": on(_full),
    "too_many_endpoints": as_many_as_can_be,
    "endpoint_disabled": disabled,
    "currency_mismatch": on(_captured_in_part, currency="EUR"),
    "amount_exceeds_capturable": on(_open, amount=1001),
    "amount_exceeds_refundable": on(_captured, amount=1001),
}
