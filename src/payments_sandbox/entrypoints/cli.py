"""The command line: serve the sandbox, manage API keys, look things up."""

import gc
import logging
import re
import sqlite3
from typing import Annotated

import typer
from rich.table import Table

from payments_sandbox import __version__
from payments_sandbox.domain.card import brand_of
from payments_sandbox.domain.errors import Conflict, LedgerUnavailable
from payments_sandbox.domain.response_codes import RESPONSE_CODES
from payments_sandbox.domain.test_cards import TEST_CARDS
from payments_sandbox.entrypoints.cli_aws import aws, secrets
from payments_sandbox.entrypoints.cli_keys import keys
from payments_sandbox.entrypoints.cli_seed import seed
from payments_sandbox.entrypoints.cli_settlement import balances, settle, settlements
from payments_sandbox.entrypoints.cli_time import clock
from payments_sandbox.entrypoints.cli_trigger import trigger
from payments_sandbox.entrypoints.cli_verify import verify
from payments_sandbox.entrypoints.cli_webhooks import events, listen
from payments_sandbox.entrypoints.terminal import (
    DATA,
    Data,
    Ledger,
    home_of,
    one_place,
    out,
    refuse,
)
from payments_sandbox.services.ports import LedgerRefused

app = typer.Typer(
    name="payments-sandbox",
    help="A card-payments processor that moves no money, for laptops, test suites and CI.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(keys, name="keys")
app.add_typer(events, name="events")
app.add_typer(clock, name="clock")
app.add_typer(secrets, name="secrets")
app.add_typer(aws, name="aws")
_RATE_LIMIT = re.compile(r"[1-9][0-9]{0,5}")


def main() -> None:
    """Run the command line."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    for talkative in ("uvicorn", "botocore", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    app()


@app.command()
def serve(  # noqa: PLR0913 - one argument for each option
    context: typer.Context,
    *,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on. Others than loopback need an API key of their own."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="PAYMENTS_SANDBOX_PORT", min=0, max=65535, help="The port; 0 takes a free one."
        ),
    ] = 8000,
    data: Data = DATA,
    ledger: Ledger = None,
    rate_limit: Annotated[
        str,
        typer.Option(
            envvar="PAYMENTS_SANDBOX_RATE_LIMIT",
            metavar="N|off",
            help="Requests a minute for each API key, counted by each process for itself. Test"
            " suites want: off.",
        ),
    ] = "100",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Another name for this machine to accept in the Host header. Repeatable."
        ),
    ] = None,
    allow_private_webhooks: Annotated[
        bool,
        typer.Option(
            help="Whether webhooks may go to this machine and to private networks, over plain http"
            " too. Never to link-local and metadata addresses."
        ),
    ] = True,
    access_log: Annotated[
        bool,
        typer.Option(
            "--access-log", help="Print a line for each request: route, status, time, no content."
        ),
    ] = False,
) -> None:
    """Serve the sandbox until Ctrl-C or SIGTERM, which lets open requests finish."""
    one_place(context)
    gc.disable()  # until it serves: nothing that start-up makes is garbage
    from payments_sandbox.entrypoints import banner, local  # noqa: PLC0415 - slow to import

    limit = _rate_limit(rate_limit)
    try:
        home = home_of(data, ledger, private_webhooks=allow_private_webhooks)
        options = local.ServeOptions(host, port, home, limit, tuple(allow_host or ()), access_log)
        local.run(options, lambda serving: banner.show(serving, out))
    except (local.ServeRefused, LedgerRefused) as error:
        refuse(str(error))
    except (LedgerUnavailable, Conflict):
        refuse(f"{ledger or data} is busy or cannot be reached now. Try again.")


@app.command()
def cards() -> None:
    """List the published test cards and what each does."""
    table = Table("number", "brand", "code", "outcome", title="Test cards (any CVC, future expiry)")
    for card in TEST_CARDS.values():
        table.add_row(card.number, brand_of(card.number), card.response_code, card.outcome)
    out.print(table)


@app.command("response-codes")
def response_codes() -> None:
    """List the ISO 8583 response codes that `simulate` takes."""
    table = Table("code", "name", "decline code", "advice", title="Response codes")
    for code in RESPONSE_CODES.values():
        table.add_row(code.code, code.name, code.decline_code or "approves", code.advice or "-")
    out.print(table)


@app.command()
def currencies() -> None:
    """List the currencies and how many digits their minor unit has."""
    from payments_sandbox.api.currencies import CODES, EXPONENTS, NAMES  # noqa: PLC0415 - as above

    table = Table("code", "exponent", "amount 12345 is", "name", title="ISO 4217 currencies")
    for code in CODES:
        exponent = EXPONENTS[code]
        digits = f"{12345:0{exponent + 1}}"
        shown = f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits
        table.add_row(code, str(exponent), shown, NAMES[code])
    out.print(table)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(f"payments-sandbox {__version__} (SQLite {sqlite3.sqlite_version})", highlight=False)


app.command()(listen)
app.command()(trigger)
app.command()(settle)
app.command()(settlements)
app.command()(balances)
app.command()(seed)
app.command()(verify)


def _rate_limit(text: str) -> int | None:
    if text == "off":
        return None
    if _RATE_LIMIT.fullmatch(text):
        return int(text)
    raise typer.BadParameter("a number of requests a minute from 1 to 999999, or: off")
