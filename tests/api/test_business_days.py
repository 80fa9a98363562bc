"""Business days over HTTP: cut-offs, what is late, what is carried on, what can still be voided."""

from tests.api.days import (
    balances,
    batches,
    body_of,
    captured,
    choose,
    lines,
    read,
    refunded,
    unsound,
    until,
)
from tests.api.harness import Api

DAYS = ("2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z")


async def test_cut_off_weekend_and_holiday(api: Api) -> None:
    """A business day ends at its cut-off; what comes after it waits for the next one."""
    await choose(
        api,
        settlement_cutoff="17:00",
        settlement_days="weekdays",
        settlement_holidays=["2026-03-09"],
    )
    monday = await captured(api, 1000)
    await until(api, "2026-03-06T16:59:50Z")
    friday = await captured(api, 2000)
    await until(api, "2026-03-06T17:00:00Z")
    weekend = await captured(api, 3000)
    told = await until(api, "2026-03-11T00:00:00Z")
    found = await batches(api)
    due = [
        (await read(api, f"/payments/{one['auth_id']}"))["captures"][0]["settles_at"]
        for one in (monday, friday, weekend)
    ]

    assert [
        (one["business_day"], one["closes_at"][:16], one["payout_date"], one["gross"])
        for one in found
    ] == [
        ("2026-03-10", "2026-03-10T17:00", "2026-03-11", 3000),
        ("2026-03-06", "2026-03-06T17:00", "2026-03-10", 2000),
        ("2026-03-02", "2026-03-02T17:00", "2026-03-03", 1000),
    ]
    assert due == [one["closed_at"] for one in found[::-1]]
    assert [(one["type"], one["at"][:16]) for one in told["happenings"]] == [
        ("settlement_paid", "2026-03-10T00:00"),
        ("transaction_settled", "2026-03-10T17:00"),
        ("settlement_closed", "2026-03-10T17:00"),
        ("settlement_paid", "2026-03-11T00:00"),
    ]


async def test_more_refunds_than_captures(api: Api) -> None:
    """A refund after settlement is in the next batch; below zero, that leaves less to the next."""
    capture = await captured(api, 1000)
    stages = [await balances(api)]
    await until(api, DAYS[0])
    stages.append(await balances(api))
    await refunded(api, capture["transaction_id"])
    stages.append(await balances(api))
    await until(api, DAYS[1])
    stages.append(await balances(api))
    await captured(api, 1500)
    await until(api, DAYS[2])
    stages.append(await balances(api))
    await until(api, "2026-03-06T00:00:00Z")
    stages.append(await balances(api))
    names = ("net", "brought_forward", "payout_amount", "carried_forward", "payout_date", "state")

    assert [[one[name] for name in names] for one in (await batches(api))[::-1]] == [
        [941, 0, 941, 0, "2026-03-04", "paid"],
        [-1000, 0, 0, -1000, None, "closed"],
        [1426, -1000, 426, 0, "2026-03-06", "paid"],
    ]
    assert [one["USD"] for one in stages] == [
        {"pending": 1000},
        {"in_transit": 941, "fees": 59},
        {"pending": -1000, "in_transit": 941, "fees": 59},
        {"available": -1000, "paid_out": 941, "fees": 59},
        {"in_transit": 426, "paid_out": 941, "fees": 133},
        {"paid_out": 1367, "fees": 133},
    ]


async def test_a_late_capture_rolls_on(api: Api) -> None:
    """Two cut-offs may end one day: what the later one settles is in the open batch of the next."""
    early = await captured(api, 1000)
    await choose(api, settlement_cutoff="17:00")
    late = await captured(api, 2000)
    await until(api, "2026-03-03T12:00:00Z")
    rolled, first = await batches(api)
    paying = await balances(api)
    await until(api, "2026-03-03T17:00:00Z")
    closed = (await batches(api))[0]

    assert [one["auth_id"] for one in await lines(api, first)] == [late["auth_id"]]
    assert (first["business_day"], first["closes_at"]) == ("2026-03-02", "2026-03-02T17:00:00.000Z")
    assert [one["auth_id"] for one in await lines(api, rolled)] == [early["auth_id"]]
    assert (rolled["state"], rolled["business_day"]) == ("open", "2026-03-03")
    assert rolled["closes_at"] == "2026-03-03T17:00:00.000Z"
    assert [rolled[name] for name in ("gross", "net", "payout_amount", "brought_forward")] == [
        *(1000, 941),
        *(None, None),
    ]
    assert paying == {"USD": {"available": 941, "paid_out": 1912, "fees": 147}}
    assert (closed["state"], closed["payout_amount"]) == ("closed", 941)
    assert await unsound(api) == []


async def test_days_that_nobody_ran(api: Api) -> None:
    """A run after three days makes the batch of each, as three runs would have."""
    for _ in range(3):
        await captured(api, 1000)
        await captured(api, 2000, currency="EUR")
        api.clock.advance(days=1)
    api.clock.advance(days=1)
    ran = body_of(await api.client.post("/sandbox/settlements/run"))
    found = await batches(api)

    assert [(one["business_day"][-2:], one["currency"], one["gross"]) for one in found] == [
        *(("04", "USD", 1000), ("04", "EUR", 2000), ("03", "USD", 1000)),
        *(("03", "EUR", 2000), ("02", "USD", 1000), ("02", "EUR", 2000)),
    ]
    assert {one["state"] for one in found} == {"paid"}
    moments = [one["at"] for one in ran["happenings"]]
    assert moments == sorted(moments)
    assert await unsound(api) == []


async def test_the_void_of_a_capture(api: Api) -> None:
    """Before the cut-off it reverses the capture, which no batch takes; after it only a refund."""
    reversed_, kept, touched = [await captured(api, 1000) for _ in range(3)]
    await refunded(api, touched["transaction_id"], 1)
    ids = [{"transaction_id": one["transaction_id"]} for one in (reversed_, kept, touched)]
    void = body_of(await api.post("void", ids[0]), 201)
    head = await read(api, f"/payments/{reversed_['auth_id']}")
    again = await api.post("void", ids[0])
    refund = await api.post("refund", ids[0])
    partly = await api.post("void", ids[2])
    await until(api, DAYS[0])
    late = await api.post("void", ids[1])
    (batch,) = await batches(api)
    taken = {one["auth_id"] for one in await lines(api, batch)}

    assert (void["status"], void["type"], void["amount"]) == ("completed", "void", 1000)
    assert void["allocations"] == [ids[0] | {"amount": 1000}]
    assert (head["captured_amount"], head["capturable_amount"]) == (0, 1000)
    assert (head["status"], head["captures"][0]["voided"]) == ("authorized", True)
    assert [(one.status_code, one.json()["code"]) for one in (again, refund, partly, late)] == [
        (409, "already_voided"),
        (409, "already_voided"),
        (409, "already_refunded"),
        (409, "already_settled"),
    ]
    assert "Refund it instead" in late.json()["detail"]
    assert taken == {kept["auth_id"], touched["auth_id"]}
    assert (await refunded(api, kept["transaction_id"]))["status"] == "completed"


async def test_the_cut_off_itself_is_too_late(api: Api) -> None:
    """A capture is settled for its merchant from the cut-off on, though no run has come yet."""
    capture = await captured(api)
    api.clock.advance(hours=12)
    refused = await api.post("void", {"transaction_id": capture["transaction_id"]})

    assert await batches(api) == []
    assert (refused.status_code, refused.json()["code"]) == (409, "already_settled")
