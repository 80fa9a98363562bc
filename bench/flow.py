"""Authorize, capture, refund at 16 connections beside localstripe on an empty store."""

from bench.calls import flow
from bench.client import Load, Run, run_load
from bench.localstripe import VERSION, flow_of, localstripe
from bench.report import Comparison, Report
from bench.rounds import Plan, interleaved
from bench.servers import sandbox

ROUNDS = 5
CONNECTIONS = 16
OUR_FLOWS = 2_000
# localstripe writes its whole store on every call, so it slows down as it fills: few flows are
# the kindest measure.
THEIR_FLOWS = 64


def run(plan: Plan) -> Report:
    """Measure both in turn; localstripe starts from nothing in every round."""
    with sandbox(plan.folder / "flow.db") as server:

        def ours() -> Run:
            load = Load(connections=CONNECTIONS, count=OUR_FLOWS)
            return run_load(load, flow(), port=server.port, pid=server.pid)

        def theirs() -> Run:
            with localstripe(plan) as peer:
                load = Load(connections=CONNECTIONS, count=THEIR_FLOWS)
                return run_load(load, flow_of(peer), port=peer.port, pid=peer.pid)

        sides = {"ours": ours, "localstripe": theirs}
        found = interleaved(plan, "flow", sides, rounds=plan.rounds_or(ROUNDS))
    flows = Comparison(
        what="flows",
        unit="/s",
        baseline="localstripe",
        ours=[run.scripts_per_s for run in found["ours"]],
        theirs=[run.scripts_per_s for run in found["localstripe"]],
        goal=8.0,
    )
    return Report(
        title=f"flow: authorize, capture, refund, 16 connections, beside localstripe {VERSION}",
        comparisons=[flows],
        remarks=[
            f"a round: {OUR_FLOWS:,} flows of ours, {THEIR_FLOWS} of localstripe on an empty store",
            "localstripe: PaymentIntent with capture_method=manual and confirm, capture, refund",
            "localstripe: no access log, one payment method made before the clock starts",
        ],
    )
