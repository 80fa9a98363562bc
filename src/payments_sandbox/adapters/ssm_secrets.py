"""The two roots of a stage as SSM SecureStrings, in the only place where they are whole.

`identity` is never rotated: card ids and spent keys are made under it. `webhook` has several
roots, of which one is current; an old one lives on for the endpoints that name it.
"""

import json
import logging
import re
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from payments_sandbox.adapters.aws_clients import new_client
from payments_sandbox.adapters.clock import wait_up_to
from payments_sandbox.adapters.secrets import (
    ROOT_BYTES,
    IdentityRoot,
    SecretsUnusable,
    WebhookRoots,
)
from payments_sandbox.domain.errors import LedgerUnavailable

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

CACHE_S: Final = 300.0
UNKNOWN_S: Final = 5.0
"""How old roots may be when one is asked for that is not among them."""
WEBHOOK_ROOTS_MAX: Final = 40
"""What fits into a standard parameter's 4 KB, with some room."""
ROTATION_TRIES_MAX: Final = 16
ROTATION_PAUSE_S: Final = 1.0
STAGE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,19}(?<!-docs)(?<!-cost-guard)")
"""Another stage's stacks end in what is left out."""
STAGE_NAME_RULE: Final = (
    "a stage's name is 1 to 20 of a-z, 0-9 and '-', begins with a letter,"
    " and does not end in -docs or -cost-guard"
)
Meaning = TypeVar("Meaning")
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
    """Keyed hashes under the stage's roots, each read when first needed and each 5 minutes."""

    def __init__(self, client: "SSMClient", stage: str, monotonic: Callable[[], float]) -> None:
        self._client = client
        names = parameter_names(stage)
        self._identity = _Cached(client, names.identity, _identity_root, monotonic)
        self._webhook = _Cached(client, names.webhook, _webhook_roots, monotonic)

    def identity(self, purpose: str, *parts: str) -> bytes:
        """Return 32 bytes that only the holder of the root can derive; raise LedgerUnavailable."""
        with _usable():
            return self.current().identity(purpose, *parts)

    def current(self) -> IdentityRoot:
        """Return the root's hashes; raise LedgerUnavailable while it cannot be read."""
        return self._identity.value()

    def webhook_root_id(self) -> str:
        """Return the id of the root that is current; raise LedgerUnavailable."""
        with _usable():
            return self._webhook.value().current

    def webhook(self, root_id: str, endpoint_id: str, version: int) -> bytes:
        """Return what an endpoint's requests are signed with; raise LedgerUnavailable.

        A root that is not known may be new: then all are read again, if that was not just done.
        """
        for age_max_s in (CACHE_S, UNKNOWN_S):
            with _usable(), suppress(KeyError):
                return self._webhook.value(age_max_s).secret(root_id, endpoint_id, version)
        _log.error("there is no webhook root %s in %s", root_id, self._webhook.name)
        raise LedgerUnavailable

    def forget(self) -> None:
        """Read the roots again when they are next needed, over a new connection."""
        self._identity.forget()
        self._webhook.forget()
        self._client.close()


class _Cached(Generic[Meaning]):
    """What a parameter means, read when it is needed and not younger than it may be."""

    def __init__(
        self,
        client: "SSMClient",
        name: str,
        meaning: Callable[[str, str], Meaning],
        monotonic: Callable[[], float],
    ) -> None:
        self.name = name
        self._client = client
        self._meaning = meaning
        self._monotonic = monotonic
        self._known: Meaning | None = None
        self._read_at = 0.0

    def value(self, age_max_s: float = CACHE_S) -> Meaning:
        """Return it; raise SecretsUnusable, or LedgerUnavailable while it cannot be read."""
        if self._known is None or self._monotonic() >= self._read_at + age_max_s:
            self._known = self._meaning(self._read(), self.name)
            self._read_at = self._monotonic()
        return self._known

    def forget(self) -> None:
        """Read it again when it is next needed."""
        self._known = None

    def _read(self) -> str:
        try:
            return _there(self._client, self.name).value
        except (ClientError, BotoCoreError) as error:
            _log.warning("the parameter %s cannot be read: %s", self.name, type(error).__name__)
            raise LedgerUnavailable from error


@contextmanager
def _usable() -> Generator[None]:
    """Turn roots that are none into LedgerUnavailable, and tell the log."""
    try:
        yield
    except SecretsUnusable as error:
        _log.error("%s", error)
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
    _identity_root(_there(client, names.identity).value, names.identity)
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
        roots = _texts(there.value, name) | roots
        if len(roots) > WEBHOOK_ROOTS_MAX:
            raise SecretsUnusable(f"{name} holds {len(roots) - 1} roots, which is all it can")
        value = json.dumps({"current": root_id, "roots": roots})
        answer = client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        overwritten = range(there.version + 1, answer["Version"])
        if not overwritten:
            return root_id
        for version in overwritten:
            roots |= _texts(_there(client, f"{name}:{version}").value, name)
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


def _texts(value: str, name: str) -> dict[str, str]:
    """Return webhook roots as they are written."""
    try:
        return dict(json.loads(value)["roots"])
    except (ValueError, KeyError, TypeError):
        raise SecretsUnusable(f"{name} does not hold webhook roots") from None


def _webhook_roots(value: str, name: str) -> WebhookRoots:
    try:
        roots = {root_id: _root(text) for root_id, text in _texts(value, name).items()}
        current = json.loads(value)["current"]
        roots[current]
    except (ValueError, KeyError, TypeError):
        raise SecretsUnusable(f"{name} does not hold webhook roots") from None
    return WebhookRoots(current, roots)


def _identity_root(value: str, name: str) -> IdentityRoot:
    try:
        return IdentityRoot(_root(json.loads(value)["root"]))
    except (ValueError, KeyError, TypeError):
        raise SecretsUnusable(f"{name} does not hold an identity root") from None


def _root(text: str) -> bytes:
    root = bytes.fromhex(text)
    if len(root) != ROOT_BYTES:
        raise ValueError("a root has 32 bytes")
    return root


def _new_root() -> str:
    return secrets.token_bytes(ROOT_BYTES).hex()
