"""The end of a load: its verdict is that of the answers and of the books together."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from loadtests import __main__ as load
from tests.running import API_KEY, AUTHORIZE

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
