"""A month by the real use cases adds up, by SQL that knows none of them; which sees each fault."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.reliability.settlement_checker import Rules, Wrong, counts, findings
from tests.reliability.settlement_month import HOLIDAY, month

pytestmark = pytest.mark.reliability
SEED, PAYMENTS, DAYS = 20_260_201, 300, 31
BEGINS_AT = datetime(2026, 1, 30, 3, tzinfo=UTC)
# Over two ends of a month and five weekends, and over with some still to settle.
RULES = Rules("18:00", [HOLIDAY.isoformat()], 290, 30, "")
FAULTS = {
    "a line is lost": (Wrong.ONCE, "DELETE FROM settlement_lines WHERE {line}"),
    "a line is there twice": (
        Wrong.ONCE,
        """INSERT INTO settlement_lines SELECT (SELECT max(settlement_id) FROM settlements),
        payment_id, seq + 1, captures, refunds, gross, refunded, fees, body
        FROM settlement_lines WHERE {line}""",
    ),
    "a capture is in another batch": (
        Wrong.DAY,
        """UPDATE settlement_lines SET settlement_id = (SELECT max(settlement_id)
        FROM settlements WHERE currency = 'USD') WHERE {line}""",
    ),
    "an amount is wrong": (
        Wrong.AMOUNT,
        """UPDATE settlement_lines SET body =
        CAST(json_set(CAST(body AS TEXT), '$.items[0].amount', 123456) AS BLOB) WHERE {line}""",
    ),
    "a fee is wrong": (
        Wrong.FEE,
        """UPDATE settlement_lines SET body =
        CAST(json_set(CAST(body AS TEXT), '$.items[0].fee', 123456) AS BLOB) WHERE {line}""",
    ),
    "a line is not the log's": (
        Wrong.LINE,
        """UPDATE settlement_lines SET body =
        CAST(json_set(CAST(body AS TEXT), '$.items[0].fee', 123456) AS BLOB) WHERE {line}""",
    ),
    "totals are wrong": (
        Wrong.TOTALS,
        """UPDATE settlements SET body =
        CAST(json_set(CAST(body AS TEXT), '$.totals.gross', 1) AS BLOB) WHERE {batch}""",
    ),
    "a batch brought something": (
        Wrong.CHAIN,
        """UPDATE settlements SET body =
        CAST(json_set(CAST(body AS TEXT), '$.brought_forward', -1) AS BLOB) WHERE {batch}""",
    ),
    "a batch is paid on a Saturday": (
        Wrong.BATCH,
        """UPDATE settlements SET body =
        CAST(json_set(CAST(body AS TEXT), '$.payout_date', '2026-02-07') AS BLOB)
        WHERE {batch}""",
    ),
    "a batch was never paid": (
        Wrong.BATCH,
        "UPDATE settlements SET state = 'closed' WHERE {batch}",
    ),
    "an account was paid more": (
        Wrong.ACCOUNT,
        """UPDATE accounts SET body = CAST(json_set(CAST(body AS TEXT), '$.paid_out', 1) AS BLOB)
        WHERE currency = 'EUR'""",
    ),
    "a pending amount is wrong": (Wrong.PENDING, "UPDATE payments SET unsettled = unsettled + 1"),
    "a transaction is lost": (
        Wrong.SEQ,
        """DELETE FROM transactions
        WHERE position = (SELECT min(position) FROM transactions WHERE seq = 2)""",
    ),
}
PLACES = {
    "batch": """settlement_id =
        (SELECT min(settlement_id) FROM settlements WHERE state = 'paid')""",
    "line": """(settlement_id, payment_id) IN (SELECT settlement_id, payment_id
        FROM settlement_lines WHERE captures = 1 AND refunds = 0 LIMIT 1)""",
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rules]:
    """Have the month once for all."""
    data = tmp_path_factory.mktemp("month") / "ledger.db"
    over_at = asyncio.run(month(data, SEED, PAYMENTS, BEGINS_AT, DAYS))
    return data, RULES._replace(now=over_at.strftime("%Y-%m-%d %H:%M:%S.000"))


def test_a_month_adds_up(simulated: tuple[Path, Rules]) -> None:
    """Every capture and refund is in its own day's batch once, to the unit, and so is the rest."""
    data, rules = simulated
    there = counts(data)
    with closing(sqlite3.connect(data)) as ledger:
        states = dict(ledger.execute("SELECT state, count(*) FROM settlements GROUP BY state"))
        (below_zero,) = ledger.execute(
            "SELECT count(*) FROM settlements WHERE"
            " json_extract(CAST(body AS TEXT), '$.brought_forward') < 0"
        ).fetchone()

    assert findings(data, rules) == []
    assert there["authorization"] == PAYMENTS
    assert there["refund"] > 50
    assert there["void"] > 10
    assert there["expiry"] > 5
    assert states["paid"] > 25
    assert below_zero > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checker_sees(fault: str, simulated: tuple[Path, Rules], tmp_path: Path) -> None:
    """Each planted fault is found, as what it is."""
    data, rules = simulated
    broken = tmp_path / "broken.db"
    shutil.copy(data, broken)
    wrong, statement = FAULTS[fault]
    with closing(sqlite3.connect(broken)) as ledger, ledger:
        assert ledger.execute(statement.format(**PLACES)).rowcount >= 1

    found: set[Wrong] = {one.wrong for one in findings(broken, rules)}

    assert wrong in found
