"""The money path as a caller sees it: shapes, amounts, outcomes."""

import pytest

from payments_sandbox.domain.test_cards import TEST_CARDS
from tests.api.harness import Api
from tests.running import AUTHORIZE, CARD

UNPUBLISHED = "4539578763621486"


async def test_an_authorization_says_everything(api: Api) -> None:
    """An approval has exactly the members that are promised."""
    body = AUTHORIZE | {"reference": "order 7", "metadata": {"basket": "42"}}
    answer = (await api.post("authorize", body)).json()

    assert answer == {
        "status": "approved",
        "auth_id": answer["auth_id"],
        "transaction_id": answer["auth_id"],
        "seq": 1,
        "type": "authorization",
        "amount": 1000,
        "approved_amount": 1000,
        "currency": "USD",
        "card": {
            "card_id": answer["card"]["card_id"],
            "brand": "visa",
            "last4": "4242",
            "exp_month": 12,
            "exp_year": 2035,
        },
        "response_code": "00",
        "approval_code": answer["auth_id"][-6:].upper(),
        "cvc_result": "M",
        "capturable_amount": 1000,
        "capture_before": "2026-03-09T12:00:00.000Z",
        "simulation": {"rule": "test_card", "source": "card.number"},
        "metadata": {"basket": "42"},
        "reference": "order 7",
        "created_at": "2026-03-02T12:00:00.000Z",
    }


async def test_a_decline_is_an_answer(api: Api) -> None:
    """A decline is a 201 that says why and what to do, with nothing to capture."""
    answer = await api.authorize_card("4000000000009995")

    assert answer["status"] == "declined"
    assert answer["response_code"] == "51"
    assert answer["decline_code"] == "insufficient_funds"
    assert answer["advice"] == "retry_later"
    assert (answer["approved_amount"], answer["capturable_amount"]) == (0, 0)
    assert answer["capture_before"] is None
    assert "approval_code" not in answer


@pytest.mark.parametrize("number", TEST_CARDS)
async def test_every_published_card_does_as_published(api: Api, number: str) -> None:
    """Each test card gives its response code, decline code and check results."""
    published = TEST_CARDS[number]
    answer = await api.authorize_card(number)

    assert answer["response_code"] == published.response_code
    assert answer["simulation"]["rule"] == "test_card"
    assert answer["cvc_result"] == (published.cvc_result or "M")
    assert answer.get("avs_result") == published.avs_result
    if published.decline_code is not None:
        assert answer["decline_code"] == published.decline_code


async def test_simulate_beats_the_card(api: Api) -> None:
    """A simulated response code decides, whatever the card would do."""
    answer = await api.authorize_card("4000000000000002", simulate={"response_code": "91"})

    assert answer["response_code"] == "91"
    assert answer["decline_code"] == "issuer_not_available"
    assert answer["simulation"] == {"rule": "simulate", "source": "simulate.response_code"}


async def test_a_partial_approval(api: Api) -> None:
    """Code 10 approves the smaller amount, if the caller takes partial approvals."""
    simulate = {"response_code": "10", "approved_amount": 600}
    answer = await api.authorize(partial_approval=True, simulate=simulate)

    assert answer["status"] == "approved"
    assert (answer["amount"], answer["approved_amount"]) == (1000, 600)
    assert answer["capturable_amount"] == 600


async def test_a_partial_approval_nobody_takes(api: Api) -> None:
    """Code 10 without partial_approval is a decline for insufficient funds."""
    answer = await api.authorize(simulate={"response_code": "10", "approved_amount": 600})

    assert (answer["status"], answer["response_code"]) == ("declined", "51")


async def test_the_amount_rule_is_a_setting(api: Api) -> None:
    """The last two digits decide once the merchant says so."""
    before = await api.authorize_card(UNPUBLISHED, amount=1051)
    settings = await api.client.patch("/sandbox/settings", json={"amount_rule": "cents"})
    after = await api.authorize_card(UNPUBLISHED, amount=1051)

    assert settings.json()["amount_rule"] == "cents"
    assert before["simulation"] == {"rule": "approve", "source": "default"}
    assert after["response_code"] == "51"
    assert after["simulation"] == {"rule": "amount_rule", "source": "amount"}


async def test_an_expired_card_is_declined(api: Api) -> None:
    """A card past its expiry is a 54, named as such."""
    answer = await api.authorize(card=CARD | {"exp_month": 2, "exp_year": 2026})

    assert answer["response_code"] == "54"
    assert answer["simulation"] == {"rule": "card_expired", "source": "card.exp_year"}


async def test_test_cards_only_keeps_real_cards_out(api: Api) -> None:
    """With the setting on, an unpublished number is a 422 that repeats nothing."""
    await api.client.patch("/sandbox/settings", json={"test_cards_only": True})
    response = await api.post("authorize", AUTHORIZE | {"card": CARD | {"number": UNPUBLISHED}})

    assert response.status_code == 422
    assert response.json()["param"] == "card.number"
    assert UNPUBLISHED not in response.text


@pytest.mark.parametrize(("currency", "status"), [("JPY", 201), ("KWD", 201), ("HRK", 422)])
async def test_currencies(api: Api, currency: str, status: int) -> None:
    """Active codes of any exponent are taken, withdrawn ones refused."""
    response = await api.post("authorize", AUTHORIZE | {"currency": currency})

    assert response.status_code == status


async def test_captures_and_refunds_in_parts(api: Api) -> None:
    """Two captures, a refund over the whole payment, and what is left each time."""
    auth_id = (await api.authorize())["auth_id"]
    first = (await api.post("capture", {"auth_id": auth_id, "amount": 300})).json()
    body = {"auth_id": auth_id, "amount": 500.0, "currency": "USD", "final": True}
    second = (await api.post("capture", body)).json()
    refund = (await api.post("refund", {"transaction_id": auth_id, "amount": 400})).json()
    one = await api.post("refund", {"transaction_id": second["transaction_id"], "amount": 50})

    assert first == {
        "status": "completed",
        "transaction_id": "cap" + auth_id[4:] + "_2",
        "seq": 2,
        "type": "capture",
        "auth_id": auth_id,
        "amount": 300,
        "currency": "USD",
        "capturable_amount": 700,
        "refundable_amount": 300,
        "created_at": "2026-03-02T12:00:00.000Z",
    }
    assert (second["capturable_amount"], second["refundable_amount"]) == (0, 800)
    assert refund["allocations"] == [
        {"transaction_id": first["transaction_id"], "amount": 300},
        {"transaction_id": second["transaction_id"], "amount": 100},
    ]
    assert one.json()["refundable_amount"] == 350


async def test_a_payment_shows_its_history(api: Api) -> None:
    """A payment read back has its amounts and every transaction, failed ones too."""
    authorized = await api.authorize(reference="r1")
    auth_id = authorized["auth_id"]
    captured = (await api.post("capture", {"auth_id": auth_id, "amount": 300})).json()
    await api.post("capture", {"auth_id": auth_id, "amount": 9_000})
    voided = (await api.post("void", {"auth_id": auth_id})).json()
    payment = (await api.client.get(f"/payments/{auth_id}")).json()

    assert payment["status"] == "captured"
    assert payment["captured_amount"] == 300
    assert payment["capturable_amount"] == 0
    assert payment["transactions"][0] == authorized
    assert payment["transactions"][1] == captured
    assert payment["transactions"][2]["error_code"] == "amount_exceeds_capturable"
    assert payment["transactions"][3] == voided
    assert [one["seq"] for one in payment["transactions"]] == [1, 2, 3, 4]


async def test_an_authorization_expires_by_itself(api: Api) -> None:
    """From capture_before on, a payment is expired, its expiry is recorded, a capture fails."""
    auth_id = (await api.authorize())["auth_id"]
    api.clock.advance(days=7)
    listed = (await api.client.get("/payments?status=expired")).json()
    capture = await api.post("capture", {"auth_id": auth_id})
    payment = (await api.client.get(f"/payments/{auth_id}")).json()

    assert [one["auth_id"] for one in listed["data"]] == [auth_id]
    assert (capture.status_code, capture.json()["code"]) == (409, "authorization_expired")
    assert [one["type"] for one in payment["transactions"]] == [
        "authorization",
        "expiry",
        "capture",
    ]
    assert payment["transactions"][1]["created_at"] == "2026-03-09T12:00:00.000Z"


async def test_every_transaction_reads_back(api: Api) -> None:
    """A transaction read by its id is what was answered."""
    authorized = await api.authorize()
    captured = (await api.post("capture", {"auth_id": authorized["auth_id"]})).json()
    for answer in (authorized, captured):
        read = await api.client.get(f"/transactions/{answer['transaction_id']}")

        assert read.json() == answer


async def test_lists_page_newest_first(api: Api) -> None:
    """Following next_cursor gives every payment once, newest first, filters applied."""
    made = [
        (await api.authorize(reference="odd" if number % 2 else "even"))["auth_id"]
        for number in range(7)
    ]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api.client.get(f"/payments?reference=even&limit=2{cursor}")).json()
        seen += [one["auth_id"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert seen == sorted(made[::2], reverse=True)
