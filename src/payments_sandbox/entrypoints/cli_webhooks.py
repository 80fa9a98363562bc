"""The commands around events, for any sandbox that runs: listen, trigger, events tail."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.text import Text

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sender import HttpSender
from payments_sandbox.domain.delivery import State
from payments_sandbox.domain.destination import DestinationPolicy, fault_in
from payments_sandbox.domain.event import EVERYTHING, EventType
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.signature import secret_of, secret_text
from payments_sandbox.entrypoints.terminal import err, out, refuse
from payments_sandbox.services.merchants import LOCAL_KEY

if TYPE_CHECKING:
    from payments_sandbox.adapters.api_client import Event, Json, SandboxClient
    from payments_sandbox.entrypoints.listener import Attempted

events = typer.Typer(no_args_is_help=True, help="Look at what happened.")
LINES_MAX = 1_000
Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="PAYMENTS_SANDBOX_URL",
        help="The sandbox: its base URL, as it says when it serves; in AWS with the stage.",
    ),
]
ApiKey = Annotated[
    str, typer.Option("--api-key", envvar="PAYMENTS_SANDBOX_API_KEY", help="Your API key there.")
]
URL = "http://127.0.0.1:8000"
_SECRET_BYTES = 32
_NAMES = ", ".join(EventType)
_STYLES = {State.DELIVERED: "green", State.PENDING: "yellow", State.DEAD: "red"}
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
STEPS = {
    EventType.PAYMENT_AUTHORIZED: (_AUTHORIZE,),
    EventType.PAYMENT_DECLINED: (Step("authorize", "declined", card=_DECLINED),),
    EventType.PAYMENT_CAPTURED: (_AUTHORIZE, _CAPTURE),
    EventType.PAYMENT_CAPTURE_FAILED: (_AUTHORIZE, Step("capture", "failed", over=1)),
    EventType.PAYMENT_REFUNDED: (_AUTHORIZE, _CAPTURE, Step("refund")),
    EventType.PAYMENT_REFUND_FAILED: (_AUTHORIZE, _CAPTURE, Step("refund", "failed", over=1)),
    EventType.PAYMENT_VOIDED: (_AUTHORIZE, Step("void")),
    EventType.PAYMENT_VOID_FAILED: (_AUTHORIZE, _CAPTURE, Step("void", "failed")),
}
"""What makes each event happen; the last step's transaction is the event."""


def listen(  # noqa: PLR0913 - one argument for each option
    *,
    forward_to: Annotated[
        str, typer.Option(metavar="URL", help="Your receiver, usually on this machine.")
    ],
    types: Annotated[
        list[str] | None,
        typer.Option(
            "--events",
            metavar="TYPE,...",
            help=f"Forward these alone: {_NAMES}, or * for all. Repeatable.",
        ),
    ] = None,
    url: Url = URL,
    api_key: ApiKey = LOCAL_KEY,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="PAYMENTS_SANDBOX_LISTEN_SECRET",
            metavar="whsec_...",
            help="The secret to sign with; without it, a new one for each run.",
        ),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the first event there is, not now.")
    ] = False,
) -> None:
    """Forward signed copies of a sandbox's events to a URL, with retries, until Ctrl-C."""
    names = _names_in(types)
    fault = fault_in(forward_to, DestinationPolicy(allow_private=True))
    if fault is not None:
        refuse(f"--forward-to {fault}")
    from payments_sandbox.adapters.api_client import START, ApiRefused  # noqa: PLC0415 - slow
    from payments_sandbox.entrypoints import listener  # noqa: PLC0415 - slow to import

    try:
        key = secret_of(secret) if secret else secrets.token_bytes(_SECRET_BYTES)
    except ValueError as error:
        refuse(str(error))
    sender = HttpSender(DestinationPolicy(allow_private=True))
    receiver = listener.Receiver(forward_to, key)

    async def work() -> None:
        forwarder = listener.Forwarder(
            receiver, sender, SystemClock(), RandomIds().core(), _show_attempt
        )
        async with _client(url, api_key) as client:
            after = START if from_start else await listener.newest(client)
            _say(f"Signing secret: {secret_text(key)}")
            shown = ", ".join(names) or "every event"
            _say(f"Forwarding {shown} of {client.base_url} to {forward_to}. Ctrl-C ends it.")
            try:
                await listener.listen(
                    client, after, lambda one: not names or one in names, forwarder, _notice
                )
            finally:
                await sender.close()
                _say(f"{forwarder.tally}.")

    try:
        listener.run_until_stopped(work())
    except ApiRefused as refused:
        refuse(str(refused))


def trigger(
    event_type: Annotated[
        str | None, typer.Argument(metavar="EVENT", help=f"One of: {', '.join(STEPS)}.")
    ] = None,
    *,
    url: Url = URL,
    api_key: ApiKey = LOCAL_KEY,
    amount: Annotated[int, typer.Option(min=1, help="In minor units.")] = 1_000,
    currency: Annotated[str, typer.Option(help="An ISO 4217 code.")] = "USD",
) -> None:
    """Make an event happen, by the calls of the API that lead to it."""
    if event_type is None:
        _say("What can be triggered, and by which calls:")
        for name, steps in STEPS.items():
            _say(f"  {name:<24}{', '.join(one.operation for one in steps)}")
        return
    if event_type == EventType.AUTHORIZATION_EXPIRED:
        refuse(
            f"{event_type} happens when an authorization is seven days old, and that cannot be"
            " triggered yet"
        )
    if event_type not in STEPS:
        refuse(f"there is no such event to trigger. There are: {', '.join(STEPS)}")
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import

    try:
        asyncio.run(_trigger(EventType(event_type), amount, currency, _client(url, api_key)))
    except ApiRefused as refused:
        refuse(str(refused))


@events.command("tail")
def tail(
    *,
    lines: Annotated[
        int, typer.Option(min=0, max=LINES_MAX, help="How many of the last events to show.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as a line of JSON.")
    ] = False,
    url: Url = URL,
    api_key: ApiKey = LOCAL_KEY,
) -> None:
    """Show the last events, oldest first: time, type, transaction, amount in minor units, id."""
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import
    from payments_sandbox.entrypoints import listener  # noqa: PLC0415 - slow to import

    show = _show_json if as_json else _show_event

    async def work() -> None:
        async with _client(url, api_key) as client:
            shown = await listener.last(client, lines)
            for event in shown:
                show(event)
            if not follow:
                return
            after = shown[-1].event_id if shown else await listener.newest(client)
            async for event in listener.follow(client, after, _notice):
                show(event)

    try:
        listener.run_until_stopped(work())
    except ApiRefused as refused:
        refuse(str(refused))


async def _trigger(
    event_type: EventType, amount: int, currency: str, sandbox: "SandboxClient"
) -> None:
    """Go through the steps; raise ApiRefused."""
    auth_id, seq = "", ""
    async with sandbox as client:
        for step in STEPS[event_type]:
            money = {"amount": amount + step.over, "currency": currency}
            answer = await _step(client, step, auth_id, money)
            if not {"auth_id", "transaction_id", "seq", "status"} <= answer.keys():
                refuse(f"{client.base_url} answers, but not as a Payments Sandbox. Is --url right?")
            auth_id, seq, status = str(answer["auth_id"]), answer["seq"], answer["status"]
            why = f" ({answer['code']})" if "code" in answer else ""
            _say(f"{step.operation:<11}{status}{why}  {answer['transaction_id']}")
            if status != step.expected:
                refuse(f"{step.operation} is {status}, but {event_type} needs it {step.expected}")
    _say(f"{'event':<11}{event_type}  {event_id_of(auth_id, int(str(seq)))}")


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


def _client(url: str, api_key: str) -> "SandboxClient":
    from payments_sandbox.adapters.api_client import SandboxClient  # noqa: PLC0415 - slow

    return SandboxClient(
        url, api_key, lambda wait_s: _notice(f"The rate limit is used up; waiting {wait_s} s.")
    )


def _names_in(types: Sequence[str] | None) -> tuple[str, ...]:
    """Return the types to forward, none for all."""
    names = tuple(one.strip() for text in types or () for one in text.split(","))
    unknown = [one for one in names if one not in {*EventType, EVERYTHING}]
    if unknown:
        refuse(f"--events has {', '.join(map(repr, unknown))}. There are: {_NAMES}, and * for all")
    return () if EVERYTHING in names else names


def _show_attempt(attempted: "Attempted") -> None:
    from payments_sandbox.entrypoints.listener import words_for  # noqa: PLC0415 - slow

    line = Text(f"{attempted.at:%H:%M:%S}Z ", "dim")
    line.append(f"{attempted.event.type:<23}{attempted.event.event_id} -> ", "default")
    line.append(words_for(attempted), _STYLES[attempted.delivery.state])
    out.print(line, soft_wrap=True)


def _show_event(event: "Event") -> None:
    data = event.data
    amount = f"{data.get('amount', '')} {data.get('currency', '')}"
    _say(
        f"{event.timestamp} {event.type:<23}{data.get('transaction_id', '-'):<34}"
        f"{amount:>12}  {event.event_id}"
    )


def _show_json(event: "Event") -> None:
    typer.echo(event.body)


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _notice(text: str) -> None:
    err.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
