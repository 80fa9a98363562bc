"""A stage at the emulator: its table and its secrets, as `aws_api` finds them."""

import asyncio
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import NamedTuple

from payments_sandbox.adapters.ssm_secrets import init_roots
from tests.aws.function_rig import let_in
from tests.aws.process import aws_environment
from tests.contract.homes import new_table
from tests.emulator import client


class Stage(NamedTuple):
    """A stage, and the environment its function is told of."""

    name: str
    table: str
    environment: dict[str, str]


@contextmanager
def stage_at(endpoint: str) -> Generator[Stage]:
    """Make a table that lets the local key in, and the secrets of a stage named as the table."""
    with new_table(endpoint) as table, closing(client("ssm", endpoint)) as ssm:
        asyncio.run(let_in(table))
        asyncio.run(table.close())
        name = table.name.lower()
        init_roots(ssm, name)
        environment = aws_environment(endpoint, LEDGER_TABLE=table.name, STAGE=name)
        yield Stage(name, table.name, environment)
