"""The Lambda function `payments_sandbox.entrypoints.aws_relay.handler`."""

from payments_sandbox.entrypoints.function_parts import logged, parts_from_environment
from payments_sandbox.entrypoints.relay_function import Relay

handler = logged(Relay(parts_from_environment()).handle)
