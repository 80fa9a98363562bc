"""What a server on a table refuses to start on, and what it says to do instead."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from payments_sandbox.adapters.dynamodb_table import create_table, dynamodb_client
from payments_sandbox.adapters.secrets import create_secrets
from payments_sandbox.adapters.ssm_secrets import init_roots, parameter_names
from payments_sandbox.entrypoints.wiring import EXIT_LEDGER_LOST
from tests.aws.served import Place, assert_refused, new_place, program, programs, serving
from tests.emulator import client

pytestmark = pytest.mark.aws

EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is refused


@pytest.fixture(scope="module")
def used(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return a table that has a payment and the well-known key."""
    place = new_place(emulator, tmp_path_factory.mktemp("used"))
    with serving(place.address, place.folder) as sandbox:
        assert sandbox.authorize("first").status == 201
    return place


def serve(address: str, *options: str) -> Sequence[str]:
    """Return the command that serves an address."""
    return ("serve", "--port", "0", "--ledger", address, *options)


def test_other_secrets(used: Place, tmp_path: Path) -> None:
    """Secrets that are another table's, damaged or not here are refused, and none are made."""
    create_secrets(tmp_path / "other")
    (tmp_path / "damaged").write_text("{}")
    other, damaged, missing, unnamed = programs(
        serve(used.address_with(f"secrets={tmp_path / 'other'}")),
        serve(used.address_with(f"secrets={tmp_path / 'damaged'}")),
        serve(used.address_with(f"secrets={tmp_path / 'missing'}")),
        serve(f"dynamodb://{used.table}?endpoint={used.endpoint}"),
        cwd=tmp_path,
    )

    assert_refused(other, "another table than", used.table, "&secrets=FILE", "&stage=STAGE")
    assert_refused(damaged, "damaged does not hold the roots of a ledger")
    assert_refused(missing, used.table, str(tmp_path / "missing"), "Copy the file", "&stage=STAGE")
    assert_refused(unnamed, f"({used.table}.secrets)", "Copy the file")
    assert {"other", "damaged"} == {one.name for one in tmp_path.iterdir()}


def test_a_table_that_is_not_there(emulator: str, tmp_path: Path) -> None:
    """It is refused with the command that makes it, which does; a closed port with its address."""
    address = f"dynamodb://Nowhere?endpoint={emulator}"
    missing, closed = programs(
        serve(address), serve("dynamodb://Nowhere?endpoint=http://127.0.0.1:9"), cwd=tmp_path
    )
    remedy = missing.stderr.partition("Make it: payments-sandbox ")[2].split()
    made = program(*remedy)
    listed = program("keys", "list", "shop", "--ledger", address, cwd=tmp_path)

    assert_refused(missing, "no table 'Nowhere'", f"aws create-table Nowhere --endpoint {emulator}")
    assert_refused(closed, "http://127.0.0.1:9")
    assert (made.returncode, listed.returncode) == (0, 0)


def test_the_well_known_key_on_an_open_address(used: Place) -> None:
    """It is refused with a command that revokes the key of this very table; then it is served."""
    refused = program(*serve(used.address, "--host", EVERYWHERE))
    option = f'--ledger "{used.address}"'
    revoked = program("keys", "revoke", "default", "local", "--ledger", used.address)
    with serving(used.address, used.folder, "--host", EVERYWHERE) as sandbox:
        unknown = sandbox.call("GET", "/payments")

    assert_refused(refused, "sk_test_local", EVERYWHERE, f"keys revoke default local {option})")
    assert revoked.returncode == 0
    assert unknown.status == 401


def test_the_secrets_of_a_stage(emulator: str, tmp_path: Path) -> None:
    """They are used where the address names the stage, and only then; no file is made."""
    ssm = client("ssm", emulator)
    place = new_place(emulator, tmp_path)
    address = place.address_with("stage=served")
    before = program(*serve(address), cwd=tmp_path)
    init_roots(ssm, "served")
    with serving(address, tmp_path) as sandbox:
        first = sandbox.authorize("first")
    with serving(address, tmp_path) as sandbox:
        again = sandbox.authorize("first")
    name = parameter_names("served").identity
    value = json.dumps({"root": "ab" * 32})
    ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    ssm.put_parameter(Name=name.replace("served", "junk"), Value="{}", Type="SecureString")
    other, junk, with_file = programs(
        serve(address), serve(place.address_with("stage=junk")), serve(place.address), cwd=tmp_path
    )

    assert_refused_last(before.stderr, "secrets init --stage served")
    assert (first.status, first.body) == (201, again.body)
    assert_refused(other, "another table than", "&stage=STAGE")
    assert_refused(junk, "junk/identity-root does not hold an identity root")
    assert_refused(with_file, "secrets that are not here", "&stage=STAGE")
    assert [one.name for one in tmp_path.iterdir() if one.suffix != ".log"] == []


def assert_refused_last(stderr: str, *told: str) -> None:
    """Check for a refusal after what was logged."""
    last = stderr.splitlines()[-1]
    assert last.startswith("Refused: ")
    for part in told:
        assert part in last


@pytest.mark.parametrize("anew", [False, True])
def test_a_table_deleted_while_served(emulator: str, tmp_path: Path, *, anew: bool) -> None:
    """Its server ends and says why, before it answers from a table that has other secrets."""
    place = new_place(emulator, tmp_path)
    tables = dynamodb_client(emulator)
    with serving(place.address, tmp_path) as server:
        tables.delete_table(TableName=place.table)
        if anew:
            create_table(tables, place.table)
        code = server.process.wait(20)

    assert code == EXIT_LEDGER_LOST
    assert "was deleted or made anew" in server.log.read_text()


@pytest.mark.parametrize(
    "options",
    [
        ("--ledger", "dynamodb://Table", "--data", "ledger.db"),
        ("--ledger", "dynamodb://Table", "--stage", "dev"),
        ("--data", "ledger.db", "--stage", "dev"),
    ],
    ids=" ".join,
)
def test_two_ledgers_at_once(tmp_path: Path, options: Sequence[str]) -> None:
    """Options that name two ledgers are refused: none is left out without a word."""
    ran = program("keys", "list", "shop", *options, cwd=tmp_path)

    assert_refused(ran, f"name one of {' and '.join(sorted(options[::2]))}")
