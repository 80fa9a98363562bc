"""The functions: one bundle, and for each its handler, its role, its log and what it is told."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundle import content_hash
from infra.cdk.deployment import Deployment, DeploymentRefused
from infra.cdk.grants import (
    API,
    DELIVER,
    RELAY,
    SETTLE,
    SWEEP,
    Reach,
    function_grants,
    function_role,
)

MEMORY_MB: Final = 512
# The gateway gives up after 29 s.
API_TIMEOUT_S: Final = 29
DELIVER_TIMEOUT_S: Final = 60
TIMEOUTS_S: Final = {
    API: API_TIMEOUT_S,
    RELAY: DELIVER_TIMEOUT_S,
    DELIVER: DELIVER_TIMEOUT_S,
    SWEEP: DELIVER_TIMEOUT_S,
    SETTLE: DELIVER_TIMEOUT_S,
}


class Functions(NamedTuple):
    """All functions by name, and the one version of the API's that the gateway calls."""

    by_name: Mapping[str, lambda_.Function]
    api: lambda_.Alias


def functions(scope: Construct, deployment: Deployment, reach: Reach) -> Functions:
    """Return the stage's functions; raise DeploymentRefused if their bundle is missing."""
    if not deployment.bundle.is_dir():
        raise DeploymentRefused(f"{deployment.bundle} is missing: build it by infra/bundle.py")
    code = lambda_.Code.from_asset(
        str(deployment.bundle), asset_hash=content_hash(deployment.bundle)
    )
    environment = _told(deployment, reach)
    by_name = {
        name: _function(scope, deployment, name, grants, code, environment)
        for name, grants in function_grants(reach).items()
    }
    # A snapshot is of a version; only what is published can start from one.
    published = by_name[API].current_version
    alias = lambda_.Alias(scope, "Live", alias_name="live", version=published)  # pyright: ignore[reportArgumentType] - jsii names parameters anew
    return Functions(by_name, alias)


def log_group(scope: Construct, name: str, place: str) -> logs.LogGroup:
    """Return a log that is kept for a week, and goes with the stage."""
    return logs.LogGroup(
        scope,
        f"{name}Log",
        log_group_name=place,
        retention=logs.RetentionDays.ONE_WEEK,
        removal_policy=RemovalPolicy.DESTROY,
    )


def _function(  # noqa: PLR0913, PLR0917 - what makes a function
    scope: Construct,
    deployment: Deployment,
    name: str,
    grants: Sequence[iam.PolicyStatement],
    code: lambda_.Code,
    environment: Mapping[str, str],
) -> lambda_.Function:
    title = name.title()
    full_name = f"{deployment.name}-{name}"
    log = log_group(scope, title, f"/aws/lambda/{full_name}")
    return lambda_.Function(
        scope,
        f"{title}Function",
        function_name=full_name,
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.ARM_64,
        handler=f"payments_sandbox.entrypoints.aws_{name}.handler",
        code=code,
        memory_size=MEMORY_MB,
        timeout=Duration.seconds(TIMEOUTS_S[name]),
        environment=environment,
        role=function_role(scope, title, grants, log.log_group_arn),
        log_group=log,
        # Sweeps with nothing due would be most of all traces.
        tracing=lambda_.Tracing.PASS_THROUGH if name == SWEEP else lambda_.Tracing.ACTIVE,
        # Idle snapshots cost, so old versions go, and only requests start from one.
        snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if name == API else None,
        current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.DESTROY),
    )


def _told(deployment: Deployment, reach: Reach) -> Mapping[str, str]:
    """Return the environment as `function_parts` and `cloud_policy` read it, with no secret."""
    told = {
        "LEDGER_TABLE": reach.table_name,
        "STAGE": deployment.stage,
        "DELIVERIES_TOPIC": reach.topic,
    }
    if deployment.is_emulated:
        told["POWERTOOLS_TRACE_DISABLED"] = "true"  # nobody listens to traces here
    if deployment.receiver is not None:
        told["WEBHOOK_RECEIVER"] = deployment.receiver
    return told
