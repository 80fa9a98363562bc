"""Reset: all of a merchant's data go, and its clock is set back."""

from datetime import timedelta

from payments_sandbox.services.ports import Clock, Ledger, Merchants

WITHIN = timedelta(seconds=20)


class Reset:
    """The use case of beginning anew."""

    def __init__(self, ledger: Ledger, merchants: Merchants, clock: Clock) -> None:
        self._ledger = ledger
        self._merchants = merchants
        self._clock = clock

    async def run(self, merchant_id: str) -> bool:
        """Delete the merchant's data for up to 20 s; return whether all is gone by now.

        Its keys, settings and endpoints stay. Raise NotFound, Conflict.
        """
        began = self._clock.now()
        await self._merchants.change(merchant_id, lambda one: one.reset())
        while await self._ledger.wipe(merchant_id):
            if self._clock.now() - began > WITHIN:
                return False
        return True
