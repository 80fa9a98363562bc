"""The commands for AWS: the table, and a stage's secrets and keys."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from payments_sandbox.entrypoints.terminal import (
    Stage,
    as_emulator_takes_it,
    out,
    prepare_aws,
    refuse,
)

if TYPE_CHECKING:
    from payments_sandbox.entrypoints.stage import StageKeys

Result = TypeVar("Result")
aws = typer.Typer(no_args_is_help=True, help="Make what a ledger in DynamoDB needs.")
secrets = typer.Typer(
    no_args_is_help=True,
    help="Make and rotate a stage's secrets: SecureStrings in SSM, encrypted by KMS, never shown.",
)


@aws.command("create-table")
def create_table(
    table: Annotated[str, typer.Argument(help="The table's name.")] = "PaymentsLedger",
    endpoint: Annotated[
        str | None,
        typer.Option(help="The URL of an emulator; without it, AWS as your environment has it."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="The region; with an endpoint us-east-1 if not told."),
    ] = None,
) -> None:
    """Make the ledger's table with its indexes, stream and expiry; one that is there stays."""
    prepare_aws()
    from payments_sandbox.adapters import dynamodb_table  # noqa: PLC0415 - optional
    from payments_sandbox.adapters.dynamodb_open import parse_address  # noqa: PLC0415 - as above

    if dynamodb_table.TABLE_NAME.fullmatch(table) is None:
        refuse(dynamodb_table.TABLE_NAME_RULE)
    parameters = {"endpoint": endpoint, "region": region}
    query = "&".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
    ledger = f"dynamodb://{table}" + (f"?{query}" if query else "")
    with _aws_errors():
        address = parse_address(ledger)
        as_emulator_takes_it(address.endpoint)
        with out.status(f"Making the table {table} ..."):
            client = dynamodb_table.dynamodb_client(address.endpoint, address.region)
            made = dynamodb_table.create_table(client, table)
    out.print(f"The table {table} {'is made' if made else 'was there already'}.", highlight=False)
    out.print(
        f'Serve it: payments-sandbox serve --ledger "{ledger}"', highlight=False, soft_wrap=True
    )


@secrets.command("init")
def init_secrets(stage: Stage) -> None:
    """Make the stage's identity root and webhook roots; those that are there stay as they are."""
    prepare_aws()
    from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client  # noqa: PLC0415

    with _aws_errors(), _usable_secrets():
        for name, made in init_roots(ssm_client(), checked_stage(stage)).items():
            out.print(f"{name} {'is made' if made else 'was there and stays'}.", highlight=False)


@secrets.command("rotate")
def rotate_secrets(stage: Stage) -> None:
    """Add a webhook root for what is signed from now on; old ones live on where they are named.

    The identity root is never rotated: card ids and spent keys are made under it.
    """
    prepare_aws()
    from payments_sandbox.adapters.ssm_secrets import (  # noqa: PLC0415 - optional
        rotate_webhook_root,
        ssm_client,
    )

    with _aws_errors(), _usable_secrets():
        root_id = rotate_webhook_root(ssm_client(), checked_stage(stage))
    out.print(f"Webhook root {root_id} of stage {stage} is current.", highlight=False)


def at_stage(stage: str, use: Callable[["StageKeys"], Awaitable[Result]]) -> Result:
    """Run one use case on a stage's keys."""
    prepare_aws()
    from payments_sandbox.adapters.gateway_keys import UsagePlanMissing  # noqa: PLC0415 - optional
    from payments_sandbox.entrypoints.stage import stage_keys  # noqa: PLC0415 - optional

    async def run() -> Result:
        async with stage_keys(checked_stage(stage)) as keys:
            return await use(keys)

    logging.getLogger("payments_sandbox.adapters").setLevel(logging.CRITICAL)  # refusals say it
    with _aws_errors(), out.status(f"Asking stage {stage} ..."):
        try:
            return asyncio.run(run())
        except UsagePlanMissing as error:
            refuse(f"{error}: is stage {stage!r} deployed there?")


def checked_stage(stage: str) -> str:
    """Return the stage's name if it can be one."""
    from payments_sandbox.adapters.ssm_secrets import (  # noqa: PLC0415 - optional
        STAGE_NAME,
        STAGE_NAME_RULE,
    )

    if STAGE_NAME.fullmatch(stage) is None:
        refuse(STAGE_NAME_RULE)
    return stage


@contextmanager
def _usable_secrets() -> Generator[None]:
    from payments_sandbox.adapters.secrets import SecretsUnusable  # noqa: PLC0415 - optional

    try:
        yield
    except SecretsUnusable as error:
        refuse(str(error))


@contextmanager
def _aws_errors() -> Generator[None]:
    """Turn what AWS answers, or does not, into a refusal that says what to do."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - optional

    from payments_sandbox.domain.errors import LedgerUnavailable  # noqa: PLC0415 - as above
    from payments_sandbox.services.ports import LedgerRefused  # noqa: PLC0415 - as above

    try:
        yield
    except ClientError as error:
        refuse(f"AWS answered: {error}")
    except (BotoCoreError, ValueError) as error:
        refuse(
            f"AWS cannot be asked: {str(error).rstrip('.')}. Check AWS_PROFILE or the access key,"
            " AWS_REGION, and AWS_ENDPOINT_URL if an emulator is meant."
        )
    except LedgerRefused as error:
        refuse(str(error))
    except LedgerUnavailable as error:
        cause = error.__cause__
        if not isinstance(cause, ClientError):
            refuse(f"the ledger's table cannot be reached: {cause}")
        code = cause.response.get("Error", {}).get("Code")
        if code == "ResourceNotFoundException":
            refuse("the stage's table is not there: is the stage deployed in this account?")
        refuse(f"the ledger's table answered: {cause}")
