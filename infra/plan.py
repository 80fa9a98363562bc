"""What a stage's templates create and what a month of it costs, to be read before it is done."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.aws_cost import EXAMPLE_PAYMENTS, example_usd, fixed_usd

# Type -> what it is called, and what for. A type that is in neither list is shown by itself.
MEANINGS: Final = {
    "DynamoDB::Table": ("DynamoDB table", "the ledger"),
    "ApiGateway::RestApi": ("REST API", "the address that you call"),
    "ApiGateway::UsagePlan": ("usage plan", "the rate of each API key"),
    "Lambda::Function": ("Lambda function", "answer, relay, deliver, sweep, settle"),
    "SNS::Topic": ("SNS topic", "webhooks on their way, alarms"),
    "SQS::Queue": ("SQS queue", "webhooks on their way, and what could not be worked off"),
    "StepFunctions::StateMachine": ("state machine", "settlement"),
    "Scheduler::Schedule": ("schedule", "the sweep each minute, settlement each hour"),
    "Logs::LogGroup": ("log group", "kept for a week"),
    "IAM::Role": ("IAM role", "each may do only what its function or schedule does"),
    "CloudWatch::Dashboard": ("dashboard", "traffic, errors, webhooks, settlement, cost"),
    "CloudWatch::Alarm": ("alarm", "one for each promise"),
    "Budgets::Budget": ("budget", "10 USD a month for the account"),
    "S3::Bucket": ("S3 bucket", "the documentation's files"),
    "CloudFront::Distribution": ("CloudFront distribution", "serves the documentation"),
}
CONNECTING: Final = {
    "ApiGateway::Account",
    "ApiGateway::Deployment",
    "ApiGateway::GatewayResponse",
    "ApiGateway::Method",
    "ApiGateway::Resource",
    "ApiGateway::Stage",
    "CloudFront::OriginAccessControl",
    "CloudFront::ResponseHeadersPolicy",
    "IAM::Policy",
    "Lambda::Alias",
    "Lambda::EventInvokeConfig",
    "Lambda::EventSourceMapping",
    "Lambda::Permission",
    "Lambda::Version",
    "S3::BucketPolicy",
    "SNS::Subscription",
    "SNS::TopicPolicy",
    "SQS::QueuePolicy",
}


class Created(NamedTuple):
    """Resources of one kind."""

    what: str
    how_many: int
    purpose: str


class Plan(NamedTuple):
    """What the templates of a stage say."""

    types: Counter[str]
    kept: Counter[str]
    """Those of them that stay when the stacks go."""
    stacks: tuple[str, ...]
    protected: tuple[str, ...]
    """Stacks that CloudFormation does not delete until it is told that it may."""
    regions: frozenset[str]

    @property
    def created(self) -> list[Created]:
        """The resources by kind, what connects them last."""
        known = [
            Created(what, self.types[kind], purpose)
            for kind, (what, purpose) in MEANINGS.items()
            if self.types[kind]
        ]
        others = [
            Created(kind, count, "")
            for kind, count in sorted(self.types.items())
            if kind not in MEANINGS and kind not in CONNECTING
        ]
        rest = sum(self.types[kind] for kind in CONNECTING)
        return [*known, *others, Created("what connects them", rest, "paths, policies, versions")]


def plan_of(folder: Path) -> Plan:
    """Return what the synthesised templates in a folder create."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    stacks = {
        name: one for name, one in artifacts.items() if one["type"] == "aws:cloudformation:stack"
    }
    types, kept = Counter[str](), Counter[str]()
    for one in stacks.values():
        template = json.loads((folder / one["properties"]["templateFile"]).read_text())
        resources: list[dict[str, Any]] = [*template["Resources"].values()]
        types.update(_kind(each) for each in resources)
        kept.update(_kind(each) for each in resources if each.get("DeletionPolicy") == "Retain")
    return Plan(
        types,
        kept,
        tuple(sorted(stacks)),
        tuple(
            sorted(
                name for name, one in stacks.items() if one["properties"]["terminationProtection"]
            )
        ),
        frozenset(one["environment"].rpartition("/")[2] for one in stacks.values()),
    )


def print_created(out: Console, plan: Plan) -> None:
    """Print the resources as a table."""
    table = Table("what", "how many", "what for", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for one in plan.created:
        table.add_row(one.what, str(one.how_many), one.purpose)
    out.print(table)


def print_cost(out: Console) -> None:
    """Print what a month costs, by the figures of the page about cost."""
    idle_usd = sum(fixed_usd(idle=True).values())
    out.print(
        f"It costs about {idle_usd:.2f} USD a month idle, and {example_usd():.2f} USD with"
        f" {EXAMPLE_PAYMENTS:,} payments, each captured, settled and told of by a webhook"
        " (us-east-1, no free allowance taken off; docs/cost.md has the sums)."
    )


def _kind(resource: dict[str, Any]) -> str:
    return str(resource["Type"]).removeprefix("AWS::")
