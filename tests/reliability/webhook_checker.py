"""Compares what was committed with what was recorded and what arrived, and names every loss."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from payments_sandbox.domain.event import EVERYTHING
from payments_sandbox.domain.identifiers import event_id_of, place_of
from tests.reliability.webhook_load import Evidence
from tests.reliability.webhook_receivers import Arrival


class Loss(StrEnum):
    """What can be wrong."""

    EVENT = "lost event"
    RECORD = "lost delivery record"
    DOUBLED = "two delivery records"
    UNWANTED = "delivery of what is not wanted"
    FILE = "file and API differ"
    UNFINISHED = "neither delivered nor dead with a reason"
    ARRIVAL = "delivered, but nothing arrived"
    INVENTED = "arrival of what is no event"
    SIGNATURE = "signature does not verify"
    BODY = "body differs"


class Finding(NamedTuple):
    """Something that is wrong, and with what."""

    loss: Loss
    subject: str


class Counts(NamedTuple):
    """What happened, in numbers."""

    events: int
    deliveries: int
    delivered: int
    dead: Counter[str]
    """By reason."""
    attempts: int
    """As recorded: an attempt that a kill cut off is not."""
    arrivals: int
    taken: int
    """Arrivals answered with a success."""
    duplicates: int
    """Those beyond one for each event and endpoint."""

    @property
    def duplicate_rate(self) -> float:
        """How many duplicates come with each delivery that was taken."""
        return self.duplicates / max(self.taken - self.duplicates, 1)


def check(evidence: Evidence) -> list[Finding]:
    """Return everything that is wrong."""
    return [*_recorded(evidence), *_ended(evidence), *_arrived(evidence)]


def counts_of(evidence: Evidence) -> Counts:
    """Return what happened, in numbers."""
    arrivals = [one for heard in evidence.arrivals.values() for one in heard]
    states = Counter(one["state"] for one in evidence.records)
    taken = Counter(
        (endpoint_id, one.message_id)
        for endpoint_id, heard in evidence.arrivals.items()
        for one in heard
        if one.is_taken
    )
    return Counts(
        events=len(evidence.events),
        deliveries=len(evidence.records),
        delivered=states["delivered"],
        dead=Counter(one["dead_reason"] for one in evidence.records if one["state"] == "dead"),
        attempts=sum(one["attempts_made"] for one in evidence.records),
        arrivals=len(arrivals),
        taken=taken.total(),
        duplicates=taken.total() - len(taken),
    )


def planted(evidence: Evidence) -> dict[Loss, Evidence]:
    """Return the evidence with one fault each, by what the checker should call it."""
    delivered = next(one for one in evidence.records if one["state"] == "delivered")
    endpoint_id, event_id = delivered["endpoint_id"], delivered["event_id"]
    heard = evidence.arrivals[endpoint_id]
    one = next(each for each in heard if each.message_id == event_id)
    rest = [each for each in heard if each.message_id != event_id]

    def hearing(*arrivals: Arrival) -> Evidence:
        return replace(evidence, arrivals=evidence.arrivals | {endpoint_id: [*rest, *arrivals]})

    without = [each for each in evidence.records if each is not delivered]
    return {
        Loss.EVENT: replace(evidence, acknowledged=[*evidence.acknowledged, _ELSEWHERE]),
        Loss.RECORD: replace(evidence, records=without),
        Loss.DOUBLED: replace(evidence, records=[*evidence.records, delivered]),
        Loss.UNWANTED: replace(evidence, records=[*evidence.records, _of_nothing(delivered)]),
        Loss.FILE: replace(evidence, kept=evidence.kept | {delivered["delivery_id"]: "pending"}),
        Loss.UNFINISHED: replace(evidence, records=[*without, delivered | {"state": "dead"}]),
        Loss.ARRIVAL: hearing(),
        Loss.INVENTED: hearing(one, replace(one, message_id=f"evt_{_CORE}_1")),
        Loss.SIGNATURE: hearing(replace(one, verified=False)),
        # The same JSON in other bytes.
        Loss.BODY: hearing(one, replace(one, body=one.body.replace(b":", b": ", 1))),
    }


_CORE = "0" * 26
_ELSEWHERE = f"auth_{_CORE}"


def _of_nothing(record: dict[str, object]) -> dict[str, object]:
    return record | {"event_id": f"evt_{_CORE}_1"}


def _recorded(evidence: Evidence) -> Iterator[Finding]:
    """Yield where acknowledged requests, the log and the records are not of one another."""
    events = {one["id"] for one in evidence.events}
    for transaction_id in evidence.acknowledged:
        place = place_of(transaction_id)
        if event_id_of(place.payment_id, place.seq) not in events:
            yield Finding(Loss.EVENT, transaction_id)
    if not len(events) == len(evidence.events) == evidence.logged:
        yield Finding(Loss.EVENT, f"{evidence.logged} logged, {len(evidence.events)} listed")
    expected = _expected(evidence)
    recorded = Counter((one["endpoint_id"], one["event_id"]) for one in evidence.records)
    for endpoint_id, event_id in expected - recorded.keys():
        yield Finding(Loss.RECORD, f"{event_id} to {endpoint_id}")
    for endpoint_id, event_id in recorded.keys() - expected:
        yield Finding(Loss.UNWANTED, f"{event_id} to {endpoint_id}")
    for (endpoint_id, event_id), times in recorded.items():
        if times > 1:
            yield Finding(Loss.DOUBLED, f"{event_id} to {endpoint_id}")


def _ended(evidence: Evidence) -> Iterator[Finding]:
    """Yield records that are not at their end, and where the file says otherwise."""
    listed: dict[str, str] = {}
    for one in evidence.records:
        delivery_id, state, reason = one["delivery_id"], one["state"], one["dead_reason"]
        listed[delivery_id] = state
        if (state, reason is None) not in {("delivered", True), ("dead", False)}:
            yield Finding(Loss.UNFINISHED, delivery_id)
    for delivery_id in listed.keys() | evidence.kept.keys():
        if listed.get(delivery_id) != evidence.kept.get(delivery_id):
            yield Finding(Loss.FILE, delivery_id)


def _arrived(evidence: Evidence) -> Iterator[Finding]:
    """Yield what did not arrive, or not as it should."""
    expected = _expected(evidence)
    bodies: dict[str, bytes] = {}
    taken: set[tuple[str, str]] = set()
    for endpoint_id, heard in evidence.arrivals.items():
        for one in heard:
            subject = f"{one.message_id} to {endpoint_id}"
            if (endpoint_id, one.message_id) not in expected:
                yield Finding(Loss.INVENTED, subject)
            if not one.verified:
                yield Finding(Loss.SIGNATURE, subject)
            # The event's bytes are the same for each endpoint and on each attempt.
            if bodies.setdefault(one.message_id, one.body) != one.body:
                yield Finding(Loss.BODY, subject)
            if one.is_taken:
                taken.add((endpoint_id, one.message_id))
    yield from _told_otherwise(evidence, bodies)
    for one in evidence.records:
        if one["state"] == "delivered" and (one["endpoint_id"], one["event_id"]) not in taken:
            yield Finding(Loss.ARRIVAL, one["delivery_id"])


def _told_otherwise(evidence: Evidence, bodies: dict[str, bytes]) -> Iterator[Finding]:
    """Yield events that arrived with another content than the API shows."""
    for one in evidence.events:
        body = bodies.get(one["id"])
        if body is not None and json.loads(body) != one:
            yield Finding(Loss.BODY, one["id"])


def _expected(evidence: Evidence) -> set[tuple[str, str]]:
    return {
        (endpoint_id, event["id"])
        for endpoint_id, types in evidence.wanted.items()
        for event in evidence.events
        if not {EVERYTHING, event["type"]}.isdisjoint(types)
    }
