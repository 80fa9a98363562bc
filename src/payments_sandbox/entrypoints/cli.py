"""The command line: serve the sandbox, manage API keys, look things up."""

import asyncio
import gc
import logging
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from payments_sandbox import __version__
from payments_sandbox.adapters.sqlite_file import LedgerFileRefused
from payments_sandbox.domain.card import brand_of
from payments_sandbox.domain.errors import LedgerUnavailable, NotFound
from payments_sandbox.domain.response_codes import RESPONSE_CODES
from payments_sandbox.domain.test_cards import TEST_CARDS
from payments_sandbox.services.merchants import Tenancy

Result = TypeVar("Result")

app = typer.Typer(
    name="payments-sandbox",
    help="A card-payments processor that moves no money, for laptops, test suites and CI.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
keys = typer.Typer(
    no_args_is_help=True,
    help="Manage API keys. A running sandbox notices at once; a key is shown only when created.",
)
app.add_typer(keys, name="keys")
_out = Console()
_err = Console(stderr=True)

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        envvar="PAYMENTS_SANDBOX_DATA",
        help="The ledger: a SQLite file, made if it is not there. Its .secrets file stands beside"
        " it; keep the two together.",
        dir_okay=False,
    ),
]
Merchant = Annotated[
    str, typer.Argument(help="The merchant (tenant) the keys belong to, for example: default.")
]
_DATA = Path("payments-sandbox.db")
_MERCHANT_NAME = re.compile(r"[!-~]{1,64}")
_RATE_LIMIT = re.compile(r"[1-9][0-9]{0,5}")


def main() -> None:
    """Run the command line."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    app()


@app.command()
def serve(  # noqa: PLR0913 - one argument for each option
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
    data: Data = _DATA,
    rate_limit: Annotated[
        str,
        typer.Option(
            envvar="PAYMENTS_SANDBOX_RATE_LIMIT",
            metavar="N|off",
            help="Requests a minute for each API key. Test suites want: off.",
        ),
    ] = "100",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Another name for this machine to accept in the Host header. Repeatable."
        ),
    ] = None,
    access_log: Annotated[
        bool,
        typer.Option(
            "--access-log", help="Print a line for each request: route, status, time, no content."
        ),
    ] = False,
) -> None:
    """Serve the sandbox until Ctrl-C or SIGTERM, which lets open requests finish."""
    gc.disable()  # until it serves: nothing that start-up makes is garbage
    from payments_sandbox.entrypoints import banner, local  # noqa: PLC0415 - slow to import

    options = local.ServeOptions(
        host, port, data.resolve(), _rate_limit(rate_limit), tuple(allow_host or ()), access_log
    )
    try:
        local.run(options, lambda serving: banner.show(serving, _out))
    except (local.ServeRefused, LedgerFileRefused) as error:
        _refuse(str(error))


@keys.command("create")
def create_key(merchant: Merchant, data: Data = _DATA) -> None:
    """Make an API key, and the merchant if it is new. The key is shown this once."""
    if _MERCHANT_NAME.fullmatch(merchant) is None:
        _refuse("a merchant's name is 1 to 64 printable ASCII characters without spaces")
    key, api_key = _with_tenancy(
        data, lambda tenancy: tenancy.create_key(merchant), may_create=True
    )
    _err.print(f"Key [bold]{key.key_id}[/] for merchant [bold]{merchant}[/], shown only now:")
    _out.print(api_key, markup=False, highlight=False, soft_wrap=True)


@keys.command("list")
def list_keys(merchant: Merchant, data: Data = _DATA) -> None:
    """List a merchant's keys, revoked ones too."""
    table = Table("key id", "created", "revoked", title=f"API keys of {merchant}")
    for key in _with_tenancy(data, lambda tenancy: tenancy.keys(merchant)):
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M:%S} UTC" if key.revoked_at else "-"
        table.add_row(key.key_id, f"{key.created_at:%Y-%m-%d %H:%M:%S} UTC", revoked)
    _out.print(table)


@keys.command("revoke")
def revoke_key(
    merchant: Merchant,
    key_id: Annotated[str, typer.Argument(help="The key's id, from `keys list`.")],
    data: Data = _DATA,
) -> None:
    """Revoke a key at once, in a running sandbox too."""
    try:
        _with_tenancy(data, lambda tenancy: tenancy.revoke_key(merchant, key_id))
    except NotFound:
        _refuse(f"merchant {merchant!r} has no key {key_id!r}; see: keys list {merchant}")
    _out.print(f"Key {key_id} of {merchant} is revoked.", highlight=False)


@app.command()
def cards() -> None:
    """List the published test cards and what each does."""
    table = Table("number", "brand", "code", "outcome", title="Test cards (any CVC, future expiry)")
    for card in TEST_CARDS.values():
        table.add_row(card.number, brand_of(card.number), card.response_code, card.outcome)
    _out.print(table)


@app.command("response-codes")
def response_codes() -> None:
    """List the ISO 8583 response codes that `simulate` takes."""
    table = Table("code", "name", "decline code", "advice", title="Response codes")
    for code in RESPONSE_CODES.values():
        table.add_row(code.code, code.name, code.decline_code or "approves", code.advice or "-")
    _out.print(table)


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
    _out.print(table)


@app.command()
def version() -> None:
    """Print the version."""
    _out.print(f"payments-sandbox {__version__} (SQLite {sqlite3.sqlite_version})", highlight=False)


def _rate_limit(text: str) -> int | None:
    if text == "off":
        return None
    if _RATE_LIMIT.fullmatch(text):
        return int(text)
    raise typer.BadParameter("a number of requests a minute from 1 to 999999, or: off")


def _with_tenancy(
    data: Path, use: Callable[[Tenancy], Awaitable[Result]], *, may_create: bool = False
) -> Result:
    """Run one use case on the ledger; a sandbox may be serving it meanwhile."""
    if not (data.exists() or may_create):
        _refuse(f"there is no ledger at {data}. Name it with --data.")
    from payments_sandbox.entrypoints.wiring import open_sandbox  # noqa: PLC0415 - as above

    ledger = data.resolve()

    async def run() -> Result:
        sandbox = open_sandbox(ledger)
        try:
            return await use(sandbox.tenancy)
        finally:
            await sandbox.ledger.close()

    try:
        return asyncio.run(run())
    except LedgerFileRefused as error:
        _refuse(str(error))
    except LedgerUnavailable:
        _refuse(f"{data} is busy or cannot be written now. Try again.")


def _refuse(message: str) -> NoReturn:
    _err.print(f"[bold red]Refused:[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)
