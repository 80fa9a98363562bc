"""The end of a load: its verdict is that of the answers and of the books together."""

import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from loadtests import __main__ as load
from tests.running import API_KEY, AUTHORIZE, Running, running

FEW = load.Load(users=1, seconds=1, rate=0)


def _nothing(data: Path) -> None:
    del data


def _lose_a_transaction(data: Path) -> None:
    with closing(sqlite3.connect(data)) as ledger, ledger:
        assert ledger.execute("DELETE FROM transactions").rowcount == 1


@pytest.mark.parametrize(
    ("answers", "damage", "verdict"),
    [(0, _nothing, 0), (1, _nothing, 1), (0, _lose_a_transaction, 1)],
    ids=["all well", "a wrong answer", "a lost transaction"],
)
def test_a_wrong_answer_or_wrong_books_fail_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: int,
    damage: Callable[[Path], None],
    verdict: int,
) -> None:
    """A load ends with 1 if locust saw a fault, or if the ledger that is left is damaged."""
    data = tmp_path / "load.db"

    def run(url: str, api_key: str, asked: load.Load, *, quota_expected: bool) -> int:
        assert (api_key, asked, quota_expected) == (API_KEY, FEW, False)
        connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
        headers = {"x-api-key": api_key, "x-idempotency-key": "one"}
        headers["content-type"] = "application/json"
        with closing(connection):
            connection.request("POST", "/payments/authorize", json.dumps(AUTHORIZE), headers)
            assert connection.getresponse().status == 201
        damage(data)
        return answers

    monkeypatch.setattr(load, "run", run)

    assert verdict == load.local(FEW, data)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    """A sandbox that runs."""
    with running(tmp_path_factory.mktemp("load") / "load.db") as server:
        yield server


def test_a_sandbox_is_loaded_with_its_key(server: Running) -> None:
    """The address that a user of it has."""
    assert load.refusal(f"http://127.0.0.1:{server.port}", API_KEY) is None


@pytest.mark.parametrize(
    ("url", "api_key", "said"),
    [
        ("http://127.0.0.1:1", API_KEY, "No sandbox answers"),
        ("127.0.0.1:1", API_KEY, "begins with https:// or http://"),
        ("http://127.0.0.1:none", API_KEY, "No sandbox answers"),
        ("http://127.0.0.1:{port}/other", API_KEY, "GET /payments is 404"),
        ("http://127.0.0.1:{port}", "sk_test_other", "does not let the key in API_KEY in (401)"),
        ("http://127.0.0.1:{port}", "two\nlines", "API_KEY cannot be"),
    ],
    ids=["nobody there", "no scheme", "no port", "another path", "another key", "no key"],
)
def test_what_cannot_be_loaded_is_told_at_once(
    url: str, api_key: str, said: str, server: Running
) -> None:
    """Instead of a minute of failures."""
    refused = load.refusal(url.format(port=server.port), api_key)

    assert refused is not None
    assert said in refused
