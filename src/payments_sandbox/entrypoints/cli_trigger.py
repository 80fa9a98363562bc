"""The command that makes an event happen in any sandbox that runs: trigger."""

import asyncio
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Annotated, NamedTuple, NoReturn, cast

import typer

from payments_sandbox.adapters.clock import RandomIds
from payments_sandbox.domain.event import EventType
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.entrypoints.cli_time import span_words, time_words
from payments_sandbox.entrypoints.remote import API_KEY, URL, ApiKey, Url, client_of, say
from payments_sandbox.entrypoints.terminal import refuse

if TYPE_CHECKING:
    from payments_sandbox.adapters.api_client import Json, SandboxClient

ADVANCES_MAX = 4
_APPROVED, _DECLINED = "4242424242424242", "4000000000000002"


class Step(NamedTuple):
    """One call of the API, and the status that its transaction has to end with."""

    operation: str
    expected: str = "completed"
    card: str = _APPROVED
    over: int = 0
    """How much more than the payment's amount is asked for."""


_AUTHORIZE = Step("authorize", "approved")
_CAPTURE = Step("capture")
ADVANCE = Step("advance")
"""The merchant's clock moves on until the event has happened."""
STEPS = {
    EventType.PAYMENT_AUTHORIZED: (_AUTHORIZE,),
    EventType.PAYMENT_DECLINED: (Step("authorize", "declined", card=_DECLINED),),
    EventType.PAYMENT_CAPTURED: (_AUTHORIZE, _CAPTURE),
    EventType.PAYMENT_CAPTURE_FAILED: (_AUTHORIZE, Step("capture", "failed", over=1)),
    EventType.PAYMENT_REFUNDED: (_AUTHORIZE, _CAPTURE, Step("refund")),
    EventType.PAYMENT_REFUND_FAILED: (_AUTHORIZE, _CAPTURE, Step("refund", "failed", over=1)),
    EventType.PAYMENT_VOIDED: (_AUTHORIZE, Step("void")),
    EventType.PAYMENT_VOID_FAILED: (_AUTHORIZE, _CAPTURE, Step("void", "failed")),
    EventType.AUTHORIZATION_EXPIRED: (_AUTHORIZE, ADVANCE),
    EventType.TRANSACTION_SETTLED: (_AUTHORIZE, _CAPTURE, ADVANCE),
    EventType.SETTLEMENT_CLOSED: (_AUTHORIZE, _CAPTURE, ADVANCE),
    EventType.SETTLEMENT_PAID: (_AUTHORIZE, _CAPTURE, ADVANCE),
}
"""What makes each event happen; the last step's transaction is the event."""
_IN_TIME = ", ".join(name for name, steps in STEPS.items() if ADVANCE in steps)


class _Place(NamedTuple):
    """Whether an event has happened by now, under which id, or up to when the clock has to go."""

    event_id: str | None
    to: datetime


def trigger(
    event_type: Annotated[
        str | None, typer.Argument(metavar="EVENT", help=f"One of: {', '.join(STEPS)}.")
    ] = None,
    *,
    url: Url = URL,
    api_key: ApiKey = API_KEY,
    amount: Annotated[int, typer.Option(min=1, help="In minor units.")] = 1_000,
    currency: Annotated[str, typer.Option(help="An ISO 4217 code.")] = "USD",
) -> None:
    """Make an event happen, by the calls of the API that lead to it.

    What only time brings (authorization_expired, transaction_settled, settlement_closed,
    settlement_paid) moves your merchant's clock forward, by up to eight days, and everything else
    that is due on the way happens too. A clock is not moved back.
    """
    if event_type is None:
        say("What can be triggered, and by which calls (advance moves your clock forward):")
        for name, steps in STEPS.items():
            say(f"  {name:<24}{', '.join(one.operation for one in steps)}")
        return
    if event_type not in STEPS:
        refuse(f"there is no such event to trigger. There are: {', '.join(STEPS)}")
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import

    try:
        asyncio.run(_trigger(EventType(event_type), amount, currency, client_of(url, api_key)))
    except ApiRefused as refused:
        refuse(str(refused))


async def _trigger(
    event_type: EventType, amount: int, currency: str, sandbox: "SandboxClient"
) -> None:
    """Go through the steps; raise ApiRefused."""
    auth_id, event_id = "", ""
    async with sandbox as client:
        for step in STEPS[event_type]:
            if step is ADVANCE:
                event_id = await _advance(client, event_type, auth_id)
                continue
            money = {"amount": amount + step.over, "currency": currency}
            answer = await _step(client, step, auth_id, money)
            if not {"auth_id", "transaction_id", "seq", "status"} <= answer.keys():
                _refuse_a_stranger(client)
            auth_id, status = str(answer["auth_id"]), answer["status"]
            event_id = event_id_of(auth_id, int(str(answer["seq"])))
            why = f" ({answer['code']})" if "code" in answer else ""
            say(f"{step.operation:<11}{status}{why}  {answer['transaction_id']}")
            if status != step.expected:
                refuse(f"{step.operation} is {status}, but {event_type} needs it {step.expected}")
    say(f"{'event':<11}{event_type}  {event_id}")


async def _step(client: "SandboxClient", step: Step, auth_id: str, money: "Json") -> "Json":
    """Make one call; return its transaction, of a failed one the problem with status failed."""
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import

    card = {"number": step.card, "exp_month": 12, "exp_year": 2099, "cvc": "123"}
    bodies: dict[str, Json] = {
        "authorize": {"card": card, **money},
        "capture": {"auth_id": auth_id, **money},
        "refund": {"transaction_id": auth_id, **money},
        "void": {"auth_id": auth_id},
    }
    key = RandomIds().core()
    try:
        return await client.post(f"/payments/{step.operation}", bodies[step.operation], key)
    except ApiRefused as refused:
        if "transaction_id" not in refused.problem:
            raise
        return {**refused.problem, "status": "failed"}


async def _advance(client: "SandboxClient", event_type: EventType, auth_id: str) -> str:
    """Move the clock on until it has happened, and return the event's id; raise ApiRefused."""
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import
    from payments_sandbox.entrypoints.runs import Ran, run_to_its_end  # noqa: PLC0415 - as above

    for _ in range(ADVANCES_MAX):
        try:
            event_id, to = await _look(client, event_type, auth_id)
        except (KeyError, IndexError, TypeError, ValueError):
            _refuse_a_stranger(client)
        if event_id is not None:
            return event_id
        on = to - (await client.clock()).now
        await run_to_its_end(lambda to=to: client.advance(to), Ran())
        say(f"{ADVANCE.operation:<11}the clock to {time_words(to)}  ({span_words(on)} on)")
    raise ApiRefused(f"the clock was moved {ADVANCES_MAX} times, but no {event_type} came of it")


async def _look(client: "SandboxClient", event_type: EventType, auth_id: str) -> _Place:
    """Return how far the event is; raise ApiRefused, or a lookup's error for a stranger."""
    payment = await client.get(f"/payments/{auth_id}")
    transactions = cast("list[Json]", payment["transactions"])
    if event_type is EventType.AUTHORIZATION_EXPIRED:
        done = [one for one in transactions if one["type"] == "expiry"]
        return _Place(_event_of(auth_id, done), _time(payment["capture_before"]))
    settled = [one for one in transactions if one["type"] == "settlement"]
    if not settled or event_type is EventType.TRANSACTION_SETTLED:
        capture = cast("list[Json]", payment["captures"])[0]
        return _Place(_event_of(auth_id, settled), _time(capture["settles_at"]))
    settlement_id = str(cast("Json", settled[0]["settlement"])["settlement_id"])
    batch = await client.get(f"/settlements/{settlement_id}")
    if batch["closed_at"] is None:
        return _Place(None, _time(batch["closes_at"]))
    if event_type is EventType.SETTLEMENT_CLOSED:
        return _Place(event_id_of(settlement_id, 1), _time(batch["closes_at"]))
    if batch["payout_date"] is None:
        refuse(
            f"{settlement_id} is closed, but leaves nothing to pay out: its captures do not"
            " cover fees, refunds and what was brought forward. Try a larger --amount"
        )
    payout_at = datetime.combine(_time(batch["payout_date"]).date(), time(0), UTC)
    return _Place(event_id_of(settlement_id, 2) if batch["paid_at"] else None, payout_at)


def _event_of(auth_id: str, done: "list[Json]") -> str | None:
    return event_id_of(auth_id, int(str(done[0]["seq"]))) if done else None


def _time(value: object) -> datetime:
    return datetime.fromisoformat(str(value))


def _refuse_a_stranger(client: "SandboxClient") -> NoReturn:
    refuse(f"{client.base_url} answers, but not as a Payments Sandbox. Is --url right?")
