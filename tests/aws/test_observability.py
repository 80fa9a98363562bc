"""What the function tells of itself: log lines, metrics, and of what was sent nothing."""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from payments_sandbox.entrypoints.function_metrics import METRICS
from tests.aws.card_events import CVC, NUMBER, card_events
from tests.aws.function_rig import Event, Rig, event_of, function_at, posted, written
from tests.aws.process import run_python
from tests.aws.stage_rig import stage_at
from tests.hostile.canary import Canary, planted
from tests.running import AUTHORIZE

pytestmark = pytest.mark.aws

DIMENSIONS = {"service", "stage"}
CANARY = Canary(NUMBER, CVC)
DRIVER = "from tests.aws.driver import main; main()"
ROUTES = {
    "-", "/health", "/payments", "/payments/authorize", "/payments/capture", "/payments/refund",
    "/payments/void", "/payments/{auth_id}", "/sandbox/settings",
    "/transactions/{transaction_id}", "/docs", "/docs/start.js", "/openapi.json",
}  # fmt: skip
ACCESS = re.compile(r"([A-Z]+) (\S+) ([0-9]{3}) [0-9]+\.[0-9] ms ([0-9a-f-]{36})")


@pytest.fixture
def rig(emulator: str) -> Iterator[Rig]:
    """A function over a table of its own."""
    with function_at(emulator) as one:
        yield one


def lines_of(output: str) -> list[dict[str, Any]]:
    """Return the lines of a log, each of which is JSON."""
    return [json.loads(line) for line in output.splitlines()]


def log_of(rig: Rig, *events: Event) -> list[dict[str, Any]]:
    """Invoke the function with the events, one after the other; return what it wrote."""
    with written() as output:
        for event in events:
            rig.invoke(event)
    return lines_of(output.getvalue())


def said(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of the log alone."""
    return [line for line in lines if "_aws" not in line]


def counted(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of metrics alone."""
    return [line for line in lines if "_aws" in line]


def test_the_access_line(rig: Rig) -> None:
    """A request is one line, with the gateway's id, the route as we wrote it, and no path."""
    event = event_of("GET", f"/payments/auth_{NUMBER}?a=b")
    (line,) = said(log_of(rig, event))
    found = ACCESS.fullmatch(line["message"])

    assert found is not None, line
    assert ("GET", "/payments/{auth_id}", "422", line["correlation_id"]) == found.groups()
    assert line["correlation_id"] == event["requestContext"]["requestId"]
    assert (line["level"], line["service"]) == ("INFO", "payments_sandbox")
    assert re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T?.*\+0000", line["timestamp"].replace(" ", "T")
    )
    assert {"function_name", "function_request_id", "cold_start"} < line.keys()


def test_each_line_has_the_id_of_its_own_request(rig: Rig) -> None:
    """Nothing of a request is left in the lines of the next."""
    events = [event_of("GET", "/health") for _ in range(3)]
    for number, event in enumerate(events):
        event["requestContext"]["requestId"] = f"id-{number}"
    lines = said(log_of(rig, *events))

    assert [line["correlation_id"] for line in lines] == ["id-0", "id-1", "id-2"]
    assert [line["cold_start"] for line in lines[1:]] == [False, False]


def flow(rig: Rig) -> list[Event]:
    """Return two approvals, a decline, 2 captures, a refund, and what counts for nothing."""
    numbers = count()

    def under_a_new_key(operation: str, **body: object) -> Event:
        return posted(operation, body, f"key{next(numbers)}")

    opened = rig.invoke(posted("authorize", AUTHORIZE, "before")).json()
    auth_id = {"auth_id": opened["auth_id"]}
    decline = AUTHORIZE | {"simulate": {"response_code": "51"}}
    first = [
        under_a_new_key("authorize", **AUTHORIZE),
        under_a_new_key("authorize", **AUTHORIZE),
        under_a_new_key("authorize", **decline),
        under_a_new_key("capture", **auth_id, amount=300, final=False),
        under_a_new_key("capture", **auth_id, amount=200, final=False),
        under_a_new_key("refund", transaction_id=opened["auth_id"], amount=100),
    ]
    failed = [
        under_a_new_key("capture", **auth_id, amount=9_999),
        under_a_new_key("refund", transaction_id=opened["auth_id"], amount=9_999),
        under_a_new_key("authorize", amount=1),
        under_a_new_key("void", **auth_id),
    ]
    reads = [event_of("GET", "/payments"), event_of("GET", f"/payments/{opened['auth_id']}")]
    return [*first, *failed, *first, *failed, *reads]


def test_the_numbers(rig: Rig) -> None:
    """What was authorized, declined, captured and refunded is counted, once; nothing else is."""
    events = flow(rig)
    lines = counted(log_of(rig, *events))
    totals = {
        name: sum(sum(line.get(name, [])) for line in lines)
        for name in ("authorized", "declined", "captured", "refunded")
    }

    assert totals == {"authorized": 2, "declined": 1, "captured": 2, "refunded": 1}
    assert len(events) == len([line for line in lines if len(line["latency"]) == 1])
    assert all(0 < line["latency"][0] < 10_000 for line in lines)


def test_what_a_metric_is(rig: Rig) -> None:
    """A metric has its unit, and no dimension that grows with merchants."""
    lines = counted(log_of(rig, *flow(rig)))
    described = [line["_aws"]["CloudWatchMetrics"] for line in lines]
    units = {one["Name"]: one["Unit"] for (metrics,) in described for one in metrics["Metrics"]}
    names = {"authorized", "declined", "captured", "refunded"}

    assert dict.fromkeys(names, "Count") | {"latency": "Milliseconds"} == units
    assert units == {name: unit.value for name, unit in METRICS["api"].items()}
    assert {("PaymentsSandbox", '[["service", "stage"]]')} == {
        (metrics["Namespace"], json.dumps(metrics["Dimensions"])) for (metrics,) in described
    }
    assert {key for line in lines for key in line} == names | {"_aws", "latency"} | DIMENSIONS
    assert {("api", "local")} == {(line["service"], line["stage"]) for line in lines}


@pytest.fixture(scope="module")
def remains(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Send the card everywhere, to the real entry point; return what it wrote and answered."""
    folder = tmp_path_factory.mktemp("card")
    events, answers = folder / "events.json", folder / "answers.json"
    events.write_text(json.dumps(card_events()))
    with stage_at(emulator) as stage:
        ended = run_python(DRIVER, stage.environment, str(events), str(answers))

    assert ended.status == 0, ended.err[-4000:]
    return ended.out + ended.err, answers.read_text()


def test_the_card_is_nowhere(remains: tuple[str, str]) -> None:
    """Neither what the function wrote nor what it answered holds the card, in any form."""
    output, answers = remains
    statuses = {answer["statusCode"] for answer in json.loads(answers)}

    assert {200, 201, 400, 401, 404, 405, 422} <= statuses
    assert max(statuses) < 500
    assert CANARY.found_in(output.encode()) == []
    assert CANARY.found_in(answers.encode()) == []


def test_each_request_left_its_line(remains: tuple[str, str]) -> None:
    """All that was written is JSON, and each request has its access line: the search saw all."""
    lines = lines_of(remains[0])
    found = [ACCESS.fullmatch(line["message"]) for line in said(lines)]

    assert len(card_events()) == len(found) == len(counted(lines))
    assert {one[2] for one in found if one is not None} <= ROUTES
    assert None not in found


@pytest.mark.parametrize("form", planted(NUMBER, CVC))
def test_a_card_would_be_found(remains: tuple[str, str], form: str) -> None:
    """A careless line among all that was written is caught, in whatever form."""
    output = remains[0].encode()

    assert CANARY.found_in(output[:1000] + planted(NUMBER, CVC)[form] + output[1000:]) != []
