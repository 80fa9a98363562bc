"""The ledger's table: found by its address, checked, and opened with the secrets it was made with.

An address is `dynamodb://TABLE`, with `?endpoint=`, `region=`, and where the identity root is:
`stage=` (in SSM) or `secrets=` (a file; TABLE.secrets if neither is named).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
)

from payments_sandbox.adapters.dynamodb_table import (
    TABLE_NAME,
    TABLE_NAME_RULE,
    LedgerTableRefused,
    Table,
    check_table,
    dynamodb_client,
    key_of,
)
from payments_sandbox.adapters.secrets import (
    FileSecrets,
    SecretsUnusable,
    create_secrets,
    load_secrets,
)
from payments_sandbox.adapters.ssm_secrets import (
    STAGE_NAME,
    STAGE_NAME_RULE,
    SsmSecrets,
    ssm_client,
)
from payments_sandbox.domain.errors import LedgerUnavailable
from payments_sandbox.services.ports import Secrets

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

EMULATOR_REGION = "us-east-1"
_CHECK = key_of("ledger", "secrets")
_PARAMETERS = {"endpoint", "region", "stage", "secrets"}
_FORM = "a ledger's address is dynamodb://TABLE, then ?endpoint=URL etc."


@dataclass(frozen=True, slots=True)
class TableAddress:
    """Which table, where, and where its identity root is; None leaves it to the environment."""

    table: str
    endpoint: str | None = None
    region: str | None = None
    stage: str | None = None
    secrets: Path | None = None


class OpenTable(NamedTuple):
    """A table that can serve, and the keyed hashes it was made with."""

    table: Table
    secrets: Secrets


def parse_address(text: str) -> TableAddress:
    """Return the address; raise LedgerTableRefused."""
    try:
        url = urlsplit(text)
    except ValueError:
        raise LedgerTableRefused(_FORM) from None
    parameters = parse_qsl(url.query, keep_blank_values=True)
    values = dict(parameters)
    unknown = sorted(values.keys() - _PARAMETERS)
    if url.scheme != "dynamodb" or not url.netloc or url.path not in {"", "/"} or url.fragment:
        raise LedgerTableRefused(_FORM)
    if TABLE_NAME.fullmatch(url.netloc) is None:
        raise LedgerTableRefused(TABLE_NAME_RULE)
    if unknown or len(values) < len(parameters) or not all(values.values()):
        raise LedgerTableRefused(
            f"in the ledger's address, give each of {', '.join(sorted(_PARAMETERS))} at most once"
            f" and with a value{f'; not {unknown[0]!r}' if unknown else ''}"
        )
    stage = values.get("stage")
    if stage is not None and STAGE_NAME.fullmatch(stage) is None:
        raise LedgerTableRefused(STAGE_NAME_RULE)
    if stage is not None and "secrets" in values:
        raise LedgerTableRefused("the ledger's address has stage or secrets, not both")
    endpoint = values.get("endpoint")
    if endpoint is not None and not _is_url(endpoint):
        raise LedgerTableRefused("the endpoint in a ledger's address is an http or https URL")
    secrets = values.get("secrets")
    return TableAddress(
        url.netloc,
        endpoint,
        values.get("region") or (EMULATOR_REGION if endpoint else None),
        stage,
        Path(secrets) if secrets else None,
    )


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    more = url.username or url.password or url.query or url.fragment
    return url.scheme in {"http", "https"} and bool(url.hostname) and not more


def open_table(address: TableAddress, monotonic: Callable[[], float]) -> OpenTable:
    """Open the table; raise LedgerTableRefused."""
    try:
        client = dynamodb_client(address.endpoint, address.region)
        _check_table(client, address)
        return OpenTable(Table(client, address.table), _secrets(client, address, monotonic))
    except (NoCredentialsError, NoRegionError) as error:
        raise LedgerTableRefused(
            f"{str(error).rstrip('.')}. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID,"
            " AWS_SECRET_ACCESS_KEY and AWS_REGION; an emulator takes any value."
        ) from error
    except (BotoCoreError, ClientError, OSError, SecretsUnusable, ValueError) as error:
        raise LedgerTableRefused(f"cannot open {address.table}: {error}") from error
    except LedgerUnavailable:
        raise LedgerTableRefused(
            f"the identity root of stage {address.stage!r} cannot be read: may these credentials"
            " read it, and is SSM there?"
        ) from None


def _check_table(client: "DynamoDBClient", address: TableAddress) -> None:
    """Refuse a table that is not there, or is not a ledger's."""
    try:
        check_table(client, address.table)
    except client.exceptions.ResourceNotFoundException:
        at = f" --endpoint {address.endpoint}" if address.endpoint else ""
        at += f" --region {address.region}" if address.region else ""
        raise LedgerTableRefused(
            f"there is no table {address.table!r}. Make it: payments-sandbox aws create-table"
            f" {address.table}{at}"
        ) from None


def _secrets(
    client: "DynamoDBClient", address: TableAddress, monotonic: Callable[[], float]
) -> Secrets:
    """Return the secrets the table was made with, or new ones for a new table."""
    known = client.get_item(TableName=address.table, Key=_CHECK, ConsistentRead=True).get("Item")
    if address.stage is not None:
        stage = SsmSecrets(ssm_client(address.endpoint, address.region), address.stage, monotonic)
        _match(client, address, stage.current().check_value())
        return stage
    file = address.secrets or Path(f"{address.table}.secrets")
    has_data = known or client.scan(TableName=address.table, Limit=1)["Items"]
    if has_data and not file.exists():  # looked for last: another process may be making both
        raise LedgerTableRefused(
            f"{address.table} was made with secrets that are not here ({file}). Copy the file from"
            " where it was made, or name the stage whose secrets it has: &stage=STAGE"
        )
    secrets = _load_or_create(file)
    _match(client, address, secrets.check_value())
    return secrets


def _load_or_create(file: Path) -> FileSecrets:
    try:
        if not file.exists():
            with suppress(FileExistsError):  # another process made it meanwhile
                return create_secrets(file.absolute())
        return load_secrets(file)
    except OSError as error:
        raise LedgerTableRefused(f"the secrets file {file}: {error.strerror or error}") from error


def _match(client: "DynamoDBClient", address: TableAddress, check_value: str) -> None:
    """Mark a new table with the secrets' check value; refuse secrets of another table."""
    try:
        client.put_item(
            TableName=address.table,
            Item=_CHECK | {"check": {"S": check_value}},
            ConditionExpression="attribute_not_exists(transaction_id) OR #check = :check",
            ExpressionAttributeNames={"#check": "check"},
            ExpressionAttributeValues={":check": {"S": check_value}},
        )
    except client.exceptions.ConditionalCheckFailedException:
        raise LedgerTableRefused(
            f"these secrets belong to another table than {address.table}. Name the right"
            " ones: &secrets=FILE or &stage=STAGE"
        ) from None
