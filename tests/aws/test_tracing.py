"""The function's traces, as they arrive at an X-Ray daemon on this machine."""

import json
import re
import socket
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import pytest

from tests.aws.card_events import CVC, NUMBER
from tests.aws.function_rig import Event, event_of, posted
from tests.aws.process import run_python
from tests.aws.stage_rig import stage_at
from tests.hostile.canary import Canary
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

DRIVER = "from tests.aws.driver import main; main()"
TRACE_ID, PARENT_ID = "1-67891233-abcdef012345678912345678", "53995c3f42cd8ad8"
TRACE = f"Root={TRACE_ID};Parent={PARENT_ID};Sampled=1"


class Daemon:
    """Takes what is sent to it by UDP."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self.address = f"127.0.0.1:{listening.getsockname()[1]}"

    def received(self) -> list[bytes]:
        """Return the datagrams that have come."""
        return [*self._datagrams()]

    def _datagrams(self) -> Iterator[bytes]:
        while True:
            try:
                yield self._socket.recv(65_536)
            except TimeoutError:
                return


@contextmanager
def daemon() -> Generator[Daemon]:
    """Listen on a free loopback port."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.2)
        yield Daemon(listening)


class Traced(NamedTuple):
    """What the function wrote, and the segments it sent, whole and as bytes."""

    output: str
    segments: list[dict[str, Any]]
    raw: bytes


def events() -> list[Event]:
    """Return a flow, and an event whose port is a card's number."""
    broken = event_of("GET", "/payments")
    broken["multiValueHeaders"]["X-Forwarded-Port"] = [NUMBER + "x"]
    return [
        posted("authorize", AUTHORIZE),
        posted("authorize", AUTHORIZE),
        posted("authorize", AUTHORIZE | {"reference": NUMBER, "amount": 7}),
        event_of("GET", f"/payments?reference={NUMBER}"),
        event_of("GET", f"/nowhere/{NUMBER}"),
        broken,
    ]


@pytest.fixture(scope="module")
def traced(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """Run the real entry point with tracing on, as Lambda has it."""
    folder = tmp_path_factory.mktemp("trace")
    asked, answers = folder / "events.json", folder / "answers.json"
    asked.write_text(json.dumps(events()))
    with stage_at(emulator) as stage, daemon() as xray:
        environment = stage.environment | {
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_XRAY_DAEMON_ADDRESS": xray.address,
            "_X_AMZN_TRACE_ID": TRACE,
        }
        ended = run_python(DRIVER, environment, str(asked), str(answers))
        datagrams = xray.received()

    assert ended.status == 0, ended.err[-4000:]
    segments = [json.loads(one.partition(b"\n")[2]) for one in datagrams]
    return Traced(ended.out + ended.err, segments, b"\n".join(datagrams))


def named(segments: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return all segments of a name, those within others too."""
    inner = [one for each in segments for one in named(each.get("subsegments", []), name)]
    return [one for one in segments if one["name"] == name] + inner


def test_each_invocation_is_a_segment(traced: Traced) -> None:
    """Each belongs to the trace that Lambda began."""
    handled = named(traced.segments, "## _answer")

    assert len(events()) == len(handled)
    assert {TRACE_ID} == {one["trace_id"] for one in traced.segments}
    assert {"payments_sandbox"} == {one["annotations"]["Service"] for one in handled}


def test_calls_to_aws_are_segments(traced: Traced) -> None:
    """Calls to the table, made in the ledger's threads, and to SSM are in the same trace."""
    calls = named(traced.segments, "dynamodb")
    operations = {one["aws"]["operation"] for one in calls}

    assert {"GetItem", "TransactWriteItems", "Query"} <= operations
    assert len(named(traced.segments, "ssm")) == 1
    assert all("end_time" in one for one in calls)


def test_no_call_is_without_a_segment(traced: Traced) -> None:
    """The log holds no complaint of the tracer."""
    complaints = re.findall(r".*(?:segment|xray|X-Ray).*", traced.output, re.IGNORECASE)

    assert [one for one in complaints if "xray_trace_id" not in one] == []


def test_log_lines_name_the_trace(traced: Traced) -> None:
    """A line of the log leads to its trace."""
    lines = [json.loads(line) for line in traced.output.splitlines()]

    assert {TRACE_ID} == {line["xray_trace_id"] for line in lines if "_aws" not in line}


def test_traces_hold_nothing_that_was_sent(traced: Traced) -> None:
    """Segments hold neither a card nor an answer nor a message of an error."""
    assert Canary(NUMBER, CVC).found_in(traced.raw) == []
    assert b"auth_" not in traced.raw
    assert b"invalid literal" not in traced.raw
