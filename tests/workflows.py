"""Lints the GitHub workflows with zizmor and an actionlint, after both have caught planted faults.

The actionlint is jactionlint, its maintained fork, because PyPI has it with its program inside;
the original's package fetches that when it is installed. Neither tool asks anybody anything.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-workflows/bin"
ZIZMOR = [str(TOOLS / "zizmor"), "--offline", "--quiet", "--no-progress", "--strict-collection"]
ACTIONLINT = [
    str(TOOLS / "jactionlint"), "--strict-exit", "--no-hints", "--shellcheck=", "--pyflakes=",
]  # fmt: skip
PLANTED = """\
on: pull_request_target
jobs:
  test:
    runs-on: ubuntu-1804
    steps:
      - uses: actions/checkout@v4
      - run: echo "${{ github.event.pull_request.title }}"
      - run: echo "${{ steps.nothing.outputs.result }}"
"""
# What each must say of the planted workflow.
EXPECTED = {
    "zizmor": [
        "unpinned-uses", "template-injection", "dangerous-triggers", "excessive-permissions",
        "artipacked",
    ],
    "jactionlint": ["ubuntu-1804", '"nothing"', "untrusted", "timeout"],
}  # fmt: skip


def main() -> None:
    """Plant faults, which must be found; then look at the repository, which must be clean."""
    with tempfile.TemporaryDirectory() as folder:
        planted = Path(folder, ".github/workflows/planted.yml")
        planted.parent.mkdir(parents=True)
        planted.write_text(PLANTED)
        for command in (ZIZMOR, ACTIONLINT):
            done = subprocess.run(
                [*command, str(planted)], check=False, capture_output=True, text=True
            )
            name = Path(command[0]).name
            missed = [one for one in EXPECTED[name] if one not in done.stdout]
            if missed or not done.returncode:
                sys.exit(f"{name} missed planted faults: {missed}\n{done.stdout}{done.stderr}")
    workflows = sorted(str(one) for one in (ROOT / ".github/workflows").glob("*.yml"))
    for command in (ZIZMOR, ACTIONLINT):
        if subprocess.run([*command, *workflows], check=False).returncode:
            sys.exit(f"{Path(command[0]).name} is not content with the workflows")
    print(f"zizmor and jactionlint found the planted faults, and none in {len(workflows)} files.")  # noqa: T201 - the verdict


if __name__ == "__main__":
    main()
