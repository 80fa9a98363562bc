"""The rule packs and the linter find nothing that is not meant."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks

from infra.cdk.acknowledged import MEANT, MEANT_OF_SITE
from tests.infra.templates import Synthesised

LINT = Path(sys.executable).with_name("cfn-lint")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_rule_packs_find_nothing_that_is_not_meant(
    stage: str, request: pytest.FixtureRequest
) -> None:
    """Both packs ran, and nothing is left that is not acknowledged with a reason."""
    reports = request.getfixturevalue(stage).reports

    assert {"AwsSolutions", "Serverless"} <= {one["pluginName"] for one in reports}
    assert [found for one in reports for found in one["violations"]] == []


def test_what_is_acknowledged_is_found(dev: Synthesised) -> None:
    """No acknowledgement has outlived what it was for."""
    found = {
        (rule["ruleName"], where["constructPath"])
        for report in dev.reports
        for rule in report["suppressedViolations"]
        for where in rule["violatingConstructs"]
    }
    idle = [
        (rule, place)
        for stack, meant in (("", MEANT), ("-docs", MEANT_OF_SITE))
        for one in meant
        for rule in one.rules
        for place in one.places
        if not rule.startswith("Annotation::")  # the report does not name these
        and not any(
            rule.split("::", 1)[1].startswith(name)
            and path.startswith(f"payments-sandbox-dev{stack}/{place}")
            for name, path in found
        )
    ]

    assert idle == []


@pytest.mark.usefixtures("_quiet")
def test_a_fault_is_found(tmp_path: Path) -> None:
    """A queue without encryption in transit, a planted fault, is told of."""
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    sqs.Queue(Stack(app, "Planted"), "Queue")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))

    with pytest.raises(RuntimeError, match="AwsSolutions-SQS4"):
        app.synth()


def test_the_linter_finds_nothing(
    dev_stacks: dict[str, Synthesised], prod_stacks: dict[str, Synthesised], tmp_path: Path
) -> None:
    """cfn-lint reads each stack's template without a word, and a planted fault with one."""
    files: list[Path] = []
    for name, one in (dev_stacks | prod_stacks).items():
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(one.template))
    planted = tmp_path / "planted.json"
    planted.write_text('{"Resources": {"Queue": {"Type": "AWS::SQS::Heap"}}}')

    assert len(files) == 6
    assert linted(*files) == ""
    assert "E3006" in linted(planted)


def linted(*files: Path) -> str:
    """Return what cfn-lint says, but for the order of creation that the CDK spells out twice."""
    command = [str(LINT), "--ignore-checks", "W3005", "--", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
