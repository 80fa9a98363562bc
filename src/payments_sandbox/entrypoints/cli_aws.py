"""The commands for AWS: the table, and a stage's secrets and keys."""

import asyncio
import re
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
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@aws.command("create-table")
def create_table(
    table: Annotated[str, typer.Argument(help="The table's name.")] = "PaymentsLedger",
    endpoint: Annotated[
        str | None,
        typer.Option(help="The URL of an emulator; without it, AWS as your environment has it."),
    ] = None,
) -> None:
    """Make the ledger's table with its indexes, stream and expiry; one that is there stays."""
    prepare_aws()
    from payments_sandbox.adapters import dynamodb_table  # noqa: PLC0415 - optional
    from payments_sandbox.adapters.dynamodb_open import EMULATOR_REGION  # noqa: PLC0415 - as above

    if dynamodb_table.TABLE_NAME.fullmatch(table) is None:
        refuse(dynamodb_table.TABLE_NAME_RULE)
    with _aws_errors(), out.status(f"Making the table {table} ..."):
        as_emulator_takes_it(endpoint)
        client = dynamodb_table.dynamodb_client(endpoint, EMULATOR_REGION if endpoint else None)
        made = dynamodb_table.create_table(client, table)
    at = f"?endpoint={endpoint}" if endpoint else ""
    out.print(f"The table {table} {'is made' if made else 'was there already'}.", highlight=False)
    out.print(
        f'Serve it: payments-sandbox serve --ledger "dynamodb://{table}{at}"',
        highlight=False,
        soft_wrap=True,
    )


@secrets.command("init")
def init_secrets(stage: Stage) -> None:
    """Make the stage's identity root and webhook roots; those that are there stay as they are."""
    prepare_aws()
    from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client  # noqa: PLC0415

    with _aws_errors():
        for name, made in init_roots(ssm_client(), checked_stage(stage)).items():
            out.print(f"{name} {'is made' if made else 'was there and stays'}.", highlight=False)


@secrets.command("rotate")
def rotate_secrets(stage: Stage) -> None:
    """Add a webhook root for what is signed from now on; old ones live on where they are named.

    The identity root is never rotated: card ids and spent keys are made under it.
    """
    prepare_aws()
    from payments_sandbox.adapters.secrets import SecretsUnusable  # noqa: PLC0415 - as above
    from payments_sandbox.adapters.ssm_secrets import (  # noqa: PLC0415 - optional
        rotate_webhook_root,
        ssm_client,
    )

    with _aws_errors():
        try:
            root_id = rotate_webhook_root(ssm_client(), checked_stage(stage))
        except SecretsUnusable as error:
            refuse(str(error))
    out.print(f"Webhook root {root_id} of stage {stage} is current.", highlight=False)


def at_stage(stage: str, use: Callable[["StageKeys"], Awaitable[Result]]) -> Result:
    """Run one use case on a stage's keys."""
    prepare_aws()
    from payments_sandbox.adapters.gateway_keys import UsagePlanMissing  # noqa: PLC0415 - optional
    from payments_sandbox.entrypoints.stage import stage_keys  # noqa: PLC0415 - optional

    async def run() -> Result:
        async with stage_keys(checked_stage(stage)) as keys:
            return await use(keys)

    with _aws_errors():
        try:
            return asyncio.run(run())
        except UsagePlanMissing as error:
            refuse(f"{error}: is stage {stage!r} deployed there?")


def checked_stage(stage: str) -> str:
    """Return the stage's name if it can be one."""
    if _STAGE_NAME.fullmatch(stage) is None:
        refuse("a stage's name is 1 to 20 of a-z, 0-9 and '-', and begins with a letter")
    return stage


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
        refuse(f"the table cannot be reached: {error.__cause__}")
