"""Real servers on one table: many at a time, killed, cut off, and all of one mind."""

import time
from collections.abc import Generator
from itertools import cycle
from pathlib import Path

import pytest

from tests.aws.peer import race
from tests.aws.served import Place, new_place, program, serving, serving_all
from tests.aws.switch import switched
from tests.reliability.checker import check
from tests.reliability.load import Journal, authorization, is_replayed, start_clients
from tests.running import Answer, Running

pytestmark = pytest.mark.aws

PROCESSES = 3
RACERS = 64
CAPTURES = 50
TRIES_MAX = 20
UNAVAILABLE_WITHIN_S = 20.0
BACK_WITHIN_S = 15.0
Three = tuple[Running, ...]


@pytest.fixture
def place(emulator: str, tmp_path: Path) -> Place:
    """Return an empty table."""
    return new_place(emulator, tmp_path)


@pytest.fixture(scope="module")
def shared(emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Return the table that the three processes serve."""
    return new_place(emulator, tmp_path_factory.mktemp("three"))


@pytest.fixture(scope="module")
def three(shared: Place) -> Generator[Three]:
    """Serve an empty table by three processes that all start at the same moment."""
    with serving_all([shared.address] * PROCESSES, shared.folder) as three:
        yield three


def test_processes_that_start_together(shared: Place, three: Three) -> None:
    """All serve, with one secrets file that was written once: each finds what another made."""
    first = three[0].authorize("together")
    again = [one.authorize("together") for one in three[1:]]

    assert first.status == 201
    assert [one.body for one in again] == [first.body] * (PROCESSES - 1)
    assert all(is_replayed(one) for one in again)
    assert [shared.secrets.name] == [
        one.name for one in shared.folder.iterdir() if one.suffix != ".log"
    ]


def test_identical_requests_spread_over_processes(three: Three) -> None:
    """One of them makes the payment and all have its answer."""
    servers = cycle(three)
    targets = [next(servers) for _ in range(RACERS)]
    sent = authorization("spread")
    answers = race(RACERS, lambda racer: sent.to(targets[racer]))
    listed = three[0].call("GET", "/payments?reference=spread").json["data"]

    assert {(201, answers[0].body)} == {(one.status, one.body) for one in answers}
    assert sum(is_replayed(one) for one in answers) == RACERS - 1
    assert [one["auth_id"] for one in listed] == [answers[0].json["auth_id"]]


def test_captures_spread_over_processes(three: Three) -> None:
    """No more is captured than was authorized, and each that is refused is kept as refused."""
    servers = cycle(three)
    targets = [next(servers) for _ in range(CAPTURES)]
    auth_id = three[0].authorize("captured").json["auth_id"]
    body = {"auth_id": auth_id, "amount": 30}

    def capture(racer: int) -> Answer:
        for _ in range(TRIES_MAX):  # so many at a time may be told to come again
            answer = targets[racer].call(
                "POST", "/payments/capture", body, key=f"capture-{racer}", timeout_s=30.0
            )
            if answer.status != 503:
                return answer
        raise AssertionError("it is never answered")

    answers = race(CAPTURES, capture)
    found = [one.call("GET", f"/payments/{auth_id}").json for one in three]
    refused = [one.json["code"] for one in answers if one.status == 422]

    assert [one.status for one in answers].count(201) == 33
    assert refused == ["amount_exceeds_capturable"] * 17
    assert [one["captured_amount"] for one in found] == [990] * PROCESSES
    assert [list(range(1, CAPTURES + 2))] * PROCESSES == [
        [one["seq"] for one in payment["transactions"]] for payment in found
    ]


def test_keys_made_and_revoked_while_they_serve(shared: Place, three: Three) -> None:
    """A key counts in every process with its next request, and no longer once it is revoked."""
    made = program("keys", "create", "shop", "--ledger", shared.address)
    api_key = made.stdout.strip()
    used = [one.call("GET", "/payments", api_key=api_key).status for one in three]
    key_id = api_key.split("_")[2]
    revoked = program("keys", "revoke", "shop", key_id, "--ledger", shared.address)
    after = [one.call("GET", "/payments", api_key=api_key).status for one in three]

    assert (made.returncode, revoked.returncode) == (0, 0)
    assert used == [200] * PROCESSES
    assert after == [401] * PROCESSES


def test_a_restart(place: Place) -> None:
    """A first payment outlives its process: the same bytes, read and replayed."""
    with serving(place.address, place.folder) as sandbox:
        first = sandbox.authorize("first")
        auth_id = first.json["auth_id"]
        read = sandbox.call("GET", f"/payments/{auth_id}")
        replayed = sandbox.authorize("first")
    exit_code = sandbox.process.returncode
    with serving(place.address, place.folder) as sandbox:
        later = sandbox.authorize("first")
        read_later = sandbox.call("GET", f"/payments/{auth_id}")

    assert (first.status, exit_code) == (201, 0)
    assert [first.body] * 2 == [replayed.body, later.body]
    assert is_replayed(replayed)
    assert is_replayed(later)
    assert (read.status, read.body) == (200, read_later.body)


def test_a_kill_under_load(place: Place) -> None:
    """What was acknowledged is there for the next process; the rest has one effect or none."""
    journal = Journal()
    with serving(place.address, place.folder) as sandbox:
        clients = start_clients(sandbox, "killed", journal)
        _await_acknowledged(journal, 12)
        sandbox.process.kill()
        for client in clients:
            client.join()
    with serving(place.address, place.folder) as sandbox:
        findings = check(sandbox, journal)

    assert journal.acknowledged
    assert findings == []


def test_a_table_that_goes_away_and_comes_back(emulator: str, place: Place, tmp_path: Path) -> None:
    """Meanwhile each request is told to come again, soon; then all is as it was."""
    with switched(emulator) as switch:
        there = Place(switch.endpoint, place.table, tmp_path)
        with serving(there.address, tmp_path) as sandbox:
            first = sandbox.authorize("first")
            switch.off()
            started = time.monotonic()
            lost = [sandbox.authorize("first"), sandbox.call("GET", "/health")]
            took_s = time.monotonic() - started
            switch.on()
            again = _first_answer(sandbox)

    assert first.status == 201
    assert [one.status for one in lost] == [503, 503]
    assert all(int(one.headers["retry-after"]) > 0 for one in lost)
    assert took_s < UNAVAILABLE_WITHIN_S
    assert (again.status, again.body) == (201, first.body)
    assert is_replayed(again)


def _first_answer(sandbox: Running) -> Answer:
    """Ask until the table is there again."""
    deadline = time.monotonic() + BACK_WITHIN_S
    while True:
        answer = sandbox.authorize("first")
        if answer.status != 503 or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def _await_acknowledged(journal: Journal, count: int) -> None:
    deadline = time.monotonic() + BACK_WITHIN_S
    while len(journal.acknowledged) < count and time.monotonic() < deadline:
        time.sleep(0.01)
