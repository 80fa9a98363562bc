"""Endpoints: what they want to hear, and which secrets they are signed with."""

from dataclasses import replace
from datetime import timedelta

import pytest

from payments_sandbox.domain.endpoint import (
    DisabledReason,
    Endpoint,
    SecretVersion,
    added,
    found,
    replaced,
    without,
)
from payments_sandbox.domain.errors import NotFound, TooManyEndpoints
from payments_sandbox.domain.event import EventType
from tests.unit.examples import MILLISECOND
from tests.unit.stand_ins import NOW
from tests.unit.webhooks import ENDPOINT, ENDPOINT_ID, OTHER_ENDPOINT_ID

DAY, HOUR = timedelta(hours=24), timedelta(hours=1)
OTHER = replace(ENDPOINT, endpoint_id=OTHER_ENDPOINT_ID)


def versions(endpoint: Endpoint) -> list[int]:
    """Return the versions of the secrets that are kept."""
    return [one.version for one in endpoint.secrets]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (("*",), list(EventType)),
        (("payment_captured",), ["payment_captured"]),
        (
            ("payment_voided", "payment_refund_failed"),
            ["payment_refund_failed", "payment_voided"],
        ),
        (("payment_captured", "*"), list(EventType)),
        (("ping", "payment"), []),
        ((), []),
    ],
)
def test_filters(events: tuple[str, ...], expected: list[str]) -> None:
    """An endpoint hears what it names, or everything."""
    endpoint = replace(ENDPOINT, events=events)

    assert expected == [one for one in EventType if endpoint.wants(one)]


def test_a_new_endpoint_hears_everything() -> None:
    """Without a filter every event is wanted."""
    assert all(ENDPOINT.wants(one) for one in EventType)


@pytest.mark.parametrize("events", [("*",), ("payment_captured",)])
def test_a_disabled_endpoint_hears_nothing(events: tuple[str, ...]) -> None:
    """Whatever it names, while it is disabled nothing goes there."""
    endpoint = replace(ENDPOINT, events=events, enabled=False)

    assert not any(endpoint.wants(one) for one in EventType)


def test_who_answered_gone() -> None:
    """An endpoint that is gone is disabled, says why and since when; its secrets stay."""
    expected = replace(
        ENDPOINT, enabled=False, disabled_reason=DisabledReason.GONE, updated_at=NOW + HOUR
    )

    assert expected == ENDPOINT.gone(NOW + HOUR)


def test_a_new_secret() -> None:
    """Rotating adds the next version, under the root that is current then, and ends the old."""
    expected = (SecretVersion(2, "k2"), replace(ENDPOINT.secrets[0], until=NOW + DAY))

    rotated = ENDPOINT.rotated("k2", NOW)

    assert replace(ENDPOINT, secrets=expected, updated_at=NOW) == rotated


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(), [2, 1]),
        (MILLISECOND, [2, 1]),
        (DAY - MILLISECOND, [2, 1]),
        (DAY, [2]),
        (DAY * 365, [2]),
    ],
)
def test_both_sign_for_a_day(age: timedelta, expected: list[int]) -> None:
    """For 24 hours after a rotation both secrets sign, the new one first; then it alone."""
    signing = ENDPOINT.rotated("k1", NOW).signing(NOW + age)

    assert expected == [one.version for one in signing]


def test_an_endpoint_that_was_never_rotated() -> None:
    """A secret that nobody rotated never ends."""
    assert ENDPOINT.secrets == ENDPOINT.signing(NOW + DAY * 3650)


def test_each_secret_has_its_own_day() -> None:
    """A second rotation does not lengthen the life of the first secret."""
    twice = ENDPOINT.rotated("k1", NOW).rotated("k1", NOW + HOUR)

    assert [one.version for one in twice.signing(NOW + DAY - MILLISECOND)] == [3, 2, 1]
    assert [one.version for one in twice.signing(NOW + DAY)] == [3, 2]
    assert [one.version for one in twice.signing(NOW + DAY + HOUR)] == [3]


def test_rotating_again_and_again() -> None:
    """However often it is rotated, four secrets are kept at most: the newest."""
    endpoint = ENDPOINT
    for _ in range(10):
        endpoint = endpoint.rotated("k1", NOW)

    assert versions(endpoint) == [11, 10, 9, 8]


def test_what_has_ended_is_forgotten() -> None:
    """A rotation keeps only secrets that are still valid."""
    endpoint = ENDPOINT.rotated("k1", NOW).rotated("k1", NOW + DAY)

    assert versions(endpoint) == [3, 2]


def test_the_limit() -> None:
    """A merchant has sixteen endpoints at most, oldest first."""
    endpoints = tuple(replace(ENDPOINT, endpoint_id=f"ep_{number}") for number in range(16))

    assert endpoints == added(endpoints[:-1], endpoints[-1])
    with pytest.raises(TooManyEndpoints):
        added(endpoints, OTHER)


def test_one_among_several() -> None:
    """One is found, replaced and removed by its id; the others and the order stay."""
    endpoints = (ENDPOINT, OTHER)
    changed = replace(ENDPOINT, description="changed")

    assert found(endpoints, OTHER_ENDPOINT_ID) == OTHER
    assert (changed, OTHER) == replaced(endpoints, changed)
    assert without(endpoints, ENDPOINT_ID) == (OTHER,)


def test_one_that_is_not_there() -> None:
    """What is not there is neither found nor removed, and replaces nothing."""
    with pytest.raises(NotFound):
        found((OTHER,), ENDPOINT_ID)
    with pytest.raises(NotFound):
        without((OTHER,), ENDPOINT_ID)
    assert replaced((OTHER,), ENDPOINT) == (OTHER,)
