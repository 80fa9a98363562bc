"""Clients that keep a sandbox busy and write down what it acknowledged."""

import json
import random
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from threading import Thread

from tests.running import API_KEY, AUTHORIZE, Answer, Running

CLIENTS = 8
_OPEN_MAX = 16
_RECORDED = {201, 409, 422}


@dataclass(frozen=True)
class Sent:
    """A request that can be sent again, the same."""

    key: str
    path: str
    body: Mapping[str, object]

    def to(self, sandbox: Running) -> Answer:
        """Send it on a connection of its own."""
        return sandbox.call("POST", self.path, self.body, key=self.key)


@dataclass(frozen=True)
class Acknowledged:
    """A request and the answer that says it is recorded."""

    sent: Sent
    answer: Answer

    @property
    def transaction_id(self) -> str:
        """The transaction that answers it."""
        return str(self.answer.json["transaction_id"])

    @property
    def auth_id(self) -> str:
        """The payment it is about."""
        return str(self.answer.json["auth_id"])


@dataclass
class Journal:
    """What clients know: requests without an answer are in doubt."""

    acknowledged: list[Acknowledged] = field(default_factory=list[Acknowledged])
    in_doubt: dict[str, Sent] = field(default_factory=dict[str, Sent])
    refused: list[Acknowledged] = field(default_factory=list[Acknowledged])
    """Answers that say nothing is recorded; the same request may be sent again."""

    def note(self, sent: Sent, answer: Answer) -> None:
        """Write an answer down."""
        if is_recorded(answer):
            self.acknowledged.append(Acknowledged(sent, answer))
        else:
            self.refused.append(Acknowledged(sent, answer))
        self.in_doubt.pop(sent.key, None)

    def payments(self) -> dict[str, list[Acknowledged]]:
        """Return what is acknowledged, by payment."""
        found: dict[str, list[Acknowledged]] = {}
        for one in self.acknowledged:
            found.setdefault(one.auth_id, []).append(one)
        return found


def is_recorded(answer: Answer) -> bool:
    """Tell whether a transaction stands behind the answer; a refusal by the rules has one too."""
    return answer.status in _RECORDED and "transaction_id" in answer.json


def is_replayed(answer: Answer) -> bool:
    """Tell whether the answer says that it was given before."""
    return answer.headers.get("idempotent-replayed") == "true"


def merged(journals: Iterable[Journal]) -> Journal:
    """Return one journal of what several acknowledged."""
    return Journal([one for journal in journals for one in journal.acknowledged])


def start_clients(sandbox: Running, seed: str, journal: Journal) -> list[Thread]:
    """Start clients that send until their connection breaks; `seed` also begins their keys."""
    shared: list[str] = []
    clients = [
        Thread(target=_work, args=(sandbox.port, f"{seed}-{number}", journal, shared))
        for number in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    return clients


def authorization(key: str, **changes: object) -> Sent:
    """Return an authorization that can be found by its key, as its reference."""
    return Sent(key, "/payments/authorize", AUTHORIZE | {"reference": key} | changes)


def _work(port: int, name: str, journal: Journal, shared: list[str]) -> None:
    """Send one request after the other, on payments that the other clients work on too."""
    chance = random.Random(name)  # noqa: S311 - a seeded load
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        for number in count():
            sent = _next(chance, f"{name}-{number}", shared[-_OPEN_MAX:])
            journal.in_doubt[sent.key] = sent
            try:
                answer = _exchange(connection, sent)
            except (OSError, HTTPException):
                return
            journal.note(sent, answer)
            if sent.path == "/payments/authorize" and answer.status == 201:
                shared.append(answer.json["auth_id"])


def _next(chance: random.Random, key: str, open_payments: list[str]) -> Sent:
    """Return any request: some overdraw, some come too late, and are refused for it."""
    if not open_payments or chance.random() < 0.4:
        return authorization(key)
    auth_id, amount = chance.choice(open_payments), chance.randint(1, 600)
    match chance.choice(("capture", "capture", "capture", "refund", "refund", "void")):
        case "capture":
            return Sent(key, "/payments/capture", {"auth_id": auth_id, "amount": amount})
        case "refund":
            return Sent(key, "/payments/refund", {"transaction_id": auth_id, "amount": amount})
        case _:
            return Sent(key, "/payments/void", {"auth_id": auth_id})


def _exchange(connection: HTTPConnection, sent: Sent) -> Answer:
    headers = {
        "x-api-key": API_KEY,
        "x-idempotency-key": sent.key,
        "content-type": "application/json",
    }
    connection.request("POST", sent.path, json.dumps(sent.body), headers)
    response = connection.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, response.read())
