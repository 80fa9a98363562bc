"""The Lambda function `payments_sandbox.entrypoints.aws_deliver.handler`."""

import os

from payments_sandbox.entrypoints.cloud_policy import policy_from
from payments_sandbox.entrypoints.deliver_function import Deliver
from payments_sandbox.entrypoints.function_parts import logged, parts_from_environment

handler = logged(Deliver(parts_from_environment(), policy_from(os.environ)).handle)
