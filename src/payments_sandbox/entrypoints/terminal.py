"""What the commands share: how they speak, how they refuse, and how they name a ledger."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console

from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.entrypoints.wiring import Home

out = Console(emoji=False)
err = Console(stderr=True, emoji=False)

DATA = Path("payments-sandbox.db")
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
Ledger = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        envvar="PAYMENTS_SANDBOX_LEDGER",
        metavar="dynamodb://TABLE?endpoint=URL",
        help="The ledger in a DynamoDB table instead of a file, which several processes may serve"
        " at a time. The identity root is in the file TABLE.secrets; add &secrets=FILE for another"
        " or &stage=STAGE for that stage's in SSM. Without an endpoint it is AWS, as your"
        " environment has it.",
    ),
]
_STAGE = typer.Option(
    "--stage",
    metavar="STAGE",
    help="The deployment in your AWS account, for example: dev. Credentials, region and endpoint"
    " are the environment's (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL).",
)
Stage = Annotated[str, _STAGE]
OptionalStage = Annotated[str | None, _STAGE]


def one_place(context: typer.Context) -> None:
    """Refuse options that name several ledgers."""
    options = context.params
    named = [f"--{name}" for name in ("ledger", "stage") if options.get(name) is not None]
    source = context.get_parameter_source("data")
    if source is not None and source.name == "COMMANDLINE":
        named.insert(0, "--data")
    if len(named) > 1:
        refuse(f"name one of {' and '.join(named)} (PAYMENTS_SANDBOX_LEDGER is --ledger too)")


def home_of(data: Path, ledger: str | None, *, private_webhooks: bool = False) -> Home:
    """Return the home the options name; raise LedgerRefused."""
    if ledger is None:
        from payments_sandbox.entrypoints.file_home import FileHome  # noqa: PLC0415 - slow

        return FileHome(data.resolve(), DestinationPolicy(allow_private=private_webhooks))
    prepare_aws()
    from payments_sandbox.entrypoints.table_home import TableHome  # noqa: PLC0415 - optional

    home = TableHome(ledger)
    as_emulator_takes_it(home.endpoint)
    return home


def prepare_aws() -> None:
    """Refuse where the packages for AWS are not installed; take the region by either name."""
    if find_spec("botocore") is None:
        refuse(
            "this needs the packages for AWS. Install them in the checkout: make aws, or"
            " pip install '.[aws]'"
        )
    if "AWS_REGION" in os.environ:  # botocore knows the other name alone
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])
    as_emulator_takes_it(os.environ.get("AWS_ENDPOINT_URL"))


def as_emulator_takes_it(endpoint: str | None) -> None:
    """Have credentials for an emulator on this machine, which takes any; look for none."""
    try:
        host = urlsplit(endpoint or "").hostname
    except ValueError:  # the client will say that this is no URL
        return
    if host in {"localhost", "127.0.0.1", "::1"}:
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
        if "AWS_PROFILE" not in os.environ:
            os.environ.setdefault("AWS_ACCESS_KEY_ID", "emulator")
            os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "emulator")


def refuse(message: str) -> NoReturn:
    """Say why not, and end with status 1."""
    err.print("[bold red]Refused:[/] ", end="")
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
