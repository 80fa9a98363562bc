"""What is wrong with an answer: the rule that it breaks, and the answer as an example."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]
PATIENCE_MAX_S = 120
EXAMPLE_CHARACTERS = 300
# What happens to a payment by itself, when its day ends during the run.
BY_ITSELF = {"settlement", "expiry"}


class Fault(NamedTuple):
    """A broken rule, the same words each time, and what broke it this time."""

    rule: str
    example: str


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names are in lower case. Status 0 is no answer at all."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body, or nothing if it is no JSON object."""
        try:
            return dict(json.loads(self.body))
        except (ValueError, TypeError):
            return {}

    @property
    def is_replayed(self) -> bool:
        """Whether it says that it was given before."""
        return self.headers.get("idempotent-replayed") == "true"


@dataclass(frozen=True)
class Call:
    """A request and what must come back: a status, and members of the answer.

    `first` is the answer that the same request got before, if it is sent again.
    """

    kind: str
    method: str
    path: str
    status: int
    expected: Json
    body: Json | None = None
    key: str | None = None
    first: Reply | None = None
    history: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """For a payment that is read: its transactions by id, as they were answered."""


def faults_of(call: Call, reply: Reply) -> list[Fault]:
    """Return what is wrong with the answer to a call."""
    if call.first is not None:
        return _replay_faults(call, call.first, reply)
    if reply.status != call.status:
        return [_fault(f"{call.kind}: not the status that it should be", reply)]
    answer = reply.json
    faults = [
        _fault(f"{call.kind}: {name} is wrong", reply)
        for name, value in call.expected.items()
        if answer.get(name) != value
    ]
    if reply.is_replayed:
        faults.append(_fault(f"{call.kind}: a first answer says that it is a replay", reply))
    if call.history:
        faults += _history_faults(call, answer, reply)
    return faults


def throttle_faults(reply: Reply) -> list[Fault]:
    """Return what is wrong with a 429: it has to say when to come back."""
    if _retry_after_s(reply) is None:
        return [_fault("429: no Retry-After in seconds", reply)]
    return []


def patience_s(reply: Reply) -> int:
    """Return for how long a 429 asks to be left alone, in seconds, from 1 up to two minutes."""
    return min(max(_retry_after_s(reply) or 1, 1), PATIENCE_MAX_S)


def _retry_after_s(reply: Reply) -> int | None:
    text = reply.headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _replay_faults(call: Call, first: Reply, reply: Reply) -> list[Fault]:
    if (reply.status, reply.body) != (first.status, first.body):
        return [_fault(f"{call.kind}: not the first answer, byte for byte", reply)]
    if not reply.is_replayed:
        return [_fault(f"{call.kind}: does not say that it is a replay", reply)]
    return []


def _history_faults(call: Call, answer: Json, reply: Reply) -> list[Fault]:
    """Compare a payment's transactions with the answers that its user has got."""
    listed: list[Json] = answer.get("transactions") or []
    found = {str(one.get("transaction_id")): one for one in listed}
    faults: list[Fault] = []
    for transaction_id, known in call.history.items():
        shown = found.pop(transaction_id, None)
        if shown is None:
            faults.append(_fault(f"{call.kind}: a transaction is missing", reply))
        elif not _is_of(shown, known):
            faults.append(_fault(f"{call.kind}: a transaction is not as it was answered", reply))
    if any(one.get("type") not in BY_ITSELF for one in found.values()):
        faults.append(_fault(f"{call.kind}: a transaction that nobody asked for", reply))
    return faults


def _is_of(shown: Json, known: Json) -> bool:
    """Tell whether a transaction is the one of an answer; a refusal's answer is a problem."""
    if "code" in known:
        return (shown.get("error_code"), shown.get("seq")) == (known["code"], known["seq"])
    return shown == known


def _fault(rule: str, reply: Reply) -> Fault:
    return Fault(rule, f"{reply.status} {reply.body[:EXAMPLE_CHARACTERS].decode(errors='replace')}")
