"""The Lambda function `payments_sandbox.entrypoints.aws_settle.handler`."""

from payments_sandbox.entrypoints.function_parts import logged, parts_from_environment
from payments_sandbox.entrypoints.settle_function import Settle

handler = logged(Settle(parts_from_environment()).handle)
