"""Killing the sandbox loses no webhook, and the checker that says so sees each planted fault."""

from pathlib import Path

import pytest

from tests.reliability.webhook_checker import check, planted
from tests.reliability.webhooks import Plan, run

pytestmark = pytest.mark.reliability
# Ten failed attempts take half a minute: what dies is for the long run.
PLAN = Plan(events=400, kills=2, hung=4, always_every=None)


async def test_no_kill_loses_or_invents_a_webhook(tmp_path: Path) -> None:
    """Across two kills and three bad endpoints in ten every event is recorded and arrives once."""
    result = await run(tmp_path / "ledger.db", PLAN)
    faults = planted(result.evidence)
    seen = {loss: {one.loss for one in check(evidence)} for loss, evidence in faults.items()}

    assert result.findings == []
    assert (result.kills, result.counts.events) == (PLAN.kills, PLAN.events)
    assert result.counts.delivered == result.counts.deliveries > 1_000
    assert result.counts.taken >= result.counts.delivered
    assert result.counts.arrivals > result.counts.taken
    assert {loss: {loss} for loss in faults} == {loss: seen[loss] & {loss} for loss in faults}
