"""The Lambda function `payments_sandbox.entrypoints.aws_api.handler`.

Told by the environment: `LEDGER_TABLE` is the table's name, `STAGE` whose secrets in SSM to use.
"""

import os
from importlib.util import find_spec
from time import monotonic

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.adapters.dynamodb_table import Table, dynamodb_client
from payments_sandbox.adapters.ssm_secrets import SsmSecrets, ssm_client
from payments_sandbox.entrypoints.api_function import ApiFunction

_secrets = SsmSecrets(ssm_client(), os.environ["STAGE"], monotonic)
_function = ApiFunction(
    Table(dynamodb_client(), os.environ["LEDGER_TABLE"]), _secrets, SystemClock(), RandomIds()
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
