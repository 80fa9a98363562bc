"""Settlement in AWS: the state machine over its function, started each hour."""

import json
from pathlib import Path
from typing import Any

from infra.deliveries import ROLE, MakeFunction
from payments_sandbox.adapters.aws_clients import new_client

_DEFINITION = Path(__file__).with_name("settlement.asl.json")


def definition(function: str) -> dict[str, Any]:
    """Return the state machine's definition with the function's ARN in it."""
    return json.loads(_DEFINITION.read_text().replace("${SettleFunction}", function))


def settle_hourly(stage: str, make_function: MakeFunction) -> str:
    """Make function, state machine and schedule; return the machine's ARN."""
    function = make_function("settle", "aws_settle")
    machine = new_client("stepfunctions").create_state_machine(
        name=f"payments-sandbox-{stage}-settlement",
        definition=json.dumps(definition(function)),
        roleArn=ROLE,
    )["stateMachineArn"]
    # Cut-offs and expiries are at any time: by the hour none is done much later than it is due.
    new_client("scheduler").create_schedule(
        Name=f"payments-sandbox-{stage}-settlement",
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": machine, "RoleArn": ROLE, "Input": "{}"},
    )
    return machine
