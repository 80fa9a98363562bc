"""Each role's grants are enough for its work, and none of them is too much."""

import asyncio
import json
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from typing import Final

import pytest
from botocore.exceptions import ClientError

from infra.emulator import emulated
from infra.receiver import receiving
from tests.infra.function_work import Work, Works
from tests.infra.merchant_clock import a_day_passes
from tests.infra.privilege_rig import MERCHANT, NAME, STAGE, Failed, Grant, Stage, deployed
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

_LOGGED: Final = "Lambda writes a function's log by its role; the emulator asks no role for it."
_TRACED: Final = "Nobody listens to traces here."
_FOLLOWED: Final = "A mapping follows the stream by the function's role; here it asks no role."
_TAKEN: Final = "A mapping takes messages by the function's role; here it asks no role."
_SET_UP: Final = "A state machine's log is set up by its role; here by nobody's."
NOT_ENFORCED: Final = {
    "logs:CreateLogStream": _LOGGED,
    "logs:PutLogEvents": _LOGGED,
    "xray:PutTraceSegments": _TRACED,
    "xray:PutTelemetryRecords": _TRACED,
    "xray:GetSamplingRules": _TRACED,
    "xray:GetSamplingTargets": _TRACED,
    "dynamodb:DescribeStream": _FOLLOWED,
    "dynamodb:GetRecords": _FOLLOWED,
    "dynamodb:GetShardIterator": _FOLLOWED,
    "dynamodb:ListStreams": _FOLLOWED,
    "sqs:SendMessage": "A mapping gives up to the queue by the function's role; here by nobody's.",
    "sqs:ReceiveMessage": _TAKEN,
    "sqs:DeleteMessage": _TAKEN,
    "sqs:GetQueueAttributes": _TAKEN,
    "logs:CreateLogDelivery": _SET_UP,
    "logs:GetLogDelivery": _SET_UP,
    "logs:UpdateLogDelivery": _SET_UP,
    "logs:DeleteLogDelivery": _SET_UP,
    "logs:ListLogDeliveries": _SET_UP,
    "logs:PutResourcePolicy": _SET_UP,
    "logs:DescribeResourcePolicies": _SET_UP,
    "logs:DescribeLogGroups": _SET_UP,
}
READ_PARAMETER: Final = "ssm:GetParameter"
FUNCTIONS: Final = ("api", "relay", "deliver", "sweep", "settle")
ARRIVAL_S = SETTLED_S = 60.0


def _invoke_settle(stage: Stage) -> None:
    task = json.dumps({"task": "plan", "after": "", "failed": 0})
    functions = stage.acting("MachineRole", "lambda")
    functions.invoke(FunctionName=f"{NAME}-settle", Payload=task)


def _invoke_sweep(stage: Stage) -> None:
    functions = stage.acting("SweepScheduleRole", "lambda")
    functions.invoke(FunctionName=f"{NAME}-sweep", Payload="{}")


def _start_settlement(stage: Stage) -> None:
    states = stage.acting("SettlementScheduleRole", "stepfunctions")
    states.start_execution(stateMachineArn=stage.machine)


ACTS: Final = {
    "MachineRole": _invoke_settle,
    "SweepScheduleRole": _invoke_sweep,
    "SettlementScheduleRole": _start_settlement,
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A stage in an emulator that enforces IAM."""
    with emulated(enforces_iam=True) as endpoint, receiving() as receiver:
        yield deployed(endpoint, tmp_path_factory.mktemp("enforced"), receiver)


@pytest.fixture(scope="module")
def works(stage: Stage) -> Works:
    """Work for the stage's functions, which nothing but the tests sets off any more."""
    functions, schedules = stage.client("lambda"), stage.client("scheduler")
    for one in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=one["UUID"], Enabled=False)
    for one in schedules.list_schedules()["Schedules"]:
        schedules.delete_schedule(Name=one["Name"])
    return Works(stage)


def test_all_of_it_works_together(stage: Stage) -> None:
    """A webhook arrives and a batch is closed, though no role has what the emulator asks none for.

    So nothing is called not enforced that is.
    """
    with ExitStack() as dropped:
        for role, granted in stage.granted.items():
            dropped.enter_context(stage.without(role, not_enforced(granted)))
        url = f"http://127.0.0.1:{stage.receiver.port}/hooks"
        hooks = {"url": url, "events": ["payment_captured"]}
        secret = stage.call("POST", "webhooks/endpoints", hooks)["secret"]
        payment = stage.call("POST", "payments/authorize", AUTHORIZE)
        stage.call("POST", "payments/capture", {"auth_id": payment["auth_id"]})
        assert stage.receiver.received.get(timeout=ARRIVAL_S).fits(secret)
        asyncio.run(a_day_passes(stage.client("dynamodb"), STAGE, MERCHANT))

        assert settled(stage) == "SUCCEEDED"
        assert [one["state"] for one in stage.call("GET", "settlements")["data"]] == ["closed"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_s_grants_are_enough_and_none_is_too_much(
    function: str, stage: Stage, works: Works
) -> None:
    """It does its work; without any one of its grants that are enforced it does not."""
    granted = stage.granted[role_of(function)]
    enforced = [one for one in granted if one.action not in NOT_ENFORCED]

    assert enforced
    assert unnoticed(function, enforced, stage, works) == []


def test_a_grant_too_much_is_found(stage: Stage, works: Works) -> None:
    """One that no work takes, a planted fault, can be dropped without notice."""
    table = next(
        one.resource for one in stage.granted["RelayRole"] if one.resource.endswith("-dev")
    )
    planted = Grant("dynamodb:DeleteItem", table)

    assert unnoticed("relay", [planted], stage, works) == [planted]


@pytest.mark.parametrize("role", ACTS)
def test_what_runs_by_the_clock_may_start_its_target(role: str, stage: Stage) -> None:
    """State machine and schedules, which the emulator runs without their roles, by their roles."""
    (needed,) = (one for one in stage.granted[role] if one.action not in NOT_ENFORCED)
    act = ACTS[role]

    act(stage)
    with stage.without(role, {needed}), pytest.raises(ClientError, match="AccessDenied"):
        act(stage)


def test_each_exception_is_granted(stage: Stage) -> None:
    """Nothing is listed as not enforced that no role has."""
    granted = {one.action for grants in stage.granted.values() for one in grants}

    assert set(NOT_ENFORCED) - granted == set()


def unnoticed(function: str, grants: Iterable[Grant], stage: Stage, works: Works) -> list[Grant]:
    """Return those without which a function does its work; raise Failed if it does not with all."""
    idle: list[Grant] = []
    for one in grants:
        work = works.prepare[function]()
        with stage.without(role_of(function), {one}):
            if one.action == READ_PARAMETER:
                stage.forget(function)
            if succeeds(work):
                idle.append(one)
        works.prepare[function]()()
    return idle


def succeeds(work: Work) -> bool:
    """Tell whether the work is done."""
    try:
        work()
    except Failed:
        return False
    return True


def role_of(function: str) -> str:
    """Return what a function's role is called in the stack."""
    return f"{function.title()}Role"


def not_enforced(granted: Iterable[Grant]) -> list[Grant]:
    """Return those that the emulator asks no role for."""
    return [one for one in granted if one.action in NOT_ENFORCED]


def settled(stage: Stage) -> str:
    """Run the state machine; return how it ended."""
    states = stage.client("stepfunctions")
    run = states.start_execution(stateMachineArn=stage.machine)["executionArn"]
    deadline = time.monotonic() + SETTLED_S
    while (status := states.describe_execution(executionArn=run)["status"]) == "RUNNING":
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)
    return status
