"""Settlement, as its merchant sees it: runs, batches with their lines, and balances."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

from payments_sandbox.domain.settlement import Account, Line, Settlement, Totals
from payments_sandbox.services.merchants import MerchantTime
from payments_sandbox.services.settlement_ports import (
    SettlementFilter,
    SettlementPage,
    Settlements,
)
from payments_sandbox.services.sweep import Progress, Sweep

RUN_WITHIN = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Balance:
    """A merchant's money in one currency, in minor units."""

    currency: str
    pending: int
    """Captured, less refunded, and in no batch yet."""
    available: int
    """Settled, and not paid out yet; below zero where more was refunded."""
    in_transit: int
    paid_out: int
    fees: int
    """Kept by the processor, to date."""


class SettlementDesk:
    """The use cases around settlement."""

    def __init__(self, settlements: Settlements, sweep: Sweep, time: MerchantTime) -> None:
        self._settlements = settlements
        self._sweep = sweep
        self._time = time

    async def run(self, merchant_id: str) -> Progress:
        """Do what is due by now, for up to 20 s; raise NotFound, Conflict."""
        return await self._sweep.run(merchant_id, await self._time.now(merchant_id), RUN_WITHIN)

    async def one(self, merchant_id: str, settlement_id: str) -> Settlement:
        """Return a batch, with what its lines add up to by now; raise NotFound."""
        return await self._summed(await self._settlements.settlement(merchant_id, settlement_id))

    async def page(
        self, merchant_id: str, wanted: SettlementFilter, *, before: str | None, limit: int
    ) -> SettlementPage:
        """Return batches newest first; an open one with what it has taken by now."""
        found, next_before = await self._settlements.settlements(
            merchant_id, wanted, before=before, limit=limit
        )
        return SettlementPage([await self._summed(one) for one in found], next_before)

    def lines(self, settlement: Settlement) -> AsyncIterator[Line]:
        """Yield a batch's lines, in the same order every time."""
        return self._settlements.lines(settlement)

    async def balances(self, merchant_id: str) -> list[Balance]:
        """Return the merchant's balances, by currency."""
        pending = await self._settlements.pending(merchant_id)
        accounts = {one.currency: one for one in await self._settlements.accounts(merchant_id)}
        currencies = sorted(accounts.keys() | pending.keys())
        return [
            await self._balance(
                accounts.get(currency, Account(merchant_id, currency)), pending.get(currency, 0)
            )
            for currency in currencies
        ]

    async def _balance(self, account: Account, pending: int) -> Balance:
        totals = await self._taken(account)
        return Balance(
            account.currency,
            pending,
            account.carried_forward + totals.net,
            sum(one.amount for one in account.in_transit),
            account.paid_out,
            account.totals.fees + totals.fees,
        )

    async def _taken(self, account: Account) -> Totals:
        if account.batch_id is None:
            return Totals()
        batch = await self._settlements.settlement(account.merchant_id, account.batch_id)
        return await self._settlements.totals(batch)

    async def _summed(self, settlement: Settlement) -> Settlement:
        if settlement.closed_at is not None:
            return settlement
        return replace(settlement, totals=await self._settlements.totals(settlement))
