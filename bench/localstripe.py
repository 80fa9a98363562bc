"""The peer of `flow`: localstripe, installed into an environment of its own and started."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import uvloop

from bench.client import Connection, Script, connect
from bench.rounds import Plan
from bench.servers import Server, SkippedError, free_port, running

VERSION = "1.15.10"
ENVIRONMENT = Path(__file__).resolve().parent / ".venv-localstripe"
INSTALL_TIMEOUT_S = 300.0

# Its own entry point listens on every address, logs each request and keeps its store at a fixed
# path, where a developer may have one. So: loopback, no log, a store in our folder, all else as is.
LAUNCHER = """
import builtins, sys
from aiohttp import web
from localstripe import resources, server
resources.open = lambda path, mode: builtins.open(sys.argv[2], mode)
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


@contextmanager
def localstripe(plan: Plan) -> Generator[Server, None, None]:
    """Run localstripe on an empty store; raises SkippedError when it cannot be installed."""
    python = _installed()
    port = free_port()
    command = [str(python), "-c", LAUNCHER, str(port), str(plan.folder / "localstripe.pickle")]
    with running(command, port=port, path="/js.stripe.com/v3/") as server:
        yield server


def flow_of(server: Server) -> Script:
    """Script of the same flow in its words, on one payment method made now."""
    method = uvloop.run(_payment_method(server.port))

    async def script(connection: Connection) -> None:
        intent = await _create(
            connection,
            "/v1/payment_intents",
            amount="1000",
            currency="usd",
            payment_method=method,
            capture_method="manual",
            confirm="true",
        )
        await _create(connection, f"/v1/payment_intents/{intent}/capture")
        await _create(connection, "/v1/refunds", payment_intent=intent)

    return script


async def _payment_method(port: int) -> str:
    connection = await connect(port)
    card = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2035", "cvc": "123"}
    fields = {f"card[{name}]": value for name, value in card.items()}
    method = await _create(connection, "/v1/payment_methods", type="card", **fields)
    connection.close()
    return method


async def _create(connection: Connection, path: str, **fields: str) -> str:
    body = urlencode(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer sk_test_local\r\n"
        "content-type: application/x-www-form-urlencoded\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode()
    created: dict[str, str] = json.loads(await connection.ask(head + body, expect=200))
    return created["id"]


def _installed() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    if (ENVIRONMENT / f"has-{VERSION}").exists():
        return python
    install = [str(python), "-m", "pip", "install", "--quiet", f"localstripe=={VERSION}"]
    try:
        for command in ([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], install):
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S
            )
    except subprocess.CalledProcessError as error:
        raise SkippedError(f"localstripe could not be installed: {error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise SkippedError(f"localstripe could not be installed: {error}") from error
    (ENVIRONMENT / f"has-{VERSION}").touch()
    return python
