"""The requests of the load, as ready bytes, and what is read from their answers."""

import json
from collections.abc import Iterator
from itertools import cycle
from secrets import token_hex

from bench.client import Connection, Script

API_KEY = b"sk_test_local"

# Published test cards that approve; for the load and for seeding, so that cards have a past.
CARDS = (
    "4242424242424242",
    "4111111111111111",
    "4012888888881881",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "3566002020360505",
    "3056930009020004",
    "6200000000000005",
    "4000000000000036",
    "4000000000000028",
    "4000000000000010",
    "4000000000000044",
)


def authorization_body(card_number: str) -> bytes:
    """Body of an authorization of 10.00 USD."""
    cvc = "1234" if card_number.startswith(("34", "37")) else "123"
    card = {"number": card_number, "exp_month": 12, "exp_year": 2035, "cvc": cvc}
    return _json({"card": card, "amount": 1000, "currency": "USD"})


def get(path: str) -> bytes:
    """Bytes of a GET."""
    return b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: %s\r\n\r\n" % (
        path.encode(),
        API_KEY,
    )


def post(path: str, body: bytes, key: str | None = None) -> bytes:
    """Bytes of a POST under an idempotency key of its own, or under the one handed in."""
    head = (
        b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: %s\r\nx-idempotency-key: %s\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    # Keys are random: keys in order would be kinder to the index than what clients send.
    return head % (path.encode(), API_KEY, (key or token_hex(16)).encode(), len(body)) + body


def authorizations() -> Iterator[bytes]:
    """Yield requests to authorize without end, each with its own key, the cards in turn."""
    for body in cycle([authorization_body(number) for number in CARDS]):
        yield post("/payments/authorize", body)


def authorize() -> Script:
    """Script of one new authorization."""
    requests = authorizations()

    async def script(connection: Connection) -> None:
        await connection.ask(next(requests), expect=201)

    return script


def flow() -> Script:
    """Script of authorize, capture all, refund all; each call needs the answer before it."""
    requests = authorizations()

    async def script(connection: Connection) -> None:
        payment = json.loads(await connection.ask(next(requests), expect=201))
        capture_body = _json({"auth_id": payment["auth_id"]})
        capture = json.loads(
            await connection.ask(post("/payments/capture", capture_body), expect=201)
        )
        refund_body = _json({"transaction_id": capture["transaction_id"]})
        await connection.ask(post("/payments/refund", refund_body), expect=201)

    return script


def in_turn(requests: list[bytes], *, expect: int) -> Script:
    """Script that sends the given requests one after the other, from the start again."""
    turn = cycle(requests)

    async def script(connection: Connection) -> None:
        await connection.ask(next(turn), expect=expect)

    return script


def _json(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
