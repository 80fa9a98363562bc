"""What is deployed and where: a stage in an account of AWS, or in the emulator on this machine."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from aws_cdk import Environment

from infra.account import ADDRESS
from payments_sandbox.adapters.ssm_secrets import STAGE_NAME, STAGE_NAME_RULE

ROOT: Final = Path(__file__).parents[2]
EMULATOR_ACCOUNT, EMULATOR_REGION = "000000000000", "us-east-1"
KEPT_STAGE: Final = "prod"
"""The stage whose data outlives mistakes: its table can be restored and not be deleted."""


class DeploymentRefused(Exception):
    """What the context asks for is not deployed; the message says why."""


class Deployment(NamedTuple):
    """One stage, and what its target can do."""

    stage: str
    receiver: str | None = None
    """The one `host:port` beside public addresses that webhooks may go to: the emulator's alone."""
    is_emulated: bool = False
    email: str | None = None
    """Whom the alarms and the budget write to; None: nobody."""

    @property
    def is_kept(self) -> bool:
        """Whether the stage's data is to outlive mistakes."""
        return self.stage == KEPT_STAGE

    @property
    def name(self) -> str:
        """What the stack is called, and what the names of its resources begin with."""
        return f"payments-sandbox-{self.stage}"

    @property
    def tags(self) -> Mapping[str, str]:
        """What the stacks and all in them bear, so that a bill can be read by it."""
        return {"application": "payments-sandbox", "stage": self.stage}

    @property
    def bundle(self) -> Path:
        """Where the functions' code is, which `infra.toolkit` builds before."""
        return ROOT / "dist" / ("bundle-host" if self.is_emulated else "bundle-lambda")

    @property
    def environment(self) -> Environment:
        """The account and region: the emulator's own, or those of the credentials in use."""
        if self.is_emulated:
            return Environment(account=EMULATOR_ACCOUNT, region=EMULATOR_REGION)
        return Environment(
            account=os.environ.get("CDK_DEFAULT_ACCOUNT"),
            region=os.environ.get("CDK_DEFAULT_REGION"),
        )


def deployment_of(context: Callable[[str], Any]) -> Deployment:
    """Return what the context asks for: `stage`, `target`, `receiver` and `email`.

    Raise DeploymentRefused. The bundle for the emulator, and its permission to send to this
    machine, never go elsewhere.
    """
    stage, target, receiver = context("stage") or "dev", context("target"), context("receiver")
    account, email = os.environ.get("CDK_DEFAULT_ACCOUNT", EMULATOR_ACCOUNT), context("email")
    if not STAGE_NAME.fullmatch(stage):
        raise DeploymentRefused(STAGE_NAME_RULE)
    if target not in {None, "aws", "emulator"}:
        raise DeploymentRefused("target is aws or emulator")
    if target == "emulator" and account != EMULATOR_ACCOUNT:
        raise DeploymentRefused("target=emulator is for the emulator's account alone")
    if target != "emulator" and receiver is not None:
        raise DeploymentRefused("a receiver is for target=emulator alone")
    if email is not None and not ADDRESS.fullmatch(email):
        raise DeploymentRefused("email is an address, as ops@example.com")
    return Deployment(stage, receiver, is_emulated=target == "emulator", email=email)
