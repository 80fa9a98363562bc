"""What is said before a deployment: counted from the templates, and priced by the page on cost."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.aws_cost import EXAMPLE_PAYMENTS, example_usd, fixed_usd
from infra.plan import CONNECTING, MEANINGS, Plan, plan_of, print_cost, print_created
from infra.toolkit import ROOT
from tests.infra.templates import Synthesised


def written(folder: Path, *resources: dict[str, str], is_protected: bool = False) -> Plan:
    """Return the plan of one stack with these resources."""
    template = {"Resources": {f"R{place}": one for place, one in enumerate(resources)}}
    (folder / "one.template.json").write_text(json.dumps(template))
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://123456789012/eu-west-1",
        "properties": {
            "templateFile": "one.template.json",
            "terminationProtection": is_protected,
        },
    }
    artifacts = {"one": stack, "one.assets": {"type": "cdk:asset-manifest"}}
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return plan_of(folder)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_type_has_its_words(stage: str, request: pytest.FixtureRequest) -> None:
    """A resource that is new to the stack gets its words, or is named among what connects."""
    synthesised: Synthesised = request.getfixturevalue(stage)
    types = {
        one["Type"].removeprefix("AWS::") for one in synthesised.template["Resources"].values()
    }

    assert types - set(MEANINGS) - CONNECTING == set()


def test_resources_are_counted(tmp_path: Path) -> None:
    """By kind, in the list's order; what is in no list stands by itself."""
    table, kept = {"Type": "AWS::DynamoDB::Table"}, {"DeletionPolicy": "Retain"}
    role, new = {"Type": "AWS::IAM::Role"}, {"Type": "AWS::New::Thing"}
    plan = written(tmp_path, role, table | kept, role, new, {"Type": "AWS::IAM::Policy"})

    assert [one[:2] for one in plan.created] == [
        ("DynamoDB table", 1),
        ("IAM role", 2),
        ("New::Thing", 1),
        ("what connects them", 1),
    ]
    assert plan.kept == {"DynamoDB::Table": 1}
    assert plan.regions == {"eu-west-1"}
    assert (plan.stacks, plan.protected) == (("one",), ())


def test_a_protected_stack_is_named(tmp_path: Path) -> None:
    """So that its deletion is refused before anything goes."""
    assert written(tmp_path, is_protected=True).protected == ("one",)


def test_the_table_says_what_for(tmp_path: Path) -> None:
    """Each kind with its number and its purpose."""
    written_to = io.StringIO()
    told = Console(file=written_to, width=120)
    plan = written(tmp_path, {"Type": "AWS::SQS::Queue"}, {"Type": "AWS::SQS::Queue"})
    print_created(told, plan)
    print_cost(told)
    printed = " ".join(written_to.getvalue().split())

    assert f"SQS queue 2 {MEANINGS['SQS::Queue'][1]}" in printed
    assert f"{example_usd():.2f} USD" in printed


def test_the_page_and_the_readme_have_the_price() -> None:
    """One source: the sums of the page on cost, which are computed."""
    idle_usd = sum(fixed_usd(idle=True).values())
    page, readme = (ROOT / "docs" / "cost.md").read_text(), (ROOT / "README.md").read_text()
    words = " ".join(readme.split())

    assert f"{EXAMPLE_PAYMENTS:,} payments a month" in page
    assert f"cost {example_usd():.2f} USD" in page
    assert f"about {idle_usd:.0f} USD a month idle" in words
    assert f"{example_usd():.0f} USD with {EXAMPLE_PAYMENTS:,} payments" in words
