"""What the CDK does not see to: API keys, secrets, and stacks that are protected."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from infra.account import Account, Refused
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.gateway_keys import apigateway_client
from payments_sandbox.adapters.ssm_secrets import parameter_names, ssm_client
from payments_sandbox.entrypoints.stage import names_of

# API Gateway takes up to 10 requests a second of an account, and answers a DELETE in less.
_READ_TIMEOUT_S: Final = 15.0
# Such a stack was never there: all that can be done with it is to delete it and begin again.
_NEVER_CREATED: Final = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}


def check_unprotected(account: Account, stacks: Iterable[str]) -> None:
    """Raise Refused while CloudFormation would not delete one of the stacks."""
    client = _cloudformation(account)
    for name in stacks:
        if _found(client, name).get("EnableTerminationProtection"):
            raise Refused(
                f"{name} is protected against deletion. If you mean it: aws cloudformation"
                f" update-termination-protection --no-enable-termination-protection"
                f" --stack-name {name}"
            )


def unlock_never_created(account: Account, stacks: Iterable[str]) -> list[str]:
    """Let the CDK delete protected stacks whose creation failed; return their names.

    It deletes such a stack before it creates it anew, which its protection would refuse.
    """
    client = _cloudformation(account)
    unlocked: list[str] = []
    for name in stacks:
        found = _found(client, name)
        is_protected = found.get("EnableTerminationProtection")
        if is_protected and found.get("StackStatus") in _NEVER_CREATED:
            client.update_termination_protection(StackName=name, EnableTerminationProtection=False)
            unlocked.append(name)
    return unlocked


def key_ids(stage: str) -> list[str]:
    """Return the ids that the stage's API keys have at the gateway; none if there is no stage."""
    client = apigateway_client()
    plans = [
        plan
        for page in client.get_paginator("get_usage_plans").paginate()
        for plan in page["items"]
        if plan.get("name") == names_of(stage).usage_plan
    ]
    return [
        key["id"]
        for plan in plans
        for page in client.get_paginator("get_usage_plan_keys").paginate(
            usagePlanId=plan.get("id", "")
        )
        for key in page["items"]
        if "id" in key
    ]


def delete_keys(ids: Sequence[str]) -> None:
    """Delete the keys, so that none of them opens anything again."""
    client = apigateway_client()
    for key_id in ids:
        with suppress(client.exceptions.NotFoundException):  # revoked meanwhile
            client.delete_api_key(apiKey=key_id)


def delete_secrets(account: Account, stage: str) -> None:
    """Delete the stage's roots: what was hashed and signed under them is gone with its table."""
    ssm_client(region=account.region).delete_parameters(Names=[*parameter_names(stage)])


def what_stays(stage: str, *, is_kept: bool) -> list[str]:
    """Return what is not deleted, a line each."""
    of_account = [
        "the CDK's bootstrap (stack CDKToolkit), which other apps of the account may use",
        "a role by which API Gateway logs: the account uses the newest, of whichever stage",
    ]
    if not is_kept:
        return of_account
    names = parameter_names(stage)
    return [
        f"the table {names_of(stage).table}, which goes on costing its storage",
        f"{names.identity} and {names.webhook} in SSM, without which that table is worth nothing",
        *of_account,
    ]


def _cloudformation(account: Account) -> Any:  # noqa: ANN401 - its stubs are not installed
    return new_client("cloudformation", region=account.region, read_timeout_s=_READ_TIMEOUT_S)


def _found(client: Any, stack: str) -> Mapping[str, Any]:  # noqa: ANN401 - as above
    """Return what CloudFormation says of a stack, nothing if it is not there."""
    try:
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    except client.exceptions.ClientError as error:
        # CloudFormation has no code of its own for a stack that is not there.
        if "does not exist" in str(error):
            return {}
        raise
    return found
