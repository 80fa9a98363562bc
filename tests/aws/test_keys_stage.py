"""Keys of a stage: known to its gateway and its table, or to neither."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from payments_sandbox.adapters.dynamodb_merchants import AWS_SETTINGS, DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.domain.errors import LedgerUnavailable, NotFound
from payments_sandbox.domain.merchant import Settings
from tests.aws.served import assert_refused, program, programs
from tests.aws.staged import Staged, deployed, keys_of

pytestmark = pytest.mark.aws

STEPS = [
    "apigateway.CreateApiKey",
    "dynamodb.UpdateItem",
    "dynamodb.TransactWriteItems",
    "apigateway.CreateUsagePlanKey",
]
AFTER_CREATION = STEPS[1:]


@pytest.fixture
def staged(emulator: str) -> Staged:
    """Return a stage of its own."""
    return deployed(emulator)


def hurt(staged: Staged, step: str, fault: Callable[..., None], when: str) -> None:
    """Let every call of one step meet a fault, before it is sent or after it took effect."""
    client: Any = staged.gateway if step.startswith("apigateway") else staged.dynamodb
    client.meta.events.register(f"{when}.{step}", fault, unique_id=f"{step}.{when}")


def heal(staged: Staged, step: str, when: str) -> None:
    """Let the step work again."""
    client: Any = staged.gateway if step.startswith("apigateway") else staged.dynamodb
    client.meta.events.unregister(f"{when}.{step}", unique_id=f"{step}.{when}")


def refusing(**_: object) -> None:
    """Answer as a service in trouble does."""
    raise ClientError({"Error": {"Code": "InternalServerError", "Message": "planted"}}, "planted")


def breaking(**_: object) -> None:
    """Break the connection."""
    raise ConnectionClosedError(endpoint_url="planted")


def test_the_life_of_a_key(staged: Staged) -> None:
    """It is made at gateway and table and shown once; revoked, both forget it but for the list."""
    made = staged.run("keys", "create", staged.merchant)
    api_key = made.stdout.rstrip("\n")
    (key_id, at_gateway), *others = staged.gateway_keys().items()
    let_in, items = staged.let_in(), staged.items()
    hashed = hashlib.sha256(api_key.encode()).hexdigest()
    led_to = staged.merchants_by(key_id) + staged.merchants_by(hashed)
    listed = staged.run("keys", "list", staged.merchant)
    revoked = staged.run("keys", "revoke", staged.merchant, key_id)
    listed_after = staged.run("keys", "list", staged.merchant)

    assert (0, f"{api_key}\n", 1) == (made.returncode, made.stdout, made.stderr.count("\n"))
    assert key_id in made.stderr
    assert api_key not in made.stderr
    assert others == []
    assert (True, api_key) == (at_gateway["enabled"], at_gateway["value"])
    assert let_in == {key_id}
    assert [staged.merchant] * 2 == led_to
    assert api_key.rpartition("_")[2] not in json.dumps(items) + listed.stdout + listed.stderr
    assert " - " in row_of(key_id, listed.stdout)
    assert (0, f"Key {key_id} of {staged.merchant} is revoked.\n") == (
        revoked.returncode,
        revoked.stdout,
    )
    assert staged.gateway_keys() == {}
    assert staged.merchants_by(key_id) + staged.merchants_by(hashed) == []
    assert row_of(key_id, listed_after.stdout).count("UTC") == 2


def row_of(key_id: str, listed: str) -> str:
    """Return the one line of a list that is about the key."""
    (row,) = [line for line in listed.splitlines() if key_id in line]
    return row


async def test_a_new_merchant(staged: Staged) -> None:
    """It begins with the settings for AWS; one that is there keeps its own, and has two keys."""
    keys = keys_of(staged)
    merchants = DynamoMerchants(Table(staged.dynamodb, staged.table))
    first, _ = await keys.create_key(staged.merchant)
    began = (await merchants.merchant(staged.merchant)).settings
    await merchants.change(
        staged.merchant, lambda one: replace(one, settings=Settings(retention_days=7))
    )
    second, _ = await keys.create_key(staged.merchant)
    kept = (await merchants.merchant(staged.merchant)).settings

    assert (began.test_cards_only, began.retention_days) == (True, 90)
    assert began == AWS_SETTINGS
    assert kept.retention_days == 7
    assert staged.let_in() == {first.key_id, second.key_id}


@pytest.mark.parametrize("fault", [refusing, breaking])
@pytest.mark.parametrize("when", ["before-call", "after-call"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_creation_that_fails(
    staged: Staged, step: str, when: str, fault: Callable[..., None]
) -> None:
    """Whatever was done by then, no key is let in, and none leads to a merchant or looks alive."""
    keys = keys_of(staged)
    hurt(staged, step, fault, when)
    with pytest.raises((ClientError, ConnectionClosedError, LedgerUnavailable)):
        await keys.create_key(staged.merchant)
    heal(staged, step, when)
    found = await keys.keys(staged.merchant)

    assert staged.let_in() == set()
    assert step not in AFTER_CREATION or staged.gateway_keys() == {}
    assert [
        one["transaction_id"] for one in staged.items() if one["record"]["S"] == "merchant"
    ] == []
    assert [one for one in found if one.revoked_at is None] == []


@pytest.mark.parametrize("step", ["apigateway.DeleteApiKey", "dynamodb.TransactWriteItems"])
async def test_a_revocation_that_fails(staged: Staged, step: str) -> None:
    """The key is still listed as alive, and the same command again revokes it."""
    keys = keys_of(staged)
    key, _ = await keys.create_key(staged.merchant)
    hurt(staged, step, refusing, "before-call")
    with pytest.raises((ClientError, LedgerUnavailable)):
        await keys.revoke_key(staged.merchant, key.key_id)
    heal(staged, step, "before-call")
    (before,) = await keys.keys(staged.merchant)
    await keys.revoke_key(staged.merchant, key.key_id)
    (after,) = await keys.keys(staged.merchant)

    assert before.revoked_at is None
    assert after.revoked_at is not None
    assert staged.gateway_keys() == {}
    assert staged.merchants_by(key.key_id) == []


async def test_the_key_of_another_merchant(staged: Staged) -> None:
    """It cannot be revoked under the wrong name, and stays let in."""
    keys = keys_of(staged)
    key, _ = await keys.create_key(staged.merchant)

    with pytest.raises(NotFound):
        await keys.revoke_key("another", key.key_id)
    assert staged.let_in() == {key.key_id}


def test_refusals(staged: Staged, emulator: str) -> None:
    """Each says what is wrong and what to look at, soon, and none shows or makes a key."""
    create = ("keys", "create", staged.merchant, "--stage")
    staged.dynamodb.delete_table(TableName=staged.table)
    undeployed, no_table, no_stage, no_merchant, no_key = programs(
        (*create, "nowhere"),
        (*create, staged.name),
        (*create, "No_Stage"),
        ("keys", "create", "two words", "--stage", staged.name),
        ("keys", "revoke", "nobody", "none", "--stage", staged.name),
        env={"AWS_ENDPOINT_URL": emulator},
    )
    closed, nonsense = programs(
        (*create, "dev"), ("keys", "list", "shop", "--stage", "dev"), env={}
    )

    assert_refused(undeployed, "usage plan 'payments-sandbox-nowhere'", "deployed")
    assert (no_table.returncode, no_table.stdout) == (1, "")
    assert "Refused: the stage's table is not there" in no_table.stderr
    assert_refused(no_stage, "1 to 20 of a-z", "begins with a letter")
    assert_refused(no_merchant, "without spaces")
    assert (no_key.returncode, no_key.stdout) == (1, "")
    for ran in (closed, nonsense):
        assert_refused(ran, "127.0.0.1:9", "AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL")
    assert staged.gateway_keys() == {}


@pytest.mark.parametrize("endpoint", ["nonsense", "http://["])
def test_an_endpoint_that_is_none(endpoint: str) -> None:
    """It is refused with the variable that names it, and no traceback."""
    ran = program("keys", "list", "shop", "--stage", "dev", env={"AWS_ENDPOINT_URL": endpoint})

    assert_refused(ran, "AWS cannot be asked", "AWS_ENDPOINT_URL")
