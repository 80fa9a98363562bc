"""Reading one payment: what is not there, or not yours, is not found."""

import pytest

from payments_sandbox.domain.errors import NotFound
from payments_sandbox.domain.operations import Capture
from payments_sandbox.services.ports import Ledger
from tests.contract.entries import ACME, OTHER, auth_id, done, keep, key, listed, new, stored

CORE = auth_id(1).removeprefix("auth_")
NO_PAYMENTS = ["", "junk", auth_id(2), auth_id(1).upper(), auth_id(1) + "_1", f"cap_{CORE}_2"]
NO_TRANSACTIONS = [
    "",
    "junk",
    auth_id(2),
    f"{auth_id(1)}_1",
    f"{auth_id(1)}_2",
    f"cap_{CORE}_1",
    f"cap_{CORE}_3",
    f"cap_{CORE}_999",
    f"cap_{CORE}_02",
    f"ref_{CORE}_2",
    f"void_{CORE}_2",
    f"exp_{CORE}_2",
    f"cap_{auth_id(2).removeprefix('auth_')}_2",
]


@pytest.mark.parametrize("payment_id", NO_PAYMENTS)
async def test_no_such_payment(ledger: Ledger, payment_id: str) -> None:
    """What is no payment's id is not found, whatever it looks like."""
    await keep(ledger, new(1))

    with pytest.raises(NotFound):
        await ledger.payment(ACME, payment_id)
    with pytest.raises(NotFound):
        await ledger.history(ACME, payment_id)


@pytest.mark.parametrize("transaction_id", NO_TRANSACTIONS)
async def test_no_such_transaction(ledger: Ledger, transaction_id: str) -> None:
    """A transaction is found under its own id alone: number and type must both be right."""
    payment = await keep(ledger, new(1))
    change = done(payment, Capture(auth_id(1), 1))
    await keep(ledger, change)

    assert change.transactions[0] == await ledger.transaction(ACME, f"cap_{CORE}_2")
    with pytest.raises(NotFound):
        await ledger.transaction(ACME, transaction_id)


@pytest.mark.parametrize("merchant_id", [OTHER, "", "ACME", "acme "])
async def test_another_merchant(ledger: Ledger, merchant_id: str) -> None:
    """To another merchant a payment, its history and its transactions do not exist."""
    payment = await keep(ledger, new())

    with pytest.raises(NotFound):
        await ledger.payment(merchant_id, payment.payment_id)
    with pytest.raises(NotFound):
        await ledger.history(merchant_id, payment.payment_id)
    with pytest.raises(NotFound):
        await ledger.transaction(merchant_id, payment.payment_id)
    assert await listed(ledger, merchant_id=merchant_id) == []


async def test_keys_of_two_merchants(ledger: Ledger) -> None:
    """The keys of two merchants are of two scopes and never clash."""
    mine = await keep(ledger, new(1), key("acme key"))
    theirs = await keep(ledger, new(2, merchant_id=OTHER), key("other key"))

    assert mine == (await stored(ledger, mine))[0]
    assert theirs == (await stored(ledger, theirs))[0]


async def test_payments_do_not_mix(ledger: Ledger) -> None:
    """Each history has the transactions of its own payment alone."""
    changes = [new(number) for number in (1, 10, 100)]
    for change in changes:
        await keep(ledger, change)
    after = done(changes[1].payment, Capture(auth_id(10), 1))
    await keep(ledger, after)

    assert (changes[0].payment, [*changes[0].transactions]) == await stored(
        ledger, changes[0].payment
    )
    assert (after.payment, [*changes[1].transactions, *after.transactions]) == await stored(
        ledger, after.payment
    )
