"""Killing the sandbox under load loses nothing, and the checker that says so sees a loss."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.checker import Finding, Loss, census, check
from tests.reliability.crash import Result, crash
from tests.reliability.flow import Flow
from tests.reliability.load import merged
from tests.running import running

pytestmark = pytest.mark.reliability

ROUNDS = 10
SEED = 20_260_101
_LOST_KEY = "DELETE FROM idempotency WHERE payment_id = ? AND seq = ?"


class Fault(NamedTuple):
    """A loss to plant: what the checker should call it, and which of a payment's transactions."""

    loss: Loss
    seq: int
    statement: str
    in_doubt: bool = False


FAULTS = {
    "payment": Fault(Loss.PAYMENT, 1, "DELETE FROM payments WHERE payment_id = ? AND ? = 1"),
    "capture": Fault(
        Loss.TRANSACTION, 2, "DELETE FROM transactions WHERE payment_id = ? AND seq = ?"
    ),
    "key-of-authorization": Fault(Loss.KEY, 1, _LOST_KEY),
    "key-of-capture": Fault(Loss.KEY, 2, _LOST_KEY),
    "key-of-another": Fault(
        Loss.ANSWER, 2, "UPDATE idempotency SET seq = 3 WHERE payment_id = ? AND seq = ?"
    ),
    "other-amount": Fault(
        Loss.ANSWER,
        2,
        """UPDATE transactions
        SET body = CAST(replace(CAST(body AS TEXT), '"amount":600', '"amount":601') AS BLOB)
        WHERE payment_id = ? AND seq = ?""",
    ),
    "captured-too-much": Fault(
        Loss.SUMS,
        1,
        """UPDATE payments
        SET body = CAST(replace(CAST(body AS TEXT), '"captured":600', '"captured":6000') AS BLOB)
        WHERE payment_id = ? AND ? = 1""",
    ),
    "half-authorization": Fault(Loss.DOUBLED, 1, _LOST_KEY, in_doubt=True),
    "half-capture": Fault(Loss.DOUBLED, 2, _LOST_KEY, in_doubt=True),
}


def test_no_kill_loses_or_doubles_anything(tmp_path: Path) -> None:
    """Every acknowledged request outlives 20 kills, and every one in doubt has one effect."""
    rounds: list[Result] = []

    result = crash(tmp_path / "ledger.db", ROUNDS, SEED, rounds.append)

    assert result.findings == []
    assert len(rounds) == ROUNDS
    assert result.acknowledged > 10 * ROUNDS
    assert result.in_doubt > 0


def test_the_checker_sees_each_planted_loss(tmp_path: Path) -> None:
    """Rows deleted or changed behind the sandbox's back are reported, each as what it is."""
    data = tmp_path / "ledger.db"
    flows = {name: Flow(name) for name in [*FAULTS, "untouched"]}
    with running(data) as sandbox:
        for flow in flows.values():
            flow.go_on(sandbox)
    expected: dict[str, list[Finding]] = {"untouched": []}
    for name, fault in FAULTS.items():
        planted = flows[name].journal.acknowledged[fault.seq - 1]
        expected[name] = [Finding(fault.loss, planted.transaction_id)]
        _plant(data, fault, planted.auth_id)
        if fault.in_doubt:
            _forget_answer(flows[name], fault.seq - 1)

    with running(data) as sandbox:
        found = {name: check(sandbox, flow.journal) for name, flow in flows.items()}

    assert found == expected


def test_the_census_sees_rows_that_nobody_asked_about(tmp_path: Path) -> None:
    """A payment no client knows of, and a row that is gone, show in the counts."""
    data = tmp_path / "ledger.db"
    known, unknown = Flow("known"), Flow("unknown")
    with running(data) as sandbox:
        known.go_on(sandbox)
        unknown.go_on(sandbox)

    both = census(data, merged([known.journal, unknown.journal]))
    one = census(data, known.journal)
    with closing(sqlite3.connect(data)) as ledger, ledger:
        ledger.execute("DELETE FROM idempotency")
    without_keys = census(data, merged([known.journal, unknown.journal]))

    assert both == []
    assert {finding.loss for finding in one} == {Loss.DOUBLED}
    assert without_keys == [Finding(Loss.KEY, "idempotency: 0 rows, not 6")]


def _plant(data: Path, fault: Fault, auth_id: str) -> None:
    with closing(sqlite3.connect(data)) as ledger, ledger:
        changed = ledger.execute(fault.statement, (auth_id, fault.seq))
        assert changed.rowcount == 1


def _forget_answer(flow: Flow, place: int) -> None:
    """Make an acknowledged request one in doubt, as a kill before the answer would."""
    one = flow.journal.acknowledged.pop(place)
    flow.journal.in_doubt[one.sent.key] = one.sent
