"""The Lambda function `payments_sandbox.entrypoints.aws_sweep.handler`."""

from payments_sandbox.entrypoints.function_parts import logged, parts_from_environment
from payments_sandbox.entrypoints.sweep_function import Sweep

handler = logged(Sweep(parts_from_environment()).handle)
