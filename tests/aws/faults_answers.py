"""Answers of reads that the real table gives now and then, and the emulator never."""

from typing import Any

from payments_sandbox.adapters.dynamodb_items import head_item, transaction_item
from payments_sandbox.domain.payment import Change
from tests.aws.faults import Fault, edited
from tests.aws.faults_rig import Rig


def put(rig: Rig, *changes: Change) -> None:
    """Write what an append of each would, past all faults."""
    items = [head_item(one.payment) for one in changes]
    items += [
        transaction_item(one.payment, transaction, rig.clock.at)
        for one in changes
        for transaction in one.transactions
    ]
    rig.shared.client.batch_write_item(
        RequestItems={rig.shared.name: [{"PutRequest": {"Item": item}} for item in items]}
    )


def naming(payment_id: str) -> Fault:
    """Return the fault by which an index names a payment that it should not."""

    def name(_: Any, facts: Any) -> None:
        if not facts["Items"]:
            return
        ghost = facts["Items"][0] | {"transaction_id": {"S": payment_id}}
        facts["Items"].insert(0, ghost)
        facts["Count"] += 1

    return edited(name)


def missing(payment_id: str) -> Fault:
    """Return the fault by which an index does not name a payment yet."""

    def miss(_: Any, facts: Any) -> None:
        facts["Items"] = [one for one in facts["Items"] if one["transaction_id"]["S"] != payment_id]
        facts["Count"] = len(facts["Items"])

    return edited(miss)


def cut(keep_first: int) -> Fault:
    """Return the fault that ends a page after its first items, and says where to go on."""

    def shorten(asked: Any, facts: Any) -> None:
        if len(facts["Items"]) <= keep_first:
            return
        facts["Items"] = facts["Items"][:keep_first]
        facts["Count"] = keep_first
        last = facts["Items"][-1]
        names = {"transaction_id", "record"}
        if "IndexName" in asked:
            names |= {"listed_at", "card_id" if asked["IndexName"] == "by_card" else "listed_in"}
        facts["LastEvaluatedKey"] = {name: last[name] for name in names}

    return edited(shorten)


def empty(start: Any) -> Fault:
    """Return the fault that answers a page with nothing on it, to go on after `start`."""

    def clear(asked: Any, facts: Any) -> None:
        hashed = {"listed_in", "card_id"} & {*start(asked)}
        facts["Items"], facts["Count"] = [], 0
        facts["LastEvaluatedKey"] = start(asked)
        assert ("IndexName" in asked) == bool(hashed)

    return edited(clear)


def leaving_out(these: slice) -> Fault:
    """Return the fault that answers a batch without those items; they are to be asked again."""

    def leave_out(asked: Any, facts: Any) -> None:
        ((name, wanted),) = asked["RequestItems"].items()
        left = wanted["Keys"][these]
        facts["Responses"][name] = [
            one
            for one in facts["Responses"].get(name, [])
            if {"transaction_id": one["transaction_id"], "record": one["record"]} not in left
        ]
        facts["UnprocessedKeys"] = {name: wanted | {"Keys": left}} if left else {}

    return edited(leave_out)
