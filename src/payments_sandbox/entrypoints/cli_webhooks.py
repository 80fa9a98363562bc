"""The commands that follow events, for any sandbox that runs: listen, events tail."""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.sender import HttpSender
from payments_sandbox.domain.delivery import State
from payments_sandbox.domain.destination import DestinationPolicy, fault_in
from payments_sandbox.domain.event import EVERYTHING, EventType
from payments_sandbox.domain.signature import secret_of, secret_text
from payments_sandbox.entrypoints.remote import API_KEY, URL, ApiKey, Url, client_of, notice, say
from payments_sandbox.entrypoints.terminal import out, refuse

if TYPE_CHECKING:
    from payments_sandbox.adapters.api_client import Event
    from payments_sandbox.entrypoints.listener import Attempted

events = typer.Typer(no_args_is_help=True, help="Look at what happened.")
LINES_MAX = 1_000
_SECRET_BYTES = 32
_NAMES = ", ".join(EventType)
_STYLES = {State.DELIVERED: "green", State.PENDING: "yellow", State.DEAD: "red"}


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
    api_key: ApiKey = API_KEY,
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
        async with client_of(url, api_key) as client:
            after = START if from_start else await listener.newest(client)
            say(f"Signing secret: {secret_text(key)}")
            shown = ", ".join(names) or "every event"
            say(f"Forwarding {shown} of {client.base_url} to {forward_to}. Ctrl-C ends it.")
            try:
                await listener.listen(
                    client, after, lambda one: not names or one in names, forwarder, notice
                )
            finally:
                await sender.close()
                say(f"{forwarder.tally}.")

    try:
        listener.run_until_stopped(work())
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
    api_key: ApiKey = API_KEY,
) -> None:
    """Show the last events, oldest first: time, type, transaction, amount in minor units, id.

    Of a settlement batch its id and its net.
    """
    from payments_sandbox.adapters.api_client import ApiRefused  # noqa: PLC0415 - slow to import
    from payments_sandbox.entrypoints import listener  # noqa: PLC0415 - slow to import

    show = _show_json if as_json else _show_event

    async def work() -> None:
        async with client_of(url, api_key) as client:
            shown = await listener.last(client, lines)
            for event in shown:
                show(event)
            if not follow:
                return
            after = shown[-1].event_id if shown else await listener.newest(client)
            async for event in listener.follow(client, after, notice):
                show(event)

    try:
        listener.run_until_stopped(work())
    except ApiRefused as refused:
        refuse(str(refused))


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
    amount = f"{data.get('amount', data.get('net', ''))} {data.get('currency', '')}"
    what = data.get("transaction_id") or data.get("settlement_id", "-")
    say(f"{event.timestamp} {event.type:<23}{what:<34}{amount:>12}  {event.event_id}")


def _show_json(event: "Event") -> None:
    typer.echo(event.body)
