"""Idempotency as a caller sees it: the same bytes again, for a day, in its own scope."""

import asyncio
from collections import Counter

from tests.api.harness import Api
from tests.running import AUTHORIZE, CARD


async def test_a_replay_has_the_same_bytes(api: Api) -> None:
    """The same key and body give the first answer again, and a header that says so."""
    first = await api.post("authorize", AUTHORIZE, "k1")
    await api.post("capture", {"auth_id": first.json()["auth_id"]})
    again = await api.post("authorize", AUTHORIZE, "k1")

    assert again.status_code == 201
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_insignificant_differences_do_not_matter(api: Api) -> None:
    """Order of names, white space and 1000.0 for 1000 are the same body."""
    first = await api.post("authorize", AUTHORIZE, "k1")
    body = (
        '{ "currency":"USD", "amount": 1000.0,\n "card": {"cvc": "123", "exp_year": 2035,'
        ' "exp_month": 12, "number": "4242424242424242"}}'
    )
    headers = {"idempotency-key": '"k1"', "content-type": "application/json"}
    again = await api.client.post("/payments/authorize", content=body, headers=headers)

    assert again.content == first.content


async def test_declines_and_failures_replay(api: Api) -> None:
    """A decline and a failed capture are outcomes: they replay, even once they would succeed."""
    declined = AUTHORIZE | {"simulate": {"response_code": "51"}}
    decline = await api.post("authorize", declined, "d1")
    auth_id = (await api.authorize())["auth_id"]
    failed = await api.post("capture", {"auth_id": auth_id, "amount": 2_000}, "c1")
    again = [
        await api.post("authorize", declined, "d1"),
        await api.post("capture", {"auth_id": auth_id, "amount": 2_000.0}, "c1"),
    ]

    assert [one.content for one in again] == [decline.content, failed.content]
    assert failed.status_code == again[1].status_code == 422
    assert all(one.headers["idempotent-replayed"] == "true" for one in again)


async def test_a_key_lives_a_day_in_its_operation(api: Api) -> None:
    """A key is free for another operation, and for any body once 24 hours are over."""
    auth_id = (await api.post("authorize", AUTHORIZE, "k1")).json()["auth_id"]
    other_operation = await api.post("capture", {"auth_id": auth_id}, "k1")
    other_body = AUTHORIZE | {"amount": 5}
    early = await api.post("authorize", other_body, "k1")
    api.clock.advance(hours=24)
    late = await api.post("authorize", other_body, "k1")

    assert other_operation.status_code == 201
    assert (early.status_code, early.json()["code"]) == (422, "idempotency_key_reused")
    assert (late.status_code, late.json()["amount"]) == (201, 5)


async def test_bad_input_spends_no_key(api: Api) -> None:
    """After a 422 the corrected body goes under the same key."""
    bad = await api.post("authorize", AUTHORIZE | {"amount": "1000"}, "k1")
    good = await api.post("authorize", AUTHORIZE, "k1")

    assert (bad.status_code, good.status_code) == (422, 201)
    assert "idempotent-replayed" not in good.headers


async def test_64_identical_requests_at_once(api: Api) -> None:
    """They are one transaction and 64 equal answers."""
    answers = await asyncio.gather(*(api.post("authorize", AUTHORIZE, "k1") for _ in range(64)))
    listed = (await api.client.get("/payments?limit=100")).json()["data"]

    assert {answer.content for answer in answers} == {answers[0].content}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(listed) == 1


async def test_50_captures_of_30_on_1000(api: Api) -> None:
    """Exactly 33 complete and 17 fail, numbered without gaps."""
    auth_id = (await api.authorize())["auth_id"]
    body = {"auth_id": auth_id, "amount": 30}
    answers = await asyncio.gather(*(api.post("capture", body) for _ in range(50)))
    payment = (await api.client.get(f"/payments/{auth_id}")).json()

    assert Counter(answer.status_code for answer in answers) == {201: 33, 422: 17}
    assert payment["captured_amount"] == 990
    assert [one["seq"] for one in payment["transactions"]] == list(range(1, 52))


async def test_a_full_payment_still_replays(api: Api) -> None:
    """The 101st capture is refused and leaves nothing, yet the 100th replays."""
    auth_id = (await api.authorize())["auth_id"]
    body = {"auth_id": auth_id, "amount": 1}
    captures = [await api.post("capture", body, f"c{number}") for number in range(100)]
    over = await api.post("capture", body, "c100")
    last = await api.post("capture", body, "c99")

    assert {one.status_code for one in captures} == {201}
    assert (over.status_code, over.json()["code"]) == (409, "payment_full")
    assert last.content == captures[99].content


async def test_an_answer_replays_under_stricter_settings(api: Api) -> None:
    """What was answered before test_cards_only was switched on still replays."""
    body = AUTHORIZE | {"card": CARD | {"number": "4539578763621486"}}
    first = await api.post("authorize", body, "k1")
    await api.client.patch("/sandbox/settings", json={"test_cards_only": True})
    again = await api.post("authorize", body, "k1")
    new = await api.post("authorize", body, "k2")

    assert again.content == first.content
    assert (new.status_code, new.json()["param"]) == (422, "card.number")
