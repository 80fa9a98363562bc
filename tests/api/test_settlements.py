"""Settlement over HTTP, T+1: batches by business day and currency, their reports, what they pay."""

import csv
import io
from typing import Any

from tests.api.days import (
    advance,
    balances,
    batches,
    body_of,
    captured,
    choose,
    lines,
    log,
    read,
    refunded,
    unsound,
    until,
)
from tests.api.harness import Api
from tests.api.settlement_situations import UNKNOWN_BATCH

DAYS = ("2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z")
ROUTES = ("/settlements/{}", "/settlements/{}/report.csv", "/settlements/{}/report.json")


async def test_the_day_after(api: Api) -> None:
    """What a day took is one batch for each currency, closed at its end and paid a day later."""
    first = await captured(api, 1000)
    await captured(api, 2500)
    await captured(api, 990, currency="EUR")
    await refunded(api, first["transaction_id"], 500)
    before = await batches(api), await balances(api)
    await until(api, DAYS[0])
    closed = await batches(api)
    on_the_way = await balances(api)
    await until(api, DAYS[1])
    paid = await batches(api)
    payment = await read(api, f"/payments/{first['auth_id']}")

    assert before == ([], {"EUR": {"pending": 990}, "USD": {"pending": 3000}})
    assert closed[0] == {
        "settlement_id": closed[0]["settlement_id"],
        "state": "closed",
        "currency": "USD",
        "business_day": "2026-03-02",
        "count": 3,
        "capture_count": 2,
        "refund_count": 1,
        "gross": 3500,
        "refunds": 500,
        "fees": 59 + 103,
        "net": 2838,
        "brought_forward": 0,
        "payout_amount": 2838,
        "carried_forward": 0,
        "payout_date": "2026-03-04",
        "closes_at": "2026-03-03T00:00:00.000Z",
        "closed_at": "2026-03-03T00:00:00.000Z",
        "paid_at": None,
        "created_at": "2026-03-03T00:00:00.000Z",
    }
    assert [(one["currency"], one["net"]) for one in closed] == [("USD", 2838), ("EUR", 931)]
    assert on_the_way == {
        "EUR": {"in_transit": 931, "fees": 59},
        "USD": {"in_transit": 2838, "fees": 162},
    }
    paid_at = {"state": "paid", "paid_at": "2026-03-04T00:00:00.000Z"}
    assert paid == [one | paid_at for one in closed]
    assert await read(api, f"/settlements/{closed[0]['settlement_id']}") == paid[0]
    assert await balances(api) == {
        "EUR": {"paid_out": 931, "fees": 59},
        "USD": {"paid_out": 2838, "fees": 162},
    }
    assert (payment["settled_amount"], payment["captures"][0]["settled"]) == (1000, True)
    assert await unsound(api) == []


async def test_the_reports_of_a_batch(api: Api) -> None:
    """A line for each capture and refund, the same twice, in CSV as in JSON; no cell is run."""
    texts = ["=1+1", '-"a", b', "+1", "@x", "a;b\u00e9", "\uff1d1+1", None]
    made = [await captured(api, 1000 + at, reference=one) for at, one in enumerate(texts) if one]
    made.append(await captured(api, 1006))
    back = await refunded(api, made[0]["transaction_id"], 300)
    await until(api, DAYS[0])
    (batch,) = await batches(api)
    path = f"/settlements/{batch['settlement_id']}/report"
    as_csv = [await api.client.get(f"{path}.csv") for _ in range(2)]
    as_json = [await api.client.get(f"{path}.json") for _ in range(2)]
    rows = list(csv.DictReader(io.StringIO(as_csv[0].text, newline="")))
    report = body_of(as_json[0])

    assert as_csv[0].content == as_csv[1].content
    assert as_json[0].content == as_json[1].content
    assert as_csv[0].headers["content-type"] == "text/csv; charset=utf-8"
    name = 'attachment; filename="settlement-2026-03-02-USD.csv"'
    assert as_csv[0].headers["content-disposition"] == name
    assert as_json[0].headers["content-type"] == "application/json"
    assert as_csv[0].text.count("\r\n") == 9
    assert report["settlement"] == batch
    shown = [{name: str(value or "") for name, value in one.items()} for one in report["lines"]]
    plain = [one | {"reference": one["reference"].removeprefix("'")} for one in rows]
    assert [one | {"fee": one["fee"] or "0"} for one in shown] == plain
    assert {one["reference"] for one in rows} == {
        "'=1+1",
        '\'-"a", b',
        "'+1",
        "'@x",
        texts[4],
        "'\uff1d1+1",
        "",
    }
    of_first = [one for one in report["lines"] if one["auth_id"] == made[0]["auth_id"]]
    settled_by = of_first[0]["settled_by"]
    assert of_first == [
        {
            "settlement_id": batch["settlement_id"],
            "business_day": "2026-03-02",
            "auth_id": made[0]["auth_id"],
            "transaction_id": one["transaction_id"],
            "type": one["type"],
            "amount": one["amount"],
            "fee": fee,
            "net": net,
            "currency": "USD",
            "reference": "=1+1",
            "card_brand": "visa",
            "card_last4": "4242",
            "created_at": one["created_at"],
            "settled_by": settled_by,
        }
        for one, fee, net in ((made[0], 59, 941), (back, 0, -300))
    ]
    assert (await read(api, f"/transactions/{settled_by}"))["amount"] == 641
    assert sum(one["net"] for one in report["lines"]) == batch["net"]


async def test_fees_kept_and_returned(api: Api) -> None:
    """Many partial refunds return what one whole refund does; or nothing is returned."""
    await choose(api, fee_rate_bps=250, fee_fixed=10, fee_on_refund="returned")
    capture = await captured(api, 1001)
    for part in (333, 333, 335):
        await refunded(api, capture["transaction_id"], part)
    await until(api, DAYS[0])
    await choose(api, fee_on_refund="kept")
    kept = await captured(api, 1001)
    await refunded(api, kept["transaction_id"])
    await until(api, DAYS[1])
    last, first = await batches(api)

    assert [(one["type"], one["fee"], one["net"]) for one in await lines(api, first)] == [
        ("capture", 35, 966),
        ("refund", -12, -321),
        ("refund", -11, -322),
        ("refund", -12, -323),
    ]
    assert (first["fees"], first["net"], first["payout_amount"], first["payout_date"]) == (
        *(0, 0, 0),
        None,
    )
    assert [one["fee"] for one in await lines(api, last)] == [35, 0]
    assert (last["net"], last["carried_forward"], last["state"]) == (-35, -35, "closed")
    assert await balances(api) == {"USD": {"available": -35, "fees": 35}}
    assert await unsound(api) == []


async def test_what_is_heard_of_it(api: Api) -> None:
    """Each settled payment is an event, and so are a batch's closing and its payout."""
    capture = await captured(api)
    told = await advance(api, to=DAYS[0])
    (closed,) = await batches(api)
    await until(api, DAYS[1])
    (paid,) = await batches(api)
    events = await log(api, "/events", told["events_cursor"])
    stl = closed["settlement_id"]
    transaction = await read(api, f"/transactions/{events[0]['data']['transaction_id']}")
    core = capture["auth_id"].removeprefix("auth_")

    assert events == [
        {
            "id": f"evt_{core}_3",
            "type": "transaction_settled",
            "timestamp": "2026-03-03T00:00:00.000Z",
            "sequence": 3,
            "data": transaction,
        },
        {
            "id": f"evt_{stl}_1",
            "type": "settlement_closed",
            "timestamp": "2026-03-03T00:00:00.000Z",
            "sequence": 1,
            "data": closed,
        },
        {
            "id": f"evt_{stl}_2",
            "type": "settlement_paid",
            "timestamp": "2026-03-04T00:00:00.000Z",
            "sequence": 2,
            "data": paid,
        },
    ]
    assert transaction == {
        "status": "completed",
        "transaction_id": f"set_{core}_3",
        "seq": 3,
        "type": "settlement",
        "auth_id": capture["auth_id"],
        "amount": 941,
        "currency": "USD",
        "capturable_amount": 0,
        "refundable_amount": 1000,
        "created_at": "2026-03-03T00:00:00.000Z",
        "settlement": {
            "settlement_id": stl,
            "gross": 1000,
            "refunds": 0,
            "fees": 59,
            "net": 941,
        },
    }
    for one in events:
        assert await read(api, f"/events/{one['id']}") == one


BAD = [
    *("?currency=usd", "?currency=XXX", "?currency=", "?state=unknown", "?state=OPEN", "?limit=0"),
    *("?limit=101", "?cursor=abc", "?cursor=YXV0aF8wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==", "?x=1"),
    *("?cursor=MjAyNi0wMy0wMiNVU0QK", "?state=open&state=open"),
]


async def test_pages_and_filters(api: Api) -> None:
    """Pages lead through all, newest first; filters narrow, and a bad question is refused."""
    for day in DAYS:
        for currency in ("USD", "EUR"):
            await captured(api, 1000, currency=currency)
        await until(api, day)
    whole = await batches(api)

    async def walked(query: str) -> list[dict[str, Any]]:
        found, cursor = list[dict[str, Any]](), ""
        while True:
            page = await read(api, f"/settlements?{query}{cursor}")
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    assert [(one["business_day"][-2:], one["currency"]) for one in whole] == [
        *(("04", "USD"), ("04", "EUR"), ("03", "USD")),
        *(("03", "EUR"), ("02", "USD"), ("02", "EUR")),
    ]
    for limit in (1, 2, 5, 6):
        assert await walked(f"limit={limit}") == whole
    assert await walked("limit=2&currency=EUR") == whole[1::2]
    assert await walked("limit=1&state=paid") == whole[2:]
    assert await walked("limit=1&state=closed&currency=USD") == whole[:1]
    assert await walked("state=open") == await walked("currency=GBP") == []
    for query in BAD:
        answer = await api.client.get(f"/settlements{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), query


async def test_a_batch_that_is_not_ones_own(api: Api) -> None:
    """Another merchant's has the same bytes as one that nobody has, and is in no list."""
    second = api.as_second()
    await captured(api)
    await captured(second)
    await until(api, DAYS[0])
    (mine,) = await batches(api)
    nothing = [await batches(second), (await read(second, "/balances"))["data"][0]["in_transit"]]
    ids = [UNKNOWN_BATCH, "stl_x", "auth_" + "0" * 26]
    for route in ROUTES:
        assert (await api.client.get(route.format(mine["settlement_id"]))).status_code == 200
        theirs = await second.client.get(route.format(mine["settlement_id"]))
        alike = [await second.client.get(route.format(one)) for one in ids]

        assert theirs.status_code == 404
        assert {one.content for one in alike} == {theirs.content}
    assert nothing == [[], 0]
