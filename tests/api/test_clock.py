"""A merchant's clock over HTTP: it moves forward alone, and tells all that happens on the way."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from payments_sandbox.adapters.sqlite import SqliteLedger
from tests.api.days import advance, batches, body_of, captured, log, read, unsound, until
from tests.api.harness import START, Api, ManualClock, api_over
from tests.running import AUTHORIZE

CLOCK, ADVANCE = "/sandbox/clock", "/sandbox/clock/advance"
SLOW_S = 8.0


async def now(api: Api) -> str:
    """Return the time on the merchant's clock."""
    return (await read(api, CLOCK))["now"]


async def test_it_moves_by_and_to_and_never_back(api: Api) -> None:
    """The same `to` may come again; one that lies behind is answered, and moves nothing."""
    at_first = await read(api, CLOCK)
    by = await advance(api, by="P1DT2H")
    to = await advance(api, to="2026-03-10T00:00:00+02:00")
    again = await advance(api, to="2026-03-09T22:00:00Z")
    back = await advance(api, to="2020-01-01T00:00:00Z")

    assert at_first == {
        "now": "2026-03-02T12:00:00.000Z",
        "real_now": "2026-03-02T12:00:00.000Z",
        "offset_s": 0.0,
        "next_due_at": None,
    }
    assert by == {
        "to": "2026-03-03T14:00:03.000Z",
        "complete": True,
        "reached": "2026-03-03T14:00:03.000Z",
        "counts": {},
        "happenings": [],
        "events_cursor": "start",
    }
    assert to["to"] == to["reached"] == again["to"] == "2026-03-09T22:00:00.000Z"
    assert (again["complete"], again["reached"]) == (True, "2026-03-09T22:00:03.000Z")
    assert (back["complete"], back["reached"]) == (True, "2026-03-09T22:00:06.000Z")
    assert await read(api, CLOCK) == {
        "now": "2026-03-09T22:00:06.000Z",
        "real_now": "2026-03-02T12:00:12.000Z",
        "offset_s": 640794.0,
        "next_due_at": None,
    }


GOOD = ["P0D", "PT1S", "PT90M", "P2W", "P1W1DT1H1M1S", "P1D", "P0400D"]
BAD: list[tuple[str | None, object]] = [
    ("by", {}),
    ("by", {"by": "P1D", "to": "2026-03-03T00:00:00Z"}),
    *(
        ("by", {"by": by})
        for by in (
            *("", "P", "PT", "P1DT", "1D", "p1d", "P1Y", "P1M", "P1.5D", "P1,5D", "-P1D", "P-1D"),
            *("+P1D", " P1D", "P1D ", "P1D\n", "P1H", "PT1D", "PT1S1M", "P401D", "P58W", "PT9601H"),
            *("P400DT1S", "P99999D", "PT999999999S", "P\u0661D", "P" + "1" * 60 + "D"),
            *(1, 1.5, True, None, ["P1D"], {"days": 1}),
        )
    ),
    *(
        ("to", {"to": to})
        for to in (
            *("", "tomorrow", "2026-03-03", "2026-03-03T00:00:00", "2026-13-01T00:00:00Z"),
            *("2027-04-06T12:00:01Z", "2027-04-06T12:00:00.001Z", "2099-01-01T00:00:00Z"),
            *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
            *(1772452800, None, [1]),
        )
    ),
    (None, {"until": "2026-03-03T00:00:00Z"}),
    (None, []),
    (None, "P1D"),
]


async def test_a_time_in_small_letters(api: Api) -> None:
    """RFC 3339 lets t and z be small."""
    told = await advance(api, to="2026-03-10t00:00:00z")

    assert told["to"] == "2026-03-10T00:00:00.000Z"


@pytest.mark.parametrize(
    ("content", "status"), [("", 400), ("null", 422), ("[]", 422), ("{}", 422)]
)
async def test_no_body_to_speak_of(api: Api, content: str, status: int) -> None:
    """Whoever says neither how far nor where to is told both names."""
    headers = {"content-type": "application/json"}
    answer = await api.client.post(ADVANCE, content=content, headers=headers)
    words = answer.json()["detail"].replace(",", " ").replace(".", " ").split()

    assert answer.status_code == status
    assert {"by", "to"} <= {*words}
    assert "Send" in words or "must" in words


async def test_bad_input(api: Api) -> None:
    """It is refused by name and moves nothing; the longest step is 400 days."""
    for param, body in BAD:
        answer = await api.client.post(ADVANCE, json=body)
        problem = answer.json()

        assert (answer.status_code, problem["code"]) == (422, "validation_failed"), body
        assert param in {problem.get("param"), None}, body
    assert await now(api) == "2026-03-02T12:00:00.000Z"
    for by in GOOD[:-1]:
        assert body_of(await api.client.post(ADVANCE, json={"by": by}))["complete"]
    before = await read(api, CLOCK)
    await api.client.post(ADVANCE, json={"by": GOOD[-1]})
    after = await read(api, CLOCK)

    assert after["offset_s"] - before["offset_s"] == 400 * 86_400


async def test_what_happens_on_the_way(api: Api) -> None:
    """It comes in the order of time, each thing at its own: settlement, payout, expiry."""
    whole = (await api.authorize())["auth_id"]
    api.clock.advance(seconds=1)
    part = (await api.authorize())["auth_id"]
    await api.post("capture", {"auth_id": part, "amount": 400})
    api.clock.advance(seconds=3)
    before = (await read(api, CLOCK))["next_due_at"]
    newest = (await read(api, "/events?limit=1"))["data"][0]["id"]
    told = [await until(api, "2026-03-05T00:00:00Z"), await advance(api, by="P9D")]
    (batch,) = await batches(api)
    stl, events = batch["settlement_id"], await log(api, "/events", newest)
    heads = [await read(api, f"/payments/{one}") for one in (whole, part)]
    happenings = [one for each in told for one in each["happenings"]]

    assert before == "2026-03-03T00:00:00.000Z"
    assert [(one["type"], one["subject_id"], one["at"]) for one in happenings] == [
        ("transaction_settled", part, "2026-03-03T00:00:00.000Z"),
        ("settlement_closed", stl, "2026-03-03T00:00:00.000Z"),
        ("settlement_paid", stl, "2026-03-04T00:00:00.000Z"),
        ("authorization_expired", whole, "2026-03-09T12:00:00.000Z"),
        ("authorization_expired", part, "2026-03-09T12:00:01.000Z"),
    ]
    assert [one["counts"] for one in told] == [
        Counter(one["type"] for one in each["happenings"]) for each in told
    ]
    assert told[0]["events_cursor"] == newest
    assert [one["id"] for one in events] == [one["event_id"] for one in happenings]
    assert [one["status"] for one in heads] == ["expired", "captured"]
    assert [one["capturable_amount"] for one in heads] == [0, 0]
    assert (heads[1]["captured_amount"], heads[1]["refundable_amount"]) == (400, 400)
    assert (await read(api, CLOCK))["next_due_at"] is None
    assert await unsound(api) == []


async def test_a_jump_is_told_in_order(api: Api) -> None:
    """Ten days in one step are the same things in the same order."""
    await api.authorize()
    part = (await api.authorize())["auth_id"]
    await api.post("capture", {"auth_id": part, "amount": 400})
    told = await advance(api, by="P10D")

    assert [(one["type"], one["at"][:13]) for one in told["happenings"]] == [
        ("transaction_settled", "2026-03-03T00"),
        ("settlement_closed", "2026-03-03T00"),
        ("settlement_paid", "2026-03-04T00"),
        ("authorization_expired", "2026-03-09T12"),
        ("authorization_expired", "2026-03-09T12"),
    ]


async def test_time_that_passes_by_itself(api: Api) -> None:
    """What real time made due is done by a run, once, and a second run finds nothing."""
    await api.authorize()
    await captured(api)
    api.clock.advance(days=8)
    ran = body_of(await api.client.post("/sandbox/settlements/run"))
    api.clock.advance(seconds=3)
    again = body_of(await api.client.post("/sandbox/settlements/run"))

    assert (ran["complete"], ran["counts"]) == (
        True,
        {
            "authorization_expired": 1,
            "settlement_closed": 1,
            "settlement_paid": 1,
            "transaction_settled": 1,
        },
    )
    assert (again["complete"], again["counts"], again["happenings"]) == (True, {}, [])


async def test_a_keys_life_follows_the_clock(api: Api) -> None:
    """For 24 hours of it the key replays; then it is fresh, for another body too."""
    first = await api.post("authorize", AUTHORIZE, "k1")
    other = AUTHORIZE | {"amount": 5}
    await advance(api, by="PT23H59M")
    again = await api.post("authorize", AUTHORIZE, "k1")
    reused = await api.post("authorize", other, "k1")
    await advance(api, by="PT1M")
    fresh = await api.post("authorize", other, "k1")
    replayed = await api.post("authorize", other, "k1")

    assert again.content == first.content
    assert (reused.status_code, fresh.status_code) == (422, 201)
    assert fresh.json()["amount"] == 5
    assert fresh.json()["created_at"] == "2026-03-03T12:00:06.000Z"
    assert replayed.content == fresh.content


async def test_two_merchants_have_two_clocks(api: Api) -> None:
    """Moving one's own leaves the other's, and what is due under it, alone."""
    second = api.as_second()
    mine, theirs = [await one.authorize() for one in (api, second)]
    told = await advance(second, by="P10D")

    assert [one["subject_id"] for one in told["happenings"]] == [theirs["auth_id"]]
    assert await now(api) == "2026-03-02T12:00:03.000Z"
    assert await now(second) == "2026-03-12T12:00:03.000Z"
    assert (await read(api, f"/payments/{mine['auth_id']}"))["status"] == "authorized"
    assert (await second.authorize())["capture_before"] == "2026-03-19T12:00:03.000Z"


class Slow:
    """Stands before the real ledger, where every write lets seconds pass."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger
        self.clock: ManualClock | None = None

    def __getattr__(self, name: str) -> Any:
        if self.clock is not None and name == "writer":
            self.clock.advance(seconds=SLOW_S)
        return getattr(self._ledger, name)


async def test_what_takes_longer_goes_on_when_asked_again(tmp_path: Path) -> None:
    """After 20 s it says how far it came; the same `to` until complete does each thing once."""
    slow: list[Slow] = []

    def around(ledger: SqliteLedger) -> Slow:
        slow.append(Slow(ledger))
        return slow[0]

    async with api_over(tmp_path, around=around) as api:
        for currency in ("USD", "EUR"):
            for _ in range(70):
                await captured(api, currency=currency)
        slow[0].clock = api.clock
        told = [await advance(api, to="2026-03-06T00:00:00Z")]
        clock = await now(api)
        while not told[-1]["complete"]:
            told.append(await advance(api, to="2026-03-06T00:00:00Z"))
        counts = Counter[str]()
        for one in told:
            counts.update(one["counts"])
        slow[0].clock = None

        assert len(told) > 2
        assert [one["complete"] for one in told] == [False] * (len(told) - 1) + [True]
        assert told[0]["reached"] == "2026-03-02T23:59:59.999Z"
        assert told[0]["reached"] <= clock < "2026-03-03T00:01"
        assert [one["reached"] for one in told] == sorted(one["reached"] for one in told)
        assert counts == {"transaction_settled": 140, "settlement_closed": 2, "settlement_paid": 2}
        assert len(await log(api, "/events")) == 280 + 144
        assert await unsound(api) == []


async def test_the_first_hundred_are_told(tmp_path: Path) -> None:
    """All are counted, and the events after the cursor are all of them."""
    async with api_over(tmp_path) as api:
        for _ in range(102):
            await captured(api)
        told = await until(api, "2026-03-04T00:00:00Z")
        events = await log(api, "/events", told["events_cursor"])

        assert sum(told["counts"].values()) == 104
        assert [one["event_id"] for one in told["happenings"]] == [one["id"] for one in events][
            :100
        ]
        assert len(events) == 104
        assert api.clock.now() > START
