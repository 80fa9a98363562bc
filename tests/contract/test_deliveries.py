"""Deliveries: kept once, moved on by whoever read the version before, listed newest first."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from payments_sandbox.domain.chaos import Mischief
from payments_sandbox.domain.delivery import (
    PING,
    Attempt,
    DeadReason,
    Delivery,
    Outcome,
    RetrySchedule,
    State,
)
from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.identifiers import (
    delivery_id_of,
    endpoint_id_of,
    event_id_of,
    ping_id_of,
)
from payments_sandbox.services.ports import LostRace
from payments_sandbox.services.webhook_ports import Deliveries, DeliveryFilter
from tests.contract.entries import ACME, OTHER, PAGES_MAX, auth_id
from tests.contract.homes import Home
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW, ManualClock

RACERS = 20
SECOND = timedelta(seconds=1)
END = NOW + timedelta(days=1)
EVERYTHING = DeliveryFilter()
SUCCESS, FAILURE = Outcome(12, status=204), Outcome(15_000, error="timeout")
MALFORMED = ["", "dlv_", auth_id(1), event_id_of(auth_id(1), 1), f"dlv_{0:026}_01_{0:026}"]


@pytest.fixture
def deliveries(home: Home) -> Deliveries:
    """Return the deliveries under test."""
    return home.deliveries


def endpoint_id(number: int) -> str:
    """Return the id of the endpoint with this number."""
    return endpoint_id_of(f"{number:026}")


def event_id(number: int, seq: int = 1) -> str:
    """Return the id of an event of the payment with this number."""
    return event_id_of(auth_id(number), seq)


def delivery(  # noqa: PLR0913 - what tells one delivery from another
    message_id: str = event_id(1),
    endpoint: int = 1,
    *,
    merchant_id: str = ACME,
    kind: str = "payment_captured",
    at: datetime = NOW,
    expires_at: datetime | None = None,
) -> Delivery:
    """Return a new delivery of the message to the endpoint with this number."""
    return Delivery(
        delivery_id=delivery_id_of(message_id, endpoint_id(endpoint)),
        merchant_id=merchant_id,
        endpoint_id=endpoint_id(endpoint),
        message_id=message_id,
        type=kind,
        created_at=at,
        due_at=at + timedelta(minutes=2),
        expires_at=expires_at,
    )


def tried(one: Delivery, outcome: Outcome) -> Delivery:
    """Return the delivery after an attempt."""
    return one.after(outcome, NOW + SECOND, RetrySchedule.STANDARD)


async def keep(deliveries: Deliveries, *versions: Delivery) -> Delivery:
    """Keep a delivery and then each later version of it; return the last."""
    await deliveries.add(versions[:1])
    for one in versions[1:]:
        await deliveries.replace(one)
    return versions[-1]


async def stored(deliveries: Deliveries, one: Delivery) -> Delivery:
    """Return the delivery as it is there now."""
    return await deliveries.delivery(one.merchant_id, one.delivery_id)


async def listed(
    deliveries: Deliveries,
    wanted: DeliveryFilter = EVERYTHING,
    *,
    merchant_id: str = ACME,
    limit: int = 100,
) -> list[Delivery]:
    """Follow the pages to the end and return all they hold."""
    found: list[Delivery] = []
    before: str | None = None
    for _ in range(PAGES_MAX):
        page = await deliveries.deliveries(merchant_id, wanted, before=before, limit=limit)
        assert len(page.deliveries) <= limit
        found += page.deliveries
        before = page.next_before
        if before is None:
            return found
    raise AssertionError("the pages do not end")


async def keep_many(deliveries: Deliveries) -> list[Delivery]:
    """Keep deliveries of several events to several endpoints in each state; newest first."""
    ends: list[Callable[[Delivery], Delivery]] = [
        lambda one: tried(one, FAILURE),
        lambda one: tried(one, SUCCESS),
        lambda one: one.abandoned(DeadReason.ENDPOINT_GONE),
    ]
    kept: list[Delivery] = []
    for number, (event, end) in enumerate(product((4, 2, 6, 1, 5), ends)):
        for endpoint in (1, 2):
            # Two at the same moment, then one that is older than those before it.
            at = NOW + (number // 2) * SECOND - (number % 5) * MILLISECOND
            first = delivery(event_id(event, seq=number + 1), endpoint, at=at)
            kept.append(await keep(deliveries, first, end(first)))
    return sorted(kept, key=lambda one: (one.created_at, one.delivery_id), reverse=True)


def wanted_of(all_: list[Delivery], by: DeliveryFilter) -> list[Delivery]:
    """Return what the filter lets through, told the slow way."""
    return [
        one
        for one in all_
        if by.endpoint_id in {None, one.endpoint_id}
        and by.event_id in {None, one.message_id}
        and by.state in {None, one.state}
    ]


async def test_added_once(deliveries: Deliveries) -> None:
    """What is new is kept; what is there stays, and is returned as it is by now."""
    first, second = delivery(endpoint=1), delivery(endpoint=2)
    moved = await keep(deliveries, first, tried(first, FAILURE))

    assert [second, moved] == await deliveries.add([second, first])
    assert [second, moved] == await deliveries.add([second, first])
    assert await deliveries.add([]) == []

    assert moved == await stored(deliveries, first)
    assert second == await stored(deliveries, second)
    assert [second, moved] == await listed(deliveries)


async def test_another_first_version(deliveries: Deliveries) -> None:
    """Of two first versions of one delivery the one that came first stays."""
    first = await keep(deliveries, delivery())
    later = delivery(at=NOW + SECOND, kind="payment_voided")

    assert [first] == await deliveries.add([later])

    assert [first] == await listed(deliveries)


async def test_one_twice_in_a_row(deliveries: Deliveries) -> None:
    """A delivery that is added twice at once is there once."""
    one = delivery()

    assert [one, one] == await deliveries.add([one, one])

    assert [one] == await listed(deliveries)


async def test_many_added(deliveries: Deliveries) -> None:
    """However many are added at once, each is returned in its place and kept."""
    many = [delivery(event_id(number), number % 3) for number in range(130)]

    assert many == await deliveries.add(many)

    assert {one.delivery_id for one in many} == {
        one.delivery_id for one in await listed(deliveries)
    }


@pytest.mark.parametrize(
    "changed",
    [
        replace(tried(delivery(), FAILURE), chaos=(Mischief.DELAY, Mischief.REORDER)),
        tried(delivery(), SUCCESS),
        delivery().abandoned(DeadReason.EVENT_EXPIRED),
        delivery().leased(END),
        delivery().begun_again(END + MILLISECOND),
        replace(
            delivery(),
            version=2,
            tries=3,
            attempts_made=31,
            attempts=tuple(
                Attempt(number, NOW, 1, status=500, response="ü🐢" * 256, chaos=(Mischief.DROP,))
                for number in range(2, 32)
            ),
        ),
    ],
    ids=["tried", "delivered", "dead", "leased", "begun again", "long"],
)
async def test_every_field(deliveries: Deliveries, changed: Delivery) -> None:
    """What was written is what is read, field by field, also when added again."""
    await keep(deliveries, delivery(), changed)

    assert changed == await stored(deliveries, changed)
    assert [changed] == await listed(deliveries)
    assert [changed] == await deliveries.add([delivery()])


@pytest.mark.parametrize("version", [-1, 0, 1, 2, 4, 5])
async def test_not_the_next_version(deliveries: Deliveries, version: int) -> None:
    """A version that does not follow the one that is there loses its race."""
    first = delivery()
    there = await keep(deliveries, first, first.leased(END))

    with pytest.raises(LostRace):
        await deliveries.replace(replace(there, version=version, state=State.DEAD, due_at=None))

    assert there == await stored(deliveries, first)
    assert await listed(deliveries, DeliveryFilter(state=State.DEAD)) == []
    await deliveries.replace(there.leased(NOW))
    assert (await stored(deliveries, first)).version == 3


@pytest.mark.parametrize("version", [1, 2])
async def test_replacing_nothing(deliveries: Deliveries, version: int) -> None:
    """What is not there is not replaced, and is not there afterwards."""
    with pytest.raises(LostRace):
        await deliveries.replace(replace(delivery(), version=version))

    assert await listed(deliveries) == []


async def test_replacing_another_merchants(deliveries: Deliveries) -> None:
    """Another merchant's delivery is not replaced, though its id and version fit."""
    theirs = await keep(deliveries, delivery(merchant_id=OTHER))

    with pytest.raises(LostRace):
        await deliveries.replace(delivery().leased(END))

    assert theirs == await stored(deliveries, theirs)
    assert await listed(deliveries) == []


@pytest.mark.parametrize("alike", [True, False])
async def test_a_race(deliveries: Deliveries, *, alike: bool) -> None:
    """Of many that write the next version one wins, though all write the same."""
    first = await keep(deliveries, delivery())
    versions = [first.leased(END if alike else END + number * SECOND) for number in range(RACERS)]

    outcomes = await asyncio.gather(
        *(deliveries.replace(one) for one in versions), return_exceptions=True
    )

    won = [one for one, outcome in zip(versions, outcomes, strict=True) if outcome is None]
    lost = [type(one) for one in outcomes if one is not None]
    assert [LostRace] * (RACERS - 1) == lost
    assert won == [await stored(deliveries, first)]


async def test_a_race_to_be_first(deliveries: Deliveries) -> None:
    """Of many that add one delivery at the same moment one is kept, and all are told which."""
    rivals = [delivery(at=NOW + number * SECOND) for number in range(RACERS)]

    told = await asyncio.gather(*(deliveries.add([one]) for one in rivals))

    (kept,) = await listed(deliveries)
    assert [[kept]] * RACERS == told


async def test_races_of_several_rounds(deliveries: Deliveries) -> None:
    """Whoever lost reads again and goes on: no attempt of any is lost."""
    first = await keep(deliveries, delivery())

    async def attempt(number: int) -> None:
        while True:
            there = await stored(deliveries, first)
            moved = there.after(Outcome(number, status=500), NOW, RetrySchedule.FAST).begun_again(
                NOW
            )
            try:
                return await deliveries.replace(replace(moved, version=there.version + 1))
            except LostRace:
                await asyncio.sleep(0)

    await asyncio.gather(*(attempt(number) for number in range(RACERS)))

    there = await stored(deliveries, first)
    assert there.version == RACERS + 1
    assert [*range(RACERS)] == sorted(one.duration_ms for one in there.attempts)


async def test_none(deliveries: Deliveries) -> None:
    """A merchant to whom nothing was sent has one empty page."""
    page = await deliveries.deliveries(ACME, EVERYTHING, before=None, limit=10)

    assert ([*page.deliveries], page.next_before) == ([], None)


@pytest.mark.parametrize(
    "by",
    [
        EVERYTHING,
        DeliveryFilter(endpoint_id=endpoint_id(1)),
        DeliveryFilter(state=State.DEAD),
        DeliveryFilter(endpoint_id=endpoint_id(2), state=State.PENDING),
        DeliveryFilter(event_id=event_id(2, seq=4)),
    ],
    ids=["everything", "endpoint", "state", "endpoint and state", "event"],
)
async def test_pages(deliveries: Deliveries, by: DeliveryFilter) -> None:
    """However long the pages, following them gives each delivery exactly once, newest first."""
    kept = await keep_many(deliveries)

    assert wanted_of(kept, by)
    for limit in (1, 2, 7, 29, 30, 31, 100):
        assert wanted_of(kept, by) == await listed(deliveries, by, limit=limit), limit


async def test_every_filter(deliveries: Deliveries) -> None:
    """Endpoint, event and state narrow the list, each alone and all together."""
    kept = await keep_many(deliveries)
    events = [None, event_id(4, seq=1), event_id(4, seq=10), event_id(1, seq=10), event_id(9)]

    for endpoint, event, state in product((None, 1, 2, 3), events, (None, *State)):
        by = DeliveryFilter(None if endpoint is None else endpoint_id(endpoint), event, state)
        assert wanted_of(kept, by) == await listed(deliveries, by, limit=3), by


@pytest.mark.parametrize("event", ["", "evt_", "evt_%", "merchant_acme", "e" * 3_000, "ü"])
async def test_what_is_no_event(deliveries: Deliveries, event: str) -> None:
    """What cannot be an event's id has no deliveries."""
    await keep(deliveries, delivery())

    assert await listed(deliveries, DeliveryFilter(event_id=event)) == []


async def test_events_alike(deliveries: Deliveries) -> None:
    """An event whose id begins as another's has its own deliveries, and a ping has too."""
    ping = delivery(ping_id_of(f"{1:026}"), kind=PING)
    kept = [delivery(event_id(1, seq=1)), delivery(event_id(1, seq=10)), ping]
    await deliveries.add(kept)

    for one in kept:
        assert [one] == await listed(deliveries, DeliveryFilter(event_id=one.message_id))
        assert one == await stored(deliveries, one)


async def test_moving_on_keeps_the_place(deliveries: Deliveries) -> None:
    """A delivery that is attempted later is no newer: it stays where it was in the list."""
    kept = [await keep(deliveries, delivery(event_id(n), at=NOW + n * SECOND)) for n in range(3)]
    kept[1] = kept[1].begun_again(END)
    await deliveries.replace(kept[1])

    assert kept[::-1] == await listed(deliveries)


async def test_paging_while_others_write(deliveries: Deliveries) -> None:
    """New deliveries do not shift the pages of one who is reading older ones."""
    kept = [await keep(deliveries, delivery(event_id(n), at=NOW + n * SECOND)) for n in range(9)]
    first = await deliveries.deliveries(ACME, EVERYTHING, before=None, limit=4)
    await keep(deliveries, delivery(event_id(100), at=END))

    second = await deliveries.deliveries(ACME, EVERYTHING, before=first.next_before, limit=5)

    assert kept[::-1] == [*first.deliveries, *second.deliveries]
    assert second.next_before is None


async def test_a_needle(home: Home) -> None:
    """A delivery behind more that are not wanted than a page looks through twice is found."""
    deliveries, hay = home.deliveries, 2 * home.looked_through_max + 1
    needle = await keep(deliveries, delivery(event_id(0), 2))
    await deliveries.add([delivery(event_id(1 + one), at=NOW + SECOND) for one in range(hay)])

    assert [needle] == await listed(deliveries, DeliveryFilter(endpoint_id=endpoint_id(2)))
    assert await listed(deliveries, DeliveryFilter(state=State.DEAD)) == []


@pytest.mark.parametrize("delivery_id", MALFORMED)
async def test_what_is_no_deliverys_id(deliveries: Deliveries, delivery_id: str) -> None:
    """What cannot be a delivery's id is not found, whatever else it is."""
    await keep(deliveries, delivery())

    with pytest.raises(NotFound):
        await deliveries.delivery(ACME, delivery_id)


async def test_an_unknown_delivery(deliveries: Deliveries) -> None:
    """A delivery that was not made is not found, beside others of its event and endpoint."""
    await deliveries.add([delivery(event_id(1), 1), delivery(event_id(2), 2)])

    with pytest.raises(NotFound):
        await stored(deliveries, delivery(event_id(1), 2))


async def test_other_merchants(deliveries: Deliveries) -> None:
    """Another merchant's delivery is not found, and is in no list and under no filter."""
    mine = await keep(deliveries, delivery(event_id(1)))
    theirs = await keep(deliveries, delivery(event_id(2), merchant_id=OTHER))

    with pytest.raises(NotFound):
        await deliveries.delivery(ACME, theirs.delivery_id)
    for by in (EVERYTHING, DeliveryFilter(mine.endpoint_id), DeliveryFilter(state=State.PENDING)):
        assert [mine] == await listed(deliveries, by)
        assert [theirs] == await listed(deliveries, by, merchant_id=OTHER)
    assert await listed(deliveries, DeliveryFilter(event_id=theirs.message_id)) == []
    assert await listed(deliveries, merchant_id="nobody") == []


async def test_expired(home: Home, clock: ManualClock) -> None:
    """With its payment's retention a delivery ends: it is not read, not listed, not replaced."""
    deliveries = home.deliveries
    kept = [
        await keep(
            deliveries,
            delivery(event_id(n), at=NOW + n * SECOND, expires_at=None if n % 2 else END),
        )
        for n in range(5)
    ]
    expected, gone = kept[3::-2], kept[::2]
    clock.at = END - MILLISECOND
    assert kept[::-1] == await listed(deliveries, limit=2)
    assert kept == [await stored(deliveries, one) for one in kept]
    clock.at = END

    for _ in range(2):  # before it is deleted and after
        for one in gone:
            with pytest.raises(NotFound):
                await stored(deliveries, one)
            with pytest.raises(LostRace):
                await deliveries.replace(one.leased(END))
            assert await listed(deliveries, DeliveryFilter(event_id=one.message_id)) == []
        for by in (EVERYTHING, DeliveryFilter(endpoint_id(1)), DeliveryFilter(state=State.PENDING)):
            assert expected == await listed(deliveries, by, limit=1)
            assert expected == await listed(deliveries, by, limit=10)
        await home.purge()


async def test_the_end_does_not_move(deliveries: Deliveries, clock: ManualClock) -> None:
    """Attempts do not lengthen a delivery's life."""
    first = delivery(expires_at=END)
    await keep(deliveries, first, tried(first, FAILURE))
    clock.at = END

    with pytest.raises(NotFound):
        await stored(deliveries, first)
