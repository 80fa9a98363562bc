"""Every error says what is wrong, under a code, and whether a retry can help."""

import re
from collections.abc import Iterator

import pytest

from payments_sandbox.domain import errors
from payments_sandbox.domain.errors import (
    REFUSALS,
    AmountExceedsCapturable,
    AmountExceedsRefundable,
    ClockStep,
    CurrencyMismatch,
    NotATestCard,
    Refusal,
    SandboxError,
    Unrecorded,
)

RETRYABLE = {"conflict", "ledger_unavailable"}


def leaves(kind: type[SandboxError]) -> Iterator[type[SandboxError]]:
    """Yield the errors below it that can be raised."""
    below = kind.__subclasses__()
    if not below:
        yield kind
    for one in below:
        yield from leaves(one)


LEAVES = list(leaves(SandboxError))


@pytest.mark.parametrize("error", LEAVES)
def test_every_error(error: type[SandboxError]) -> None:
    """An error has a code in snake case and a detail of whole sentences."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
    assert re.fullmatch(r"[A-Z].*\.", error.detail())
    assert error.detail() == (error.__doc__ or "").splitlines()[0]


@pytest.mark.parametrize("error", LEAVES)
def test_what_a_retry_can_help(error: type[SandboxError]) -> None:
    """Only a conflict and an unavailable ledger pass by themselves."""
    assert (error.code in RETRYABLE) == error.retryable


@pytest.mark.parametrize("error", LEAVES)
def test_param_names_what_was_sent(error: type[SandboxError]) -> None:
    """An error about a field names the field."""
    named: dict[type[SandboxError], str] = {
        CurrencyMismatch: "currency",
        AmountExceedsCapturable: "amount",
        AmountExceedsRefundable: "amount",
        NotATestCard: "card.number",
        ClockStep: "to",
    }

    assert named.get(error) == error.param


def test_an_error_is_recorded_or_not() -> None:
    """Every error is either a refusal, which is recorded, or never reached the rules."""
    assert {Refusal, Unrecorded} == set(SandboxError.__subclasses__())


def test_refusals_are_complete() -> None:
    """The table finds each refusal by its code, and no two share one."""
    expected = {error.code: error for error in LEAVES if issubclass(error, Refusal)}

    assert expected == REFUSALS
    assert len(Refusal.__subclasses__()) == len(REFUSALS)


def test_codes_are_unique() -> None:
    """A code names one error, and `validation_failed` the field that is wrong."""
    named = [(error.code, error.param) for error in LEAVES]
    codes = [code for code, _ in named if code != "validation_failed"]

    assert len(LEAVES) == len(set(named))
    assert len(codes) == len(set(codes))


def test_the_tree_is_drawn_as_it_is() -> None:
    """The tree at the top of the module shows exactly the errors there are."""
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))

    assert drawn == {error.__name__ for error in LEAVES} | {"Refusal", "Unrecorded"}
