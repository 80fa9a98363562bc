"""SnapStart: what the function does before its snapshot and after it is restored."""

import json
from random import Random
from typing import Any, NamedTuple

import pytest

from tests.aws.process import run_python
from tests.aws.stage_rig import stage_at

pytestmark = pytest.mark.aws

PROGRAM = "from tests.aws.snapshot import main; main()"


class Walked(NamedTuple):
    """What the walk saw, and what was written meanwhile."""

    seen: dict[str, Any]
    written: str


@pytest.fixture(scope="module")
def walked(emulator: str) -> Walked:
    """Walk the function through a snapshot and back, with requests in between."""
    with stage_at(emulator) as stage:
        ended = run_python(PROGRAM, stage.environment)

    assert ended.status == 0, ended.err[-4000:]
    written, _, facts = ended.out.partition("FACTS ")
    return Walked(json.loads(facts), written)


def test_the_hooks_are_registered(walked: Walked) -> None:
    """The runtime finds one hook for before and two for after."""
    assert walked.seen["hooks"] == [1, 2]


def test_nothing_is_connected_before_the_snapshot(walked: Walked) -> None:
    """Neither the import nor the hook opens a connection or reads a secret."""
    assert walked.seen["imported"] == [0, 0]
    assert walked.seen["primed"] == [0, 0]


def test_nothing_is_logged_before_the_snapshot(walked: Walked) -> None:
    """The request that primes is nobody's, and is in no log."""
    _, _, rest = walked.written.partition("BEFORE\n")

    assert rest.partition("AFTER\n")[0] == ""


def test_connections_and_secrets_are_kept_between_requests(walked: Walked) -> None:
    """The first request connects to the table and to SSM; the next one to nothing."""
    assert walked.seen["first"] == [201, 2, 1]
    assert walked.seen["second"] == [201, 0, 0]


def test_nothing_of_them_outlives_a_restore(walked: Walked) -> None:
    """A restored function connects to both anew, reads the secret again, and works."""
    assert walked.seen["restored"] == [0, 0]
    assert walked.seen["third"] == [201, 2, 1]
    assert walked.seen["fourth"] == [201, 0, 0]


def test_chance_is_drawn_anew(walked: Walked) -> None:
    """Two functions of one snapshot pause differently."""
    before, after, before_again, after_again = walked.seen["draws"]

    assert before == before_again == Random(1).random()  # noqa: S311 - it is the jitter's
    assert len({before, after, after_again}) == 3
