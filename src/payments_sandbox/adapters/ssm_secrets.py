"""The two roots of a stage as SSM SecureStrings, in the only place where they are whole.

`identity` is never rotated: card ids and spent keys are made under it. `webhook` has several
roots, of which one is current; an old one lives on for the endpoints that name it.
"""

import json
import logging
import re
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.clock import wait_up_to
from payments_sandbox.adapters.secrets import ROOT_BYTES, IdentityRoot, SecretsUnusable
from payments_sandbox.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

CACHE_S: Final = 300.0
WEBHOOK_ROOTS_MAX: Final = 40
"""What fits into a standard parameter's 4 KB, with some room."""
ROTATION_TRIES_MAX: Final = 16
ROTATION_PAUSE_S: Final = 1.0
STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,19}")
STAGE_NAME_RULE: Final = "a stage's name is 1 to 20 of a-z, 0-9 and '-', and begins with a letter"
_log = logging.getLogger(__name__)


class ParameterNames(NamedTuple):
    """Where a stage's roots are."""

    identity: str
    webhook: str


def parameter_names(stage: str) -> ParameterNames:
    """Return the names of the stage's parameters."""
    return ParameterNames(
        f"/payments-sandbox/{stage}/identity-root", f"/payments-sandbox/{stage}/webhook-roots"
    )


def ssm_client(endpoint: str | None = None, region: str | None = None) -> "SSMClient":
    """Return a client; None leaves a choice to the environment."""
    client: SSMClient = new_client("ssm", endpoint, region)
    return client


class SsmSecrets:
    """Keyed hashes under the stage's identity root, read when first needed and each 5 minutes."""

    def __init__(self, client: "SSMClient", stage: str, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._name = parameter_names(stage).identity
        self._monotonic = monotonic
        self._known: IdentityRoot | None = None
        self._known_until = 0.0

    def identity(self, purpose: str, *parts: str) -> bytes:
        """Return 32 bytes that only the holder of the root can derive; raise LedgerUnavailable."""
        try:
            return self.current().identity(purpose, *parts)
        except SecretsUnusable as error:
            _log.error("%s", error)
            raise LedgerUnavailable from error

    def current(self) -> IdentityRoot:
        """Return the root's hashes; raise LedgerUnavailable while it cannot be read."""
        if self._known is None or self._monotonic() >= self._known_until:
            self._known = self._read()
            self._known_until = self._monotonic() + CACHE_S
        return self._known

    def forget(self) -> None:
        """Read the root again when it is next needed, over a new connection."""
        self._known = None
        self._client.close()

    def _read(self) -> IdentityRoot:
        try:
            return IdentityRoot(_root(_there(self._client, self._name).value, self._name))
        except (ClientError, BotoCoreError) as error:
            _log.warning("the parameter %s cannot be read: %s", self._name, type(error).__name__)
            raise LedgerUnavailable from error


def init_roots(client: "SSMClient", stage: str) -> dict[str, bool]:
    """Make what is missing of the stage's roots; return each name and whether it is new.

    Raise SecretsUnusable if what is there is not what it should be.
    """
    names = parameter_names(stage)
    first = {"current": "k1", "roots": {"k1": _new_root()}}
    made = {
        names.identity: _create(client, names.identity, {"root": _new_root()}),
        names.webhook: _create(client, names.webhook, first),
    }
    _root(_there(client, names.identity).value, names.identity)
    _webhook_roots(_there(client, names.webhook).value, names.webhook)
    return made


def rotate_webhook_root(client: "SSMClient", stage: str) -> str:
    """Add a webhook root and make it current; return its id; raise SecretsUnusable.

    SSM writes without conditions but counts versions: who finds that it wrote over others' roots
    brings them back, so rotations at the same time all last.
    """
    name = parameter_names(stage).webhook
    root_id = f"k{secrets.token_hex(4)}"
    roots = {root_id: _new_root()}
    for _ in range(ROTATION_TRIES_MAX):
        there = _there(client, name)
        roots = _webhook_roots(there.value, name) | roots
        if len(roots) > WEBHOOK_ROOTS_MAX:
            raise SecretsUnusable(f"{name} holds {len(roots) - 1} roots, which is all it can")
        value = json.dumps({"current": root_id, "roots": roots})
        answer = client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        overwritten = range(there.version + 1, answer["Version"])
        if not overwritten:
            return root_id
        for version in overwritten:
            roots |= _webhook_roots(_there(client, f"{name}:{version}").value, name)
        wait_up_to(ROTATION_PAUSE_S)
    raise SecretsUnusable(f"others rotate {name} all the time; try again")


class _Parameter(NamedTuple):
    """A parameter's value and how often it was written."""

    value: str
    version: int


def _create(client: "SSMClient", name: str, value: object) -> bool:
    try:
        client.put_parameter(
            Name=name,
            Value=json.dumps(value),
            Type="SecureString",
            Description="Payments Sandbox; made by `payments-sandbox secrets init`",
            Overwrite=False,
        )
    except client.exceptions.ParameterAlreadyExists:
        return False
    return True


def _there(client: "SSMClient", name: str) -> _Parameter:
    """Return the parameter; raise SecretsUnusable if it is missing or in the clear."""
    try:
        parameter = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    except client.exceptions.ParameterNotFound:
        stage = name.split("/")[2]
        raise SecretsUnusable(
            f"{name} is missing: run `payments-sandbox secrets init --stage {stage}`"
        ) from None
    if parameter.get("Type") != "SecureString":
        raise SecretsUnusable(f"{name} is not a SecureString: delete it and init again")
    return _Parameter(parameter.get("Value", ""), parameter.get("Version", 0))


def _webhook_roots(value: str, name: str) -> dict[str, str]:
    try:
        return dict(json.loads(value)["roots"])
    except (ValueError, KeyError, TypeError):
        raise SecretsUnusable(f"{name} does not hold webhook roots") from None


def _root(value: str, name: str) -> bytes:
    try:
        root = bytes.fromhex(json.loads(value)["root"])
    except (ValueError, KeyError, TypeError):
        raise SecretsUnusable(f"{name} does not hold an identity root") from None
    if len(root) != ROOT_BYTES:
        raise SecretsUnusable(f"{name} does not hold an identity root")
    return root


def _new_root() -> str:
    return secrets.token_bytes(ROOT_BYTES).hex()
