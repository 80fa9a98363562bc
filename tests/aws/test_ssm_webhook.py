"""The webhook roots of a stage in use: read seldom, followed when they rotate, never told."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from payments_sandbox.adapters.secrets import ROOT_BYTES, WebhookRoots
from payments_sandbox.adapters.ssm_secrets import (
    SsmSecrets,
    init_roots,
    parameter_names,
    rotate_webhook_root,
)
from payments_sandbox.domain.errors import LedgerUnavailable
from tests.emulator import client

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

pytestmark = pytest.mark.aws

FIVE_MINUTES_S, FIVE_SECONDS_S = 300.0, 5.0
ROOT = "ab" * ROOT_BYTES
NO_ROOTS = [
    "{",
    "[]",
    "null",
    "{}",
    '{"current": "k1"}',
    '{"current": "k1", "roots": {}}',
    '{"current": "k1", "roots": "k1"}',
    '{"current": "k1", "roots": {"k1": 1}}',
    '{"current": "k1", "roots": {"k1": "zz"}}',
    '{"current": "k1", "roots": {"k1": "abcd"}}',
    json.dumps({"roots": {"k1": ROOT}}),
    json.dumps({"current": "k2", "roots": {"k1": ROOT}}),
    json.dumps({"current": ["k1"], "roots": {"k1": ROOT}}),
    json.dumps({"current": "k1", "roots": {"k1": ROOT, "k2": "abcd"}}),
]
_NUMBERS = count()


@dataclass
class Stage:
    """One stage's roots as a server sees them: time in the test's hand, and each call counted."""

    ssm: "SSMClient"
    name: str
    now_s: float = 1000.0
    reads: list[str] = field(default_factory=list[str])

    def secrets(self) -> SsmSecrets:
        """Return the stage's secrets as a process has them at its start."""
        return SsmSecrets(self.ssm, self.name, lambda: self.now_s)

    def put(self, value: object) -> None:
        """Write the webhook roots, whatever is there."""
        text = value if isinstance(value, str) else json.dumps(value)
        name = parameter_names(self.name).webhook
        self.ssm.put_parameter(Name=name, Value=text, Type="SecureString", Overwrite=True)

    def delete(self) -> None:
        """Delete the webhook roots."""
        self.ssm.delete_parameter(Name=parameter_names(self.name).webhook)


@pytest.fixture(scope="module")
def ssm(emulator: str) -> "Generator[SSMClient]":
    """Return a client that reports what went wrong instead of trying again."""
    with closing(client("ssm", emulator, retries={"total_max_attempts": 1})) as ssm:
        yield ssm


@pytest.fixture
def stage(ssm: "SSMClient") -> Stage:
    """Return a stage that has its roots."""
    stage = Stage(ssm, f"webhook-{next(_NUMBERS)}")
    init_roots(ssm, stage.name)

    def note(params: dict[str, Any], **_: object) -> None:
        if params["Name"].split("/")[2] == stage.name:
            stage.reads.append(params["Name"])

    ssm.meta.events.register("provide-client-params.ssm.GetParameter", note)
    return stage


def test_the_same_secrets_as_from_a_file(stage: Stage) -> None:
    """Where roots are kept makes no difference to what is derived from them."""
    roots = {"k1": bytes(range(ROOT_BYTES)), "k2": bytes(ROOT_BYTES)}
    stage.put({"current": "k2", "roots": {name: one.hex() for name, one in roots.items()}})
    here, there = WebhookRoots("k2", roots), stage.secrets()

    assert there.webhook_root_id() == "k2"
    for root_id in roots:
        for which in (("ep_a", 1), ("ep_a", 2), ("ep_b", 1)):
            assert here.secret(root_id, *which) == there.webhook(root_id, *which)


def test_a_stages_first_root(stage: Stage) -> None:
    """What `init` makes serves at once, and differs from stage to stage."""
    secrets = stage.secrets()
    other = Stage(stage.ssm, f"{stage.name}-2")
    init_roots(other.ssm, other.name)

    first = secrets.webhook(secrets.webhook_root_id(), "ep_a", 1)

    assert len(first) == 32
    assert first != other.secrets().webhook("k1", "ep_a", 1)
    assert first != secrets.identity("webhook", "ep_a", "1")


def test_the_roots_are_read_when_needed(stage: Stage) -> None:
    """Nothing is read before the first use, once then, and again only after five minutes."""
    secrets = stage.secrets()
    del stage.reads[:]
    secrets.identity("card", "a")
    assert [parameter_names(stage.name).identity] == stage.reads
    del stage.reads[:]
    for passed_s in (0.0, 1.0, FIVE_MINUTES_S - 1.001):
        stage.now_s += passed_s
        secrets.webhook("k1", "ep_a", 1)
        secrets.webhook_root_id()
    assert [parameter_names(stage.name).webhook] == stage.reads
    stage.now_s += 0.001

    secrets.webhook("k1", "ep_a", 1)

    assert [parameter_names(stage.name).webhook] * 2 == stage.reads


def test_a_rotation(stage: Stage) -> None:
    """A new root is current within five minutes; what the old one derives stays the same."""
    secrets = stage.secrets()
    first = secrets.webhook("k1", "ep_a", 1)
    root_id = rotate_webhook_root(stage.ssm, stage.name)
    assert secrets.webhook_root_id() == "k1"
    stage.now_s += FIVE_MINUTES_S

    assert root_id == secrets.webhook_root_id()
    assert first == secrets.webhook("k1", "ep_a", 1)
    assert first != secrets.webhook(root_id, "ep_a", 1)


def test_a_root_that_others_know_already(stage: Stage) -> None:
    """An endpoint made under a root that is newer than what was read is served at once."""
    secrets = stage.secrets()
    secrets.webhook("k1", "ep_a", 1)
    root_id = rotate_webhook_root(stage.ssm, stage.name)
    expected = stage.secrets().webhook(root_id, "ep_a", 1)
    stage.now_s += FIVE_SECONDS_S

    assert expected == secrets.webhook(root_id, "ep_a", 1)
    assert root_id == secrets.webhook_root_id()


def test_a_root_that_nobody_knows(stage: Stage) -> None:
    """It is refused each time, but asked for every five seconds at most; known ones serve."""
    secrets = stage.secrets()
    secrets.webhook("k1", "ep_a", 1)
    stage.now_s += FIVE_MINUTES_S / 2
    del stage.reads[:]
    expected = [1, 1, 1, 2, 2]
    found: list[int] = []
    for passed_s in (0.0, 1.0, FIVE_SECONDS_S - 1.001, 0.001, 1.0):
        stage.now_s += passed_s
        with pytest.raises(LedgerUnavailable):
            secrets.webhook("k9", "ep_a", 1)
        secrets.webhook("k1", "ep_a", 1)
        found.append(len(stage.reads))

    assert expected == found


def test_a_root_that_nobody_knows_at_first(stage: Stage) -> None:
    """Who has just read the roots does not read them again for one that is not there."""
    secrets = stage.secrets()
    del stage.reads[:]

    with pytest.raises(LedgerUnavailable):
        secrets.webhook("k9", "ep_a", 1)

    assert len(stage.reads) == 1


def test_the_log_of_an_unknown_root(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which root is missing where, and nothing of those that are there."""
    stage.put({"current": "k1", "roots": {"k1": ROOT}})
    with pytest.raises(LedgerUnavailable):
        stage.secrets().webhook("k9", "ep_a", 1)

    assert f"there is no webhook root k9 in {parameter_names(stage.name).webhook}" in caplog.text
    assert ROOT not in caplog.text


def test_forgetting(stage: Stage) -> None:
    """What was forgotten is read again at the next use, not before."""
    secrets = stage.secrets()
    secrets.webhook_root_id()
    stage.put({"current": "k7", "roots": {"k7": ROOT}})
    assert secrets.webhook_root_id() == "k1"
    del stage.reads[:]
    secrets.forget()
    assert stage.reads == []

    assert secrets.webhook_root_id() == "k7"


def of_creating(secrets: SsmSecrets) -> object:
    """Use the roots as the making of an endpoint does."""
    return secrets.webhook_root_id()


def of_signing(secrets: SsmSecrets) -> object:
    """Use the roots as the sender does."""
    return secrets.webhook("k1", "ep_a", 1)


USES = pytest.mark.parametrize("use", [of_creating, of_signing])


@USES
def test_roots_that_come_back(stage: Stage, use: Callable[[SsmSecrets], object]) -> None:
    """While they are missing each use is refused; identities are not; later all is well."""
    secrets = stage.secrets()
    stage.delete()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            use(secrets)
    secrets.identity("card", "a")
    stage.put({"current": "k1", "roots": {"k1": ROOT}})

    assert use(secrets)


@USES
@pytest.mark.parametrize("value", NO_ROOTS)
def test_roots_that_are_none(
    stage: Stage,
    value: str,
    use: Callable[[SsmSecrets], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each use is refused and the log says why; the value is not repeated."""
    stage.put(value)
    with pytest.raises(LedgerUnavailable):
        use(stage.secrets())

    name = parameter_names(stage.name).webhook
    assert f"{name} does not hold webhook roots" in caplog.text
    assert value not in caplog.text
    assert ROOT not in caplog.text


@USES
@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalError"])
def test_roots_that_may_not_be_read(
    emulator: str,
    stage: Stage,
    code: str,
    use: Callable[[SsmSecrets], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They make the ledger unavailable, and the log says which parameter."""
    ssm = client("ssm", emulator, retries={"total_max_attempts": 1})
    with closing(ssm), Stubber(ssm) as stubber:
        stubber.add_client_error("get_parameter", code)
        with pytest.raises(LedgerUnavailable):
            use(SsmSecrets(ssm, stage.name, lambda: 0.0))

    assert f"the parameter {parameter_names(stage.name).webhook} cannot be read" in caplog.text


@USES
def test_roots_in_the_clear(stage: Stage, use: Callable[[SsmSecrets], object]) -> None:
    """Roots that are not encrypted are not used."""
    stage.delete()
    value = json.dumps({"current": "k1", "roots": {"k1": ROOT}})
    stage.ssm.put_parameter(Name=parameter_names(stage.name).webhook, Value=value, Type="String")

    with pytest.raises(LedgerUnavailable):
        use(stage.secrets())
