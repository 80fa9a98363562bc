"""Reads a ledger's file with SQL alone, and says where settlement went wrong.

It shares no code with the product: `settlement.sql` reads captures, refunds and voids out of the
log's JSON, and derives days, fees, batches, payouts and accounts from them. It asks for rules that
stayed the same all the time, and for runs that came no later than the cut-off after.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

_SCRIPT = Path(__file__).with_name("settlement.sql")


class Wrong(StrEnum):
    """What can be wrong."""

    ONCE = "once"
    """A capture or refund is not in one batch, or is in one and should not be."""
    AMOUNT = "amount"
    FEE = "fee"
    DAY = "day"
    """It is in the batch of another day or currency."""
    LINE = "line"
    """Lines and log do not say the same."""
    TOTALS = "totals"
    CHAIN = "chain"
    """A batch did not bring forward what was left."""
    BATCH = "batch"
    """A batch is not as far as it should be, or its dates are wrong."""
    ACCOUNT = "account"
    PENDING = "pending"
    SEQ = "seq"


class Finding(NamedTuple):
    """What is wrong, and where."""

    wrong: Wrong
    where: str


class Rules(NamedTuple):
    """The rules under which a time went by, weekends off, and when it was over."""

    cutoff: str
    """Later than midnight, as 18:00."""
    holidays: Sequence[str]
    rate_bps: int
    fixed: int
    now: str
    """In UTC, as 2026-03-01 12:00:00.000."""


def findings(data: Path, rules: Rules) -> list[Finding]:
    """Return all that is wrong with what the file has."""
    with closing(sqlite3.connect(data)) as ledger:
        ledger.execute("CREATE TEMP TABLE rule (cutoff, rate_bps INT, fixed INT, now)")
        ledger.execute(
            "INSERT INTO rule VALUES (?, ?, ?, ?)",
            (rules.cutoff, rules.rate_bps, rules.fixed, rules.now),
        )
        ledger.execute("CREATE TEMP TABLE holiday (day)")
        ledger.executemany("INSERT INTO holiday VALUES (?)", [(one,) for one in rules.holidays])
        ledger.executescript(_SCRIPT.read_text())
        return [
            Finding(Wrong(wrong), place)
            for wrong, place in ledger.execute("SELECT wrong, place FROM finding")
        ]


def counts(data: Path) -> dict[str, int]:
    """Return how many transactions of each type there are."""
    with closing(sqlite3.connect(data)) as ledger:
        rows = ledger.execute(
            "SELECT json_extract(CAST(body AS TEXT), '$.type'), count(*) FROM transactions"
            " GROUP BY 1"
        )
        return dict(rows.fetchall())
