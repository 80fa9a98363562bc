"""Time and chance as the machine gives them."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

from payments_sandbox.adapters.clock import RandomIds, SystemClock
from payments_sandbox.domain.identifiers import is_payment_id, payment_id_of


def test_now_is_utc_in_whole_milliseconds() -> None:
    """Time is the machine's, in UTC, cut to the millisecond."""
    before = datetime.now(UTC)
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert before - timedelta(milliseconds=1) < now <= datetime.now(UTC)


async def test_a_pause_is_at_most_as_long_as_told() -> None:
    """A pause is random and may be none at all."""
    await SystemClock().pause(0)


def test_cores() -> None:
    """A core is 26 characters of the alphabet of ids, and no two are alike."""
    cores = [RandomIds().core() for _ in range(1000)]

    assert len(cores) == len(set(cores))
    assert all(is_payment_id(payment_id_of(core)) for core in cores)


async def test_cores_stand_in_the_order_of_time() -> None:
    """A core made milliseconds later sorts after all made before, whatever chance gave."""
    ids = RandomIds()
    cores: list[str] = []
    for _ in range(10):
        cores.append(ids.core())
        await asyncio.sleep(0.002)

    assert sorted(cores) == cores


def test_api_keys() -> None:
    """A key shows its public id and has 40 characters of chance after it."""
    key_id, api_key = RandomIds().api_key()

    assert re.fullmatch(f"sk_test_{key_id}_[0-9A-Za-z]{{40}}", api_key)
    assert re.fullmatch("[0-9a-z]{10}", key_id)
    assert RandomIds().api_key() != (key_id, api_key)
