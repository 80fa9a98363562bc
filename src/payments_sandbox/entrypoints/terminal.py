"""What the commands share: how they speak, how they refuse, and how they name a ledger."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console

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
Stage = Annotated[
    str,
    typer.Option(
        "--stage",
        metavar="STAGE",
        help="The deployment in your AWS account, for example: dev. Credentials, region and"
        " endpoint are the environment's (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL).",
    ),
]


def home_of(data: Path, ledger: str | None) -> Home:
    """Return the home the options name; raise LedgerRefused."""
    if ledger is None:
        from payments_sandbox.entrypoints.file_home import FileHome  # noqa: PLC0415 - slow

        return FileHome(data.resolve())
    prepare_aws()
    from payments_sandbox.entrypoints.table_home import TableHome  # noqa: PLC0415 - optional

    home = TableHome(ledger)
    as_emulator_takes_it(home.endpoint)
    return home


def prepare_aws() -> None:
    """Refuse where the packages for AWS are not installed; take the region by either name."""
    if find_spec("botocore") is None:
        refuse(
            "this needs the packages for AWS. Install them: pip install 'payments-sandbox[aws]'"
            " (in a checkout: make aws)"
        )
    if "AWS_REGION" in os.environ:  # botocore knows the other name alone
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])


def as_emulator_takes_it(endpoint: str | None) -> None:
    """Have credentials for an emulator on this machine, which takes any; look for none."""
    if endpoint is not None and urlsplit(endpoint).hostname in {"localhost", "127.0.0.1", "::1"}:
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        if "AWS_PROFILE" not in os.environ:
            os.environ.setdefault("AWS_ACCESS_KEY_ID", "emulator")
            os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "emulator")


def refuse(message: str) -> NoReturn:
    """Say why not, and end with status 1."""
    err.print("[bold red]Refused:[/] ", end="")
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)
