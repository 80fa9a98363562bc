"""What a stage has beside its stacks: API keys and secrets, made by commands and not by the CDK."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from infra.account import Account, Refused
from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.gateway_keys import apigateway_client
from payments_sandbox.adapters.ssm_secrets import parameter_names, ssm_client
from payments_sandbox.entrypoints.stage import names_of

# API Gateway takes up to 10 requests a second of an account, and answers a DELETE in less.
_READ_TIMEOUT_S: Final = 15.0


def check_unprotected(account: Account, stacks: Iterable[str]) -> None:
    """Raise Refused while CloudFormation would not delete one of the stacks."""
    client = new_client("cloudformation", region=account.region, read_timeout_s=_READ_TIMEOUT_S)
    for name in stacks:
        if _is_protected(client, name):
            raise Refused(
                f"{name} is protected against deletion. If you mean it: aws cloudformation"
                f" update-termination-protection --no-enable-termination-protection"
                f" --stack-name {name}"
            )


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
        "the role by which API Gateway logs, which is the account's",
    ]
    if not is_kept:
        return of_account
    names = parameter_names(stage)
    return [
        f"the table {names_of(stage).table}, which goes on costing its storage",
        f"{names.identity} and {names.webhook} in SSM, without which that table is worth nothing",
        *of_account,
    ]


def _is_protected(client: Any, stack: str) -> bool:  # noqa: ANN401 - its stubs are not installed
    try:
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    except client.exceptions.ClientError as error:
        # CloudFormation has no code of its own for a stack that is not there.
        if "does not exist" in str(error):
            return False
        raise
    return bool(found.get("EnableTerminationProtection"))
