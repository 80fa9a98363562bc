"""The commands for API keys, of a ledger here or of a stage in AWS."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from payments_sandbox.domain.card import holds_card_number
from payments_sandbox.domain.errors import LedgerUnavailable, NotFound
from payments_sandbox.domain.merchant import ApiKey
from payments_sandbox.entrypoints.cli_aws import at_stage
from payments_sandbox.entrypoints.terminal import (
    DATA,
    Data,
    Ledger,
    OptionalStage,
    err,
    home_of,
    one_place,
    out,
    refuse,
)
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.ports import LedgerRefused

Result = TypeVar("Result")
keys = typer.Typer(
    no_args_is_help=True,
    help="Manage API keys. A running sandbox notices at once; a key is shown only when created.",
)
Merchant = Annotated[
    str, typer.Argument(help="The merchant (tenant) the keys belong to, for example: default.")
]
_MERCHANT_NAME = re.compile(r"[!-~]{1,64}")


@keys.command("create")
def create_key(
    context: typer.Context,
    merchant: Merchant,
    data: Data = DATA,
    ledger: Ledger = None,
    stage: OptionalStage = None,
) -> None:
    """Make an API key, and the merchant if it is new. The key is shown this once."""
    if _MERCHANT_NAME.fullmatch(merchant) is None:
        refuse("a merchant's name is 1 to 64 printable ASCII characters without spaces")
    if holds_card_number(merchant):
        refuse("a merchant's name must not hold a card number")
    one_place(context)
    if stage is not None:
        key, api_key = at_stage(stage, lambda one: one.create_key(merchant))
    else:
        key, api_key = _with_tenancy(
            data, ledger, lambda tenancy: tenancy.create_key(merchant), may_create=True
        )
    name = escape(merchant)
    err.print(f"Key [bold]{key.key_id}[/] for merchant [bold]{name}[/], shown only now:")
    out.print(api_key, markup=False, highlight=False, soft_wrap=True)


@keys.command("list")
def list_keys(
    context: typer.Context,
    merchant: Merchant,
    data: Data = DATA,
    ledger: Ledger = None,
    stage: OptionalStage = None,
) -> None:
    """List a merchant's keys, revoked ones too."""
    one_place(context)
    if stage is not None:
        found = at_stage(stage, lambda one: one.keys(merchant))
    else:
        found = _with_tenancy(data, ledger, lambda tenancy: tenancy.keys(merchant))
    out.print(_table_of(merchant, found))


@keys.command("revoke")
def revoke_key(  # noqa: PLR0913, PLR0917 - one argument for each option
    context: typer.Context,
    merchant: Merchant,
    key_id: Annotated[str, typer.Argument(help="The key's id, from `keys list`.")],
    data: Data = DATA,
    ledger: Ledger = None,
    stage: OptionalStage = None,
) -> None:
    """Revoke a key at once, in a running sandbox too."""
    one_place(context)
    try:
        if stage is not None:
            at_stage(stage, lambda one: one.revoke_key(merchant, key_id))
        else:
            _with_tenancy(data, ledger, lambda tenancy: tenancy.revoke_key(merchant, key_id))
    except NotFound:
        # What was given may be the key itself, so it is not repeated.
        refuse(f"merchant {merchant!r} has no key of that id there; `keys list` shows the ids")
    out.print(f"Key {key_id} of {merchant} is revoked.", markup=False, highlight=False)


def _table_of(merchant: str, found: list[ApiKey]) -> Table:
    table = Table("key id", "created", "revoked", title=f"API keys of {escape(merchant)}")
    for key in found:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M:%S} UTC" if key.revoked_at else "-"
        table.add_row(key.key_id, f"{key.created_at:%Y-%m-%d %H:%M:%S} UTC", revoked)
    return table


def _with_tenancy(
    data: Path,
    ledger: str | None,
    use: Callable[[Tenancy], Awaitable[Result]],
    *,
    may_create: bool = False,
) -> Result:
    """Run one use case on the ledger; a sandbox may be serving it meanwhile."""
    if ledger is None and not (data.exists() or may_create):
        refuse(f"there is no ledger at {data}. Name it with --data.")

    async def run() -> Result:
        sandbox = home_of(data, ledger).open()
        try:
            return await use(sandbox.use.tenancy)
        finally:
            await sandbox.close()

    try:
        return asyncio.run(run())
    except LedgerRefused as error:
        refuse(str(error))
    except LedgerUnavailable:
        refuse(f"{ledger or data} is busy or cannot be written now. Try again.")
