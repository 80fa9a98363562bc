"""Compares a ledger with what its clients know, and names every loss.

A request has one transaction, whatever happened meanwhile: so a payment holds the transactions
that its clients' answers name, no fewer and no more.
"""

import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from tests.reliability.load import Acknowledged, Journal, Sent, is_recorded, is_replayed
from tests.running import Answer, Running

# A ledger this wrong need not be looked at any further, however slow it is by now.
FINDINGS_MAX = 10
Json = dict[str, Any]


class Loss(StrEnum):
    """What can be wrong."""

    PAYMENT = "lost payment"
    TRANSACTION = "lost transaction"
    KEY = "lost idempotency key"
    ANSWER = "changed answer"
    DOUBLED = "doubled effect"
    SUMS = "broken sums"
    UNEXPECTED = "unexpected answer"
    FILE = "damaged file"


class Finding(NamedTuple):
    """Something that is wrong, and with which payment, transaction, key or file."""

    loss: Loss
    subject: str


def check(sandbox: Running, journal: Journal) -> list[Finding]:
    """Settle what is in doubt, read every payment, then send every request again."""
    findings = settle(sandbox, journal)
    findings += read_back(sandbox, journal)
    known = {finding.subject for finding in findings}
    for one in journal.acknowledged:
        if len(findings) + len(journal.refused) >= FINDINGS_MAX:
            break
        if one.transaction_id not in known:
            findings += _sent_again(sandbox, one)
    findings += [Finding(Loss.UNEXPECTED, one.sent.key) for one in journal.refused]
    return list(dict.fromkeys(findings))


def settle(sandbox: Running, journal: Journal) -> list[Finding]:
    """Send what is in doubt again, twice: it must end with one effect."""
    findings: list[Finding] = []
    for sent in list(journal.in_doubt.values()):
        if len(findings) + len(journal.refused) >= FINDINGS_MAX:
            break
        first, second = sent.to(sandbox), sent.to(sandbox)
        journal.note(sent, first)
        if not is_recorded(first):
            continue
        if not is_replayed(second):
            findings.append(Finding(Loss.KEY, sent.key))
        elif _differ(first, second):
            findings.append(Finding(Loss.ANSWER, sent.key))
        findings += [Finding(Loss.DOUBLED, one) for one in _others(sandbox, sent, first)]
    return findings


def read_back(sandbox: Running, journal: Journal) -> list[Finding]:
    """Read every payment and compare it with what was acknowledged of it."""
    findings: list[Finding] = []
    for auth_id, acknowledged in journal.payments().items():
        read = sandbox.call("GET", f"/payments/{auth_id}")
        if read.status == 404:
            findings.append(Finding(Loss.PAYMENT, auth_id))
        elif read.status != 200:
            findings.append(Finding(Loss.UNEXPECTED, auth_id))
        else:
            findings += _compared(read.json, acknowledged)
    return findings


def census(data: Path, journal: Journal) -> list[Finding]:
    """Count the rows of a ledger that nobody serves, and check the file itself."""
    expected = {
        "payments": (Loss.PAYMENT, len(journal.payments())),
        "transactions": (Loss.TRANSACTION, len(journal.acknowledged)),
        "idempotency": (Loss.KEY, len(journal.acknowledged)),
    }
    findings: list[Finding] = []
    with closing(sqlite3.connect(data)) as ledger:
        if ledger.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            findings.append(Finding(Loss.FILE, data.name))
        for table, (loss, rows) in expected.items():
            (stored,) = ledger.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
            if stored != rows:
                wrong = loss if stored < rows else Loss.DOUBLED
                findings.append(Finding(wrong, f"{table}: {stored} rows, not {rows}"))
    return findings


def _compared(payment: Json, acknowledged: list[Acknowledged]) -> list[Finding]:
    stored = {one["transaction_id"]: one for one in payment["transactions"]}
    findings = [
        finding for one in acknowledged if (finding := _stored_otherwise(stored, one)) is not None
    ]
    if findings:
        return findings
    extra = stored.keys() - {one.transaction_id for one in acknowledged}
    findings = [Finding(Loss.DOUBLED, one) for one in sorted(extra)]
    if not _sums_hold(payment):
        findings.append(Finding(Loss.SUMS, payment["auth_id"]))
    return findings


def _stored_otherwise(stored: dict[str, Json], one: Acknowledged) -> Finding | None:
    transaction = stored.get(one.transaction_id)
    if transaction is None:
        return Finding(Loss.TRANSACTION, one.transaction_id)
    answer = one.answer.json
    if one.answer.status == 201:
        same = transaction == answer
    else:
        same = transaction["error_code"] == answer["code"] and transaction["seq"] == answer["seq"]
    return None if same else Finding(Loss.ANSWER, one.transaction_id)


def _sums_hold(payment: Json) -> bool:
    seqs = [one["seq"] for one in payment["transactions"]]
    captured = sum(one["amount"] for one in payment["captures"])
    return (
        seqs == list(range(1, len(seqs) + 1))
        and payment["refunded_amount"] <= payment["captured_amount"] <= payment["approved_amount"]
        and captured == payment["captured_amount"]
    )


def _sent_again(sandbox: Running, one: Acknowledged) -> list[Finding]:
    again = one.sent.to(sandbox)
    if is_recorded(again) and not is_replayed(again):
        return [Finding(Loss.KEY, one.transaction_id)]
    if _differ(again, one.answer):
        return [Finding(Loss.ANSWER, one.transaction_id)]
    return []


def _differ(one: Answer, other: Answer) -> bool:
    return (one.status, one.body) != (other.status, other.body)


def _others(sandbox: Running, sent: Sent, answer: Answer) -> list[str]:
    """Return the other payments that an authorization made: a client gives it its key as reference.

    Only one that was in doubt can have one that no answer names.
    """
    if sent.path != "/payments/authorize":
        return []
    listed = sandbox.call("GET", f"/payments?reference={sent.key}").json["data"]
    return [one["auth_id"] for one in listed if one["auth_id"] != answer.json["auth_id"]]
