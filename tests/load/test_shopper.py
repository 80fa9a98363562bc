"""The load tests' users: the real sandbox satisfies them, and each lie is caught."""

import json
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.checks import Call, Fault, Reply, patience_s, throttle_faults
from loadtests.shopper import MIX, Shopper
from tests.running import Running, running

CALLS = 400
Lie = Callable[[Reply], Reply]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    folder: Path = tmp_path_factory.mktemp("load")
    with running(folder / "ledger.db") as one:
        yield one


def sent(sandbox: Running, call: Call) -> Reply:
    answer = sandbox.call(call.method, call.path, call.body, key=call.key)
    return Reply(answer.status, answer.headers, answer.body)


def run(sandbox: Running, name: str, kind: str = "", lie: Lie | None = None) -> list[Fault]:
    """Make many calls; the first answer to a call of that kind is replaced by a lie."""
    shopper = Shopper(name)
    for _ in range(CALLS):
        call = shopper.next_call()
        reply = sent(sandbox, call)
        if lie is not None and call.kind == kind:
            return shopper.judge(call, lie(reply))
        assert shopper.judge(call, reply) == []
    assert lie is None, f"no {kind} within {CALLS} calls"
    return []


def saying(**members: Any) -> Lie:
    """Return the lie that changes members of the answer."""
    return lambda reply: replace(reply, body=json.dumps(reply.json | members).encode())


def test_the_real_sandbox_satisfies(sandbox: Running) -> None:
    """Some hundred calls of a user are answered without a fault."""
    assert run(sandbox, "honest") == []


def test_two_users_do_not_disturb_each_other(sandbox: Running) -> None:
    """Calls of two users in turn are answered without a fault for either."""
    users = [Shopper(name) for name in ("one", "two")]

    for _ in range(CALLS // 4):
        calls = [user.next_call() for user in users]
        replies = [sent(sandbox, call) for call in calls]

        judged = zip(users, calls, replies, strict=True)
        assert [user.judge(call, reply) for user, call, reply in judged] == [[], []]


def without_last(reply: Reply) -> Reply:
    transactions = reply.json["transactions"][:-1]
    return saying(transactions=transactions)(reply)


def doubled(reply: Reply) -> Reply:
    transactions = reply.json["transactions"]
    return saying(transactions=[*transactions, transactions[-1] | {"transaction_id": "x"}])(reply)


LIES: list[tuple[str, Lie, str]] = [
    ("authorize", saying(amount=1), "amount is wrong"),
    ("authorize", saying(approved_amount=1), "approved_amount is wrong"),
    ("authorize", saying(status="declined"), "status is wrong"),
    ("authorize", saying(reference="another's"), "reference is wrong"),
    ("authorize", lambda one: replace(one, status=200), "not the status"),
    ("authorize", lambda one: replace(one, status=503), "not the status"),
    ("authorize", lambda one: replace(one, status=0, body=b""), "not the status"),
    ("authorize", lambda one: replace(one, status=429), "not the status"),
    ("authorize", lambda one: replace(one, body=b"<html>"), "status is wrong"),
    ("authorize", lambda one: replace(one, headers={"idempotent-replayed": "true"}), "is a replay"),
    ("capture", saying(auth_id="auth_another"), "auth_id is wrong"),
    ("capture", saying(capturable_amount=-1), "capturable_amount is wrong"),
    ("capture", saying(refundable_amount=0), "refundable_amount is wrong"),
    ("refund", saying(refundable_amount=-1), "refundable_amount is wrong"),
    ("refund", saying(status="failed"), "status is wrong"),
    ("refund too much", lambda one: replace(one, status=201), "not the status"),
    ("refund too much", saying(code="not_captured"), "code is wrong"),
    ("authorize again", lambda one: replace(one, body=one.body + b" "), "byte for byte"),
    ("capture again", lambda one: replace(one, status=409), "byte for byte"),
    ("authorize again", lambda one: replace(one, headers={}), "does not say that it is a replay"),
    ("read payment", saying(status="voided"), "status is wrong"),
    ("read payment", saying(refunded_amount=10**9), "refunded_amount is wrong"),
    ("read payment", without_last, "a transaction is missing"),
    ("read payment", doubled, "a transaction that nobody asked for"),
    ("read transaction", saying(transaction_id="txn_another"), "transaction_id is wrong"),
    ("read transaction", saying(amount=-1), "amount is wrong"),
]


@pytest.mark.parametrize(
    ("kind", "lie", "rule"), LIES, ids=[f"{kind}: {rule}" for kind, _, rule in LIES]
)
def test_a_lie_is_caught(sandbox: Running, kind: str, lie: Lie, rule: str) -> None:
    """Each planted fault in an otherwise true answer breaks the rule that it should."""
    name = f"{LIES.index((kind, lie, rule))}"

    faults = run(sandbox, name, kind, lie)

    assert any(rule in one.rule and one.rule.startswith(kind) for one in faults)


def test_a_transaction_shown_otherwise_is_caught(sandbox: Running) -> None:
    """A read that shows a transaction with another amount than it was answered with is caught."""

    def other_amount(reply: Reply) -> Reply:
        first, *rest = reply.json["transactions"]
        return saying(transactions=[first | {"amount": 1}, *rest])(reply)

    faults = run(sandbox, "otherwise", "read payment", other_amount)

    assert [one.rule for one in faults] == ["read payment: a transaction is not as it was answered"]


def test_what_happens_by_itself_is_no_fault(sandbox: Running) -> None:
    """A payment that is settled while the load runs has a transaction more, and that is right."""

    def settled(reply: Reply) -> Reply:
        more = {"transaction_id": "txn_of_the_batch", "type": "settlement"}
        return saying(transactions=[*reply.json["transactions"], more])(reply)

    assert run(sandbox, "settled", "read payment", settled) == []


def test_a_payment_in_doubt_is_left_alone() -> None:
    """After an answer that is wrong, the user does not go on with that payment."""
    shopper = Shopper("doubt")
    seen: set[str] = set()
    for number in range(CALLS):
        call = shopper.next_call()
        if call.kind == "authorize":
            true = call.expected | {"auth_id": f"auth_{number}", "transaction_id": f"t{number}"}
            assert shopper.judge(call, Reply(201, {}, json.dumps(true).encode())) == []
        elif call.kind == "capture":
            assert call.expected["auth_id"] not in seen
            seen.add(call.expected["auth_id"])
            assert shopper.judge(call, Reply(0, {}, b"")) != []

    assert len(seen) > 10


def test_the_mix_is_as_promised() -> None:
    """A user whose calls all succeed has the promised mix of calls, replays left out."""
    shopper = Shopper("mix")
    counts = dict.fromkeys(MIX, 0)
    for number in range(4000):
        call = shopper.next_call()
        answer = call.expected | {"auth_id": call.expected.get("auth_id", f"auth_{number}")}
        answer |= {"transaction_id": answer.get("transaction_id", f"t{number}"), "seq": 1}
        if call.history:
            answer["transactions"] = [one | _as_shown(one) for one in call.history.values()]
        reply = call.first or Reply(call.status, {}, json.dumps(answer).encode())
        if call.first:
            reply = replace(reply, headers={"idempotent-replayed": "true"})
        assert shopper.judge(call, reply) == []
        if not call.first:
            counts[call.kind.partition(" ")[0]] += 1

    shares = {kind: round(100 * count / sum(counts.values())) for kind, count in counts.items()}
    assert all(abs(shares[kind] - share) <= 3 for kind, share in MIX.items()), shares


def _as_shown(one: dict[str, Any]) -> dict[str, Any]:
    return {"error_code": one["code"]} if "code" in one else {}


@pytest.mark.parametrize(
    ("retry_after", "waits_s"), [("7", 7), ("0", 1), ("900", 120), ("", 1), ("soon", 1)]
)
def test_a_429_is_obeyed(retry_after: str, waits_s: int) -> None:
    """The user waits as long as it is told, at least a second and at most two minutes."""
    assert waits_s == patience_s(Reply(429, {"retry-after": retry_after}, b""))


def test_a_429_must_say_when_to_come_back() -> None:
    """A 429 without Retry-After in seconds is a fault, one with it is none."""
    silent, vague, clear = (
        throttle_faults(Reply(429, headers, b""))
        for headers in ({}, {"retry-after": "soon"}, {"retry-after": "3"})
    )

    assert [len(silent), len(vague), len(clear)] == [1, 1, 0]
