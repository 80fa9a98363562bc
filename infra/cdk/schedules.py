"""What runs by the clock: the sweep each minute, and the state machine of settlement each hour."""

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra.cdk.deployment import ROOT, Deployment
from infra.cdk.functions import log_group
from infra.cdk.grants import machine_role, schedule_role

_DEFINITION: Final = ROOT / "infra" / "settlement.asl.json"
_RETRY_S: Final = 60


def settlement_machine(
    scope: Construct, deployment: Deployment, settle: lambda_.Function
) -> stepfunctions.StateMachine:
    """Return the state machine; an execution that leaves merchants out fails, which alarms see."""
    name = f"{deployment.name}-settlement"
    return stepfunctions.StateMachine(
        scope,
        "Settlement",
        state_machine_name=name,
        state_machine_type=stepfunctions.StateMachineType.STANDARD,
        definition_body=stepfunctions.DefinitionBody.from_string(_DEFINITION.read_text()),
        definition_substitutions={"SettleFunction": settle.function_arn},
        role=machine_role(scope, settle.function_arn),
        # What is settled is in the ledger: the log names states and errors, and no data.
        logs=stepfunctions.LogOptions(
            destination=log_group(scope, "Settlement", f"/aws/vendedlogs/states/{name}"),
            level=stepfunctions.LogLevel.ALL,
            include_execution_data=False,
        ),
        tracing_enabled=True,
    )


def schedule_sweep(scope: Construct, deployment: Deployment, sweep: lambda_.Function) -> None:
    """Have the sweep run each minute; one that fails is made up for by the next."""
    # Lambda itself would try again, beside the next one; throttled ones would wait for six hours.
    sweep.configure_async_invoke(retry_attempts=0, max_event_age=Duration.seconds(_RETRY_S))
    role = schedule_role(scope, "SweepSchedule", "lambda:InvokeFunction", sweep.function_arn)
    _schedule(
        scope, f"{deployment.name}-sweep", "rate(1 minute)", sweep.function_arn, role.role_arn
    )


def schedule_settlement(
    scope: Construct, deployment: Deployment, machine: stepfunctions.StateMachine
) -> None:
    """Have settlement run each hour: cut-offs are at any time, and none is done much later."""
    arn = machine.state_machine_arn
    role = schedule_role(scope, "SettlementSchedule", "states:StartExecution", arn)
    _schedule(scope, f"{deployment.name}-settlement", "rate(1 hour)", arn, role.role_arn)


def _schedule(scope: Construct, name: str, rate: str, target: str, role: str) -> None:
    scheduler.CfnSchedule(
        scope,
        f"{name.rpartition('-')[2].title()}Schedule",
        name=name,
        schedule_expression=rate,
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=target,
            role_arn=role,
            input="{}",
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_event_age_in_seconds=_RETRY_S, maximum_retry_attempts=2
            ),
        ),
    )
