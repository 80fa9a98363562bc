"""The Lambda function `payments_sandbox.entrypoints.aws_api.handler`.

Told by the environment, as `function_parts` has it.
"""

# ruff: noqa: E402 - the first thing to do is to have the collector rest
import gc

gc.disable()  # what is imported stays: to look through it again and again is a third of the start

import os
from importlib.util import find_spec
from time import monotonic

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.adapters.sns import SnsCourier
from payments_sandbox.adapters.ssm_secrets import SsmSecrets, ssm_client
from payments_sandbox.entrypoints.api_function import ApiFunction
from payments_sandbox.entrypoints.cloud_policy import policy_from

_stage = os.environ["STAGE"]
_secrets = SsmSecrets(ssm_client(), _stage, monotonic)
_topic = os.environ.get("DELIVERIES_TOPIC")
_function = ApiFunction(
    Table(dynamodb_client(), os.environ["LEDGER_TABLE"]),
    _secrets,
    SystemClock(),
    RandomIds(),
    courier=SnsCourier(_topic) if _topic else None,
    policy=policy_from(os.environ),
    stage=_stage,
)
handler = _function.handle

if find_spec("snapshot_restore_py") is not None:  # part of Lambda's runtime from Python 3.12 on
    from snapshot_restore_py import (  # pyright: ignore[reportMissingTypeStubs]
        register_after_restore,
        register_before_snapshot,
    )

    register_before_snapshot(_function.prime)
    register_after_restore(_function.refresh)
    register_after_restore(_secrets.forget)

gc.freeze()
gc.enable()
