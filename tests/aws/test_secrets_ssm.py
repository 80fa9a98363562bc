"""A stage's roots in SSM: made once, added to, read seldom, and never told."""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from payments_sandbox.adapters.secrets import ROOT_BYTES, IdentityRoot, SecretsUnusable
from payments_sandbox.adapters.ssm_secrets import (
    WEBHOOK_ROOTS_MAX,
    SsmSecrets,
    init_roots,
    parameter_names,
    rotate_webhook_root,
)
from payments_sandbox.domain.errors import LedgerUnavailable
from tests.aws.peer import race
from tests.emulator import client

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

pytestmark = pytest.mark.aws

RACERS = 10
FIVE_MINUTES_S = 300.0
NO_ROOTS = ["{", "[]", "null", "{}", '{"root": 1}', '{"root": "zz"}', '{"root": "abcd"}']
NO_WEBHOOK_ROOTS = ["{", "[]", "null", "{}", '{"roots": 1}', '{"roots": "k1"}']
_NUMBERS = count()


@dataclass
class Root:
    """One stage's root as a server sees it: time in the test's hand, and each call counted."""

    ssm: "SSMClient"
    stage: str
    now_s: float = 1000.0
    reads: list[str] = field(default_factory=list[str])

    def secrets(self) -> SsmSecrets:
        """Return the stage's hashes as a process has them at its start."""
        return SsmSecrets(self.ssm, self.stage, lambda: self.now_s)

    def put(self, value: str) -> None:
        """Write the identity root, whatever is there."""
        name = parameter_names(self.stage).identity
        self.ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


@pytest.fixture(scope="module")
def ssm(emulator: str) -> "Generator[SSMClient]":
    """Return a client that reports what went wrong instead of trying again."""
    retries = {"total_max_attempts": 1}
    with closing(client("ssm", emulator, max_pool_connections=RACERS, retries=retries)) as ssm:
        yield ssm


@pytest.fixture
def stage() -> str:
    """Return the name of a stage that no other test knows."""
    return f"secrets-{next(_NUMBERS)}"


@pytest.fixture
def root(ssm: "SSMClient", stage: str) -> Root:
    """Return a stage that has its roots."""
    init_roots(ssm, stage)
    root = Root(ssm, stage)

    def note(params: dict[str, Any], **_: object) -> None:
        root.reads.append(params["Name"])

    ssm.meta.events.register("provide-client-params.ssm.GetParameter", note)
    return root


def stored(ssm: "SSMClient", stage: str) -> tuple[Any, Any]:
    """Return what the identity parameter and the webhook parameter hold."""
    values = [
        ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"].get("Value", "")
        for name in parameter_names(stage)
    ]
    return json.loads(values[0]), json.loads(values[1])


def test_the_first_init(ssm: "SSMClient", stage: str) -> None:
    """It makes two SecureStrings, each with 32 bytes of chance of its own."""
    names = parameter_names(stage)
    made = init_roots(ssm, stage)
    found = [ssm.get_parameter(Name=name)["Parameter"].get("Type") for name in names]
    identity, webhook = stored(ssm, stage)

    assert dict.fromkeys(names, True) == made
    assert found == ["SecureString", "SecureString"]
    assert ([*identity], webhook["current"], [*webhook["roots"]]) == (["root"], "k1", ["k1"])
    roots = {bytes.fromhex(one) for one in (identity["root"], webhook["roots"]["k1"])}
    assert [len(one) for one in roots] == [ROOT_BYTES] * 2
    assert all(len(set(one)) > ROOT_BYTES // 2 for one in roots)


def test_a_second_init(ssm: "SSMClient", stage: str) -> None:
    """It changes nothing and says so; what alone is missing it makes."""
    init_roots(ssm, stage)
    before = stored(ssm, stage)
    again = init_roots(ssm, stage)
    same = stored(ssm, stage)
    ssm.delete_parameter(Name=parameter_names(stage).webhook)
    partly = init_roots(ssm, stage)

    assert [*again.values()] == [False, False]
    assert before == same
    assert [*partly.values()] == [False, True]
    assert before[0] == stored(ssm, stage)[0]


def test_inits_at_the_same_moment(ssm: "SSMClient", stage: str) -> None:
    """One makes each root, the others find it, and it stays what its maker wrote."""
    answers = race(RACERS, lambda _: (init_roots(ssm, stage), stored(ssm, stage)[0]))
    made = [name for answer, _ in answers for name, new in answer.items() if new]

    assert sorted(parameter_names(stage)) == sorted(made)
    assert [stored(ssm, stage)[0]] * RACERS == [seen for _, seen in answers]


def test_rotations(ssm: "SSMClient", stage: str) -> None:
    """Each adds a root and makes it current; old roots and the identity root stay."""
    init_roots(ssm, stage)
    identity, first = stored(ssm, stage)
    ids = [rotate_webhook_root(ssm, stage), rotate_webhook_root(ssm, stage)]
    same, rotated = stored(ssm, stage)
    kind = ssm.get_parameter(Name=parameter_names(stage).webhook)["Parameter"].get("Type")

    assert identity == same
    assert ids[-1] == rotated["current"]
    assert {"k1", *ids} == rotated["roots"].keys()
    assert first["roots"].items() < rotated["roots"].items()
    assert len(set(rotated["roots"].values())) == 3
    assert kind == "SecureString"


def test_rotations_at_once(ssm: "SSMClient", stage: str) -> None:
    """Every root that was announced is there in the end, whoever wrote over whom."""
    init_roots(ssm, stage)

    ids = race(RACERS, lambda _: rotate_webhook_root(ssm, stage))

    assert {"k1", *ids} == stored(ssm, stage)[1]["roots"].keys()


@pytest.mark.parametrize("which", [0, 1])
def test_init_over_what_is_in_the_clear(ssm: "SSMClient", stage: str, which: int) -> None:
    """A parameter that is not encrypted is refused, not taken for made."""
    name = parameter_names(stage)[which]
    ssm.put_parameter(Name=name, Value="{}", Type="String")

    with pytest.raises(SecretsUnusable, match="not a SecureString"):
        init_roots(ssm, stage)


def test_a_rotation_after_a_root_was_taken_out(ssm: "SSMClient", stage: str) -> None:
    """The new root gets an id that no root has: the others stay what they are."""
    init_roots(ssm, stage)
    roots = {"k2": "ab" * ROOT_BYTES, "k3": "cd" * ROOT_BYTES}
    put_webhook(ssm, stage, json.dumps({"current": "k3", "roots": roots}))
    root_id = rotate_webhook_root(ssm, stage)

    assert root_id not in roots
    assert roots.items() < stored(ssm, stage)[1]["roots"].items()


def test_a_rotation_before_init(ssm: "SSMClient", stage: str) -> None:
    """It is refused with the command that comes first, and makes nothing."""
    with pytest.raises(SecretsUnusable, match=r"is missing.*secrets init"):
        rotate_webhook_root(ssm, stage)
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        stored(ssm, stage)


@pytest.mark.parametrize("value", NO_WEBHOOK_ROOTS)
def test_a_rotation_of_something_else(ssm: "SSMClient", stage: str, value: str) -> None:
    """What holds no roots is refused, stays as it is, and is not repeated."""
    put_webhook(ssm, stage, value)

    with pytest.raises(SecretsUnusable, match=r"does not hold webhook roots$"):
        rotate_webhook_root(ssm, stage)
    kept = ssm.get_parameter(Name=parameter_names(stage).webhook, WithDecryption=True)
    assert value == kept["Parameter"].get("Value")


def test_as_many_rotations_as_fit(ssm: "SSMClient", stage: str) -> None:
    """The last root that fits is taken and the value is within SSM's 4 KB; one more is refused."""
    roots = {f"k{n}": "ab" * ROOT_BYTES for n in range(1, WEBHOOK_ROOTS_MAX)}
    put_webhook(ssm, stage, json.dumps({"current": "k1", "roots": roots}))
    last = rotate_webhook_root(ssm, stage)
    with pytest.raises(SecretsUnusable, match=f"holds {WEBHOOK_ROOTS_MAX} roots"):
        rotate_webhook_root(ssm, stage)
    kept = ssm.get_parameter(Name=parameter_names(stage).webhook, WithDecryption=True)

    assert json.loads(kept["Parameter"].get("Value", ""))["current"] == last
    assert len(kept["Parameter"].get("Value", "")) <= 4096


def put_webhook(ssm: "SSMClient", stage: str, value: str) -> None:
    """Write the webhook roots, whatever is there."""
    name = parameter_names(stage).webhook
    ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def test_the_same_hashes_as_from_a_file(root: Root) -> None:
    """Where a root is kept makes no difference to what is derived from it."""
    value = bytes(range(ROOT_BYTES))
    root.put(json.dumps({"root": value.hex()}))
    here, there = IdentityRoot(value), root.secrets()

    assert here.identity("card", "a", "b") == there.identity("card", "a", "b")
    assert here.check_value() == there.current().check_value()


def test_the_root_is_read_when_needed(root: Root) -> None:
    """Nothing is read before the first use, once then, and again only after five minutes."""
    secrets = root.secrets()
    assert root.reads == []
    for passed_s in (0.0, 1.0, FIVE_MINUTES_S - 1.001):
        root.now_s += passed_s
        secrets.identity("card", "a")
    assert len(root.reads) == 1
    root.now_s += 0.001
    secrets.identity("card", "a")
    assert len(root.reads) == 2
    assert {parameter_names(root.stage).identity} == {*root.reads}


def test_forgetting(root: Root) -> None:
    """What was forgotten is read again at the next use, not before."""
    secrets = root.secrets()
    first = secrets.identity("card", "a")
    root.put(json.dumps({"root": "ab" * ROOT_BYTES}))
    kept = secrets.identity("card", "a")
    secrets.forget()
    assert len(root.reads) == 1

    assert first == kept
    assert first != secrets.identity("card", "a")
    assert len(root.reads) == 2


def test_a_root_that_comes_back(root: Root) -> None:
    """While it is missing each use is refused, none with the old root; later all is well."""
    secrets, name = root.secrets(), parameter_names(root.stage).identity
    first, value = secrets.identity("card", "a"), json.dumps(stored(root.ssm, root.stage)[0])
    root.ssm.delete_parameter(Name=name)
    root.now_s += FIVE_MINUTES_S
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            secrets.identity("card", "a")
    root.put(value)

    assert first == secrets.identity("card", "a")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "InternalError"])
def test_a_root_that_may_not_be_read(
    emulator: str, stage: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It makes the ledger unavailable, and the log says which parameter."""
    ssm = client("ssm", emulator, retries={"total_max_attempts": 1})
    with closing(ssm), Stubber(ssm) as stubber:
        stubber.add_client_error("get_parameter", code)
        with pytest.raises(LedgerUnavailable):
            SsmSecrets(ssm, stage, lambda: 0.0).identity("card", "a")

    assert parameter_names(stage).identity in caplog.text


def test_a_root_that_cannot_be_reached(stage: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody listens the ledger is unavailable, and the log says why."""
    ssm = client("ssm", "http://127.0.0.1:9", retries={"total_max_attempts": 1})
    with closing(ssm), pytest.raises(LedgerUnavailable):
        SsmSecrets(ssm, stage, lambda: 0.0).identity("card", "a")

    assert "EndpointConnectionError" in caplog.text


def of_start(secrets: SsmSecrets) -> object:
    """Use the root as a start does."""
    return secrets.current()


def of_request(secrets: SsmSecrets) -> object:
    """Use the root as a request does."""
    return secrets.identity("card", "a")


@pytest.mark.parametrize(
    ("use", "failure"), [(of_start, SecretsUnusable), (of_request, LedgerUnavailable)]
)
@pytest.mark.parametrize("value", NO_ROOTS)
def test_a_root_that_is_none(
    root: Root,
    value: str,
    use: Callable[[SsmSecrets], object],
    failure: type[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A start is refused and a request finds no ledger; the value is not repeated."""
    root.put(value)
    with pytest.raises(failure) as failed:
        use(root.secrets())

    told = f"{failed.value}\n{caplog.text}"
    assert f"{parameter_names(root.stage).identity} does not hold an identity root" in told
    assert value not in told
