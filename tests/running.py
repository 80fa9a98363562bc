"""A real sandbox process on a free loopback port, for the tests that need one."""

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from infra.emulator import free_port

PROGRAM = Path(sys.executable).with_name("payments-sandbox")
API_KEY = "sk_test_local"
START_DEADLINE_S = 20.0
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"}
AUTHORIZE = {"card": CARD, "amount": 1000, "currency": "USD"}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A sandbox that answers."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    log: Path

    def call(  # noqa: PLR0913 - a request has this many parts
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        api_key: str = API_KEY,
        timeout_s: float = 10.0,
    ) -> Answer:
        """Make one call on a connection of its own; `key` is the idempotency key."""
        headers = {"x-api-key": api_key}
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = json.dumps(body)
        if key is not None:
            headers["x-idempotency-key"] = key
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def authorize(self, key: str, **changes: object) -> Answer:
        """Authorize a test card."""
        return self.call("POST", "/payments/authorize", AUTHORIZE | changes, key=key)


@contextmanager
def running(
    data: Path,
    *,
    port: int | None = None,
    wrapper: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Generator[Running]:
    """Serve the ledger at `data` until the block ends; `wrapper` goes before the program."""
    port = port or free_port()
    log = data.with_name(f"{data.name}.{port}.log")
    command = [
        *wrapper, str(PROGRAM), "serve", "--port", str(port), "--data", str(data),
        "--rate-limit", "off", *options,
    ]  # fmt: skip
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)
    sandbox = Running(process, port, data, log)
    try:
        _await_health(sandbox)
        yield sandbox
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=20)


def _await_health(sandbox: Running) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        if sandbox.process.poll() is not None:
            break
        try:
            if sandbox.call("GET", "/health", timeout_s=2.0).status == 200:
                return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"the sandbox did not start:\n{sandbox.log.read_text()}")
