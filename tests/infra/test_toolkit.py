"""When the toolkit touches the documentation's site, beside what the CDK does."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from infra import site_upload, toolkit
from infra.site_upload import Place

PLACE = Place("bucket", "distribution", "https://site.test/")


def done_by(monkeypatch: pytest.MonkeyPatch, command: str, cdk_status: int = 0) -> list[str]:
    """Run a command of the toolkit's; return what it had done, in order."""
    done: list[str] = []

    def build_bundle(*, is_emulated: bool) -> Path:
        done.append("bundle for the emulator" if is_emulated else "bundle")
        return Path()

    def cdk(
        arguments: Sequence[str], context: Mapping[str, str], _environment: Mapping[str, str]
    ) -> int:
        done.append(" ".join([*arguments, *(f"{name}={one}" for name, one in context.items())]))
        return cdk_status

    def publish(stage: str) -> Place:
        done.append(f"publish {stage}")
        return PLACE

    def empty(stage: str) -> None:
        done.append(f"empty {stage}")

    monkeypatch.setattr(toolkit, "build_bundle", build_bundle)
    monkeypatch.setattr(toolkit, "cdk", cdk)
    monkeypatch.setattr(site_upload, "publish", publish)
    monkeypatch.setattr(site_upload, "check_built", lambda: done.append("check"))
    monkeypatch.setattr(site_upload, "empty", empty)
    monkeypatch.setattr(sys, "argv", ["toolkit", *command.split()])
    with pytest.raises(SystemExit) as ended:
        toolkit.main()
    return [*done, f"status {ended.value.code}"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "deploy --all --email ops@example.com",
            [
                "check",
                "bundle",
                "deploy --all stage=dev target=aws email=ops@example.com",
                "publish dev",
                "status 0",
            ],
        ),
        (
            "--stage prod destroy --all --force",
            ["empty prod", "bundle", "destroy --all --force stage=prod target=aws", "status 0"],
        ),
        (
            "deploy --target emulator --all",
            ["bundle for the emulator", "deploy --all stage=dev target=emulator", "status 0"],
        ),
        (
            "deploy payments-sandbox-dev",
            ["bundle", "deploy payments-sandbox-dev stage=dev target=aws", "status 0"],
        ),
        ("diff --all", ["bundle", "diff --all stage=dev target=aws", "status 0"]),
    ],
    ids=["deploy", "destroy", "emulator", "the stage alone", "diff"],
)
def test_the_site_comes_and_goes_with_its_stack(
    command: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked before, published after, emptied before it goes; untouched by all else."""
    assert done_by(monkeypatch, command) == expected


def test_what_failed_to_deploy_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is the CDK's."""
    done = done_by(monkeypatch, "deploy --all", cdk_status=1)

    assert done == ["check", "bundle", "deploy --all stage=dev target=aws", "status 1"]
