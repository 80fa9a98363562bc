"""Runs the function's real entry point on events: `python -m tests.aws.driver EVENTS ANSWERS`."""

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.gateway import Context


def main() -> None:
    """Answer each event of a file, in order, and write the answers to the other."""
    from payments_sandbox.entrypoints.aws_api import handler  # noqa: PLC0415 - as Lambda does

    events = json.loads(Path(sys.argv[1]).read_text())
    answers: list[Any] = []
    for event in events:
        try:
            answers.append(handler(event, Context()))
        except Exception:  # noqa: BLE001 - Lambda's own runtime logs it so, and goes on
            traceback.print_exc()
            answers.append({"statusCode": 502})
    Path(sys.argv[2]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
