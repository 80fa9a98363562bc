"""The commands for AWS: tables, a stage's secrets, and what each says of itself."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from payments_sandbox.adapters.dynamodb_table import create_table, table_definition
from payments_sandbox.adapters.ssm_secrets import parameter_names
from payments_sandbox.entrypoints.cli import app
from tests.aws.served import Ran, assert_refused, dynamodb_at, program, programs
from tests.emulator import client

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ssm import SSMClient

pytestmark = pytest.mark.aws

CLOSED = "http://127.0.0.1:9"
# As if the package were not installed: it is neither found nor imported.
WITHOUT_AWS = """
import json, sys
sys.modules["botocore"] = None
from payments_sandbox.entrypoints.cli import app
for command in json.loads(sys.argv[1]):
    try:
        app(command)
    except SystemExit as end:
        print(end.code)
"""
# With all that is logged where a user asks for everything.
AT_DEBUG = """
import logging
logging.basicConfig(level=logging.DEBUG)
logging.debug("planted")
from payments_sandbox.entrypoints.cli import main
main()
"""
NEED_AWS = [
    ("serve", "--ledger", "dynamodb://Table"),
    ("aws", "create-table"),
    ("secrets", "init", "--stage", "dev"),
    ("secrets", "rotate", "--stage", "dev"),
    ("keys", "create", "shop", "--stage", "dev"),
    ("keys", "list", "shop", "--ledger", "dynamodb://Table"),
    ("keys", "revoke", "shop", "one", "--stage", "dev"),
]
HELP = [
    (
        ("serve",),
        ("counted by each process for itself", "--ledger", "dynamodb://TABLE", "stage=STAGE"),
    ),
    (("aws",), ("create-table", "DynamoDB")),
    (("aws", "create-table"), ("one that is there stays", "--endpoint", "emulator")),
    (("secrets",), ("init", "rotate", "SecureStrings in SSM", "never shown")),
    (("secrets", "init"), ("stay as they are", "--stage", "AWS_PROFILE", "AWS_ENDPOINT_URL")),
    (("secrets", "rotate"), ("The identity root is never rotated", "--stage")),
    (("keys",), ("create", "list", "revoke", "shown only when created")),
    (("keys", "create"), ("--stage", "--ledger", "--data", "shown this once")),
]


@pytest.fixture
def dynamodb(emulator: str) -> "DynamoDBClient":
    """Return a client of the emulator."""
    return dynamodb_at(emulator)


@pytest.fixture
def ssm(emulator: str) -> "SSMClient":
    """Return a client that no other test has."""
    return client("ssm", emulator)


def python(code: str, *arguments: str, env: dict[str, str] | None = None) -> Ran:
    """Run the program in another way than its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "COLUMNS": "300", **(env or {})},
    )


def test_create_table(emulator: str, dynamodb: "DynamoDBClient", tmp_path: Path) -> None:
    """It makes the table whole and says how to serve it, which works; again it changes nothing."""
    command = ("aws", "create-table", "Made", "--endpoint", emulator)
    made, again = program(*command), program(*command)
    address = f"dynamodb://Made?endpoint={emulator}"
    found: Any = dynamodb.describe_table(TableName="Made")["Table"]
    expiry = dynamodb.describe_time_to_live(TableName="Made")["TimeToLiveDescription"]
    used = program("keys", "list", "shop", "--ledger", address, cwd=tmp_path)
    serve = f'Serve it: payments-sandbox serve --ledger "{address}"\n'

    assert (made.returncode, made.stdout) == (0, f"The table Made is made.\n{serve}")
    assert (again.returncode, again.stdout) == (0, f"The table Made was there already.\n{serve}")
    definition = table_definition("Made")
    assert definition.get("KeySchema") == found["KeySchema"]
    assert len(definition.get("GlobalSecondaryIndexes", [])) == len(found["GlobalSecondaryIndexes"])
    assert found["StreamSpecification"]["StreamEnabled"]
    assert (expiry.get("TimeToLiveStatus"), expiry.get("AttributeName")) == (
        "ENABLED",
        "expires_at",
    )
    assert (used.returncode, used.stderr) == (0, "")


def test_create_table_that_was_cut_off(dynamodb: "DynamoDBClient") -> None:
    """A table without its expiry, as a broken creation leaves it, gets it the next time."""
    dynamodb.create_table(**table_definition("CutOff"))
    made = create_table(dynamodb, "CutOff")
    expiry = dynamodb.describe_time_to_live(TableName="CutOff")["TimeToLiveDescription"]

    assert not made
    assert expiry.get("TimeToLiveStatus") == "ENABLED"


def test_the_table_of_another_program(
    emulator: str, dynamodb: "DynamoDBClient", tmp_path: Path
) -> None:
    """It is refused, by creation and by the server, and stays as it is."""
    dynamodb.create_table(
        TableName="Another",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    create, serve = programs(
        ("aws", "create-table", "Another", "--endpoint", emulator),
        ("serve", "--port", "0", "--ledger", f"dynamodb://Another?endpoint={emulator}"),
        cwd=tmp_path,
    )
    expiry = dynamodb.describe_time_to_live(TableName="Another")["TimeToLiveDescription"]

    for ran in (create, serve):
        assert_refused(ran, "'Another' is another program's")
    assert expiry.get("TimeToLiveStatus") == "DISABLED"
    assert dynamodb.scan(TableName="Another")["Items"] == []
    assert [*tmp_path.iterdir()] == []


def test_create_table_where_it_cannot_be() -> None:
    """What cannot work is refused soon, without a traceback, and says where to look."""
    closed, nowhere, broken, short, odd = programs(
        ("aws", "create-table", "Table", "--endpoint", CLOSED),
        ("aws", "create-table", "Table", "--endpoint", "localhost:4566"),
        ("aws", "create-table", "Table", "--endpoint", "http://["),
        ("aws", "create-table", "ab", "--endpoint", CLOSED),
        ("aws", "create-table", "a/b:x:", "--endpoint", CLOSED),
    )

    assert_refused(closed, CLOSED, "AWS_ENDPOINT_URL")
    assert_refused(nowhere, "http or https URL")
    assert_refused(broken, "http or https URL")
    assert_refused(short, "3 to 255")
    assert_refused(odd, "3 to 255")


@pytest.mark.parametrize(("command", "told"), HELP, ids=" ".join)
def test_help(command: Sequence[str], told: Sequence[str]) -> None:
    """Each command says what a reader must know before it is used."""
    ran = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300"})
    words = " ".join(ran.output.replace("│", " ").split())

    assert ran.exit_code == 0
    for part in told:
        assert part in words


def test_without_the_packages_for_aws(tmp_path: Path) -> None:
    """Each command that needs them says how they are installed; the others work."""
    works = ("keys", "create", "shop", "--data", str(tmp_path / "ledger.db"))
    ran = python(WITHOUT_AWS, json.dumps([*NEED_AWS, works]))
    *refused, made = [line for line in ran.stderr.splitlines() if line]
    remedy = "make aws, or pip install '.[aws]'"

    assert all(line.startswith("Refused: ") and line.endswith(remedy) for line in refused)
    assert len(NEED_AWS) == len(refused)
    assert ran.stdout.split()[: len(NEED_AWS)] == ["1"] * len(NEED_AWS)
    assert "shown only now" in made


def test_the_secrets_of_a_stage(emulator: str, ssm: "SSMClient") -> None:
    """They are made, found and added to; not a root is said or logged, even at DEBUG."""
    env = {"AWS_ENDPOINT_URL": emulator}
    names = parameter_names("cli")
    ran = [
        python(AT_DEBUG, "secrets", one, "--stage", "cli", env=env)
        for one in ("rotate", "init", "init", "rotate")
    ]
    values = [
        ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value", "")
        for name in names
    ]
    roots = [json.loads(values[0])["root"], *json.loads(values[1])["roots"].values()]
    told = "".join(one.stdout + one.stderr for one in ran)

    assert [one.returncode for one in ran] == [1, 0, 0, 0]
    assert "secrets init" in ran[0].stderr
    assert ran[1].stdout == f"{names.identity} is made.\n{names.webhook} is made.\n"
    assert ran[2].stdout.count("was there and stays") == 2
    current = json.loads(values[1])["current"]
    assert ran[3].stdout == f"Webhook root {current} of stage cli is current.\n"
    assert [one.stderr.count("DEBUG:root:planted") for one in ran] == [1] * len(ran)
    assert len(roots) == 3
    assert [root for root in roots if root in told] == []
