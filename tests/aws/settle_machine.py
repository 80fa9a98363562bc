"""The state machine of the repository on the emulator's interpreter, its function in the test.

What the machine invokes is a function of a few lines that hands each task to the test over
loopback: so the test holds the clock, plants faults, and knows how far an execution has come.
"""

import io
import json
import threading
import time
import zipfile
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from payments_sandbox.adapters.aws_clients import new_client
from tests.aws.settle_rig import Rig
from tests.aws.topic import ROLE

DEADLINE_S = 60.0
DEFINITION = Path(__file__).parents[2] / "infra" / "settlement.asl.json"
HAND_OVER = """
import json
import os
import urllib.request


def handler(event, context):
    request = urllib.request.Request(os.environ["TEST"], json.dumps(event).encode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)
"""
Task = dict[str, Any]
_numbers = count()


class Ended(NamedTuple):
    """How an execution ended."""

    status: str
    error: str | None


SUCCEEDED = Ended("SUCCEEDED", None)
INCOMPLETE = Ended("FAILED", "SettlementIncomplete")


def _nothing(_: Task) -> None: ...


@dataclass
class Machine:
    """A state machine; `before` and `after` hear of each task and may raise, which fails it."""

    arn: str
    states: Any
    tasks: list[str]
    """Of which tasks it has asked."""
    hooks: "Hooks"

    def start(self) -> str:
        """Start an execution; return its ARN."""
        return self.states.start_execution(stateMachineArn=self.arn)["executionArn"]

    def stop(self, execution: str) -> None:
        """Kill an execution."""
        self.states.stop_execution(executionArn=execution)

    def ended(self, execution: str) -> Ended:
        """Wait until an execution has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            found = self.states.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return Ended(found["status"], found.get("error"))
            time.sleep(0.02)
        raise AssertionError(f"the execution did not end within {DEADLINE_S} s")

    def run(self) -> Ended:
        """Run it to its end."""
        return self.ended(self.start())


@dataclass
class Hooks:
    """What happens before and after each task; what it raises fails the task."""

    before: Callable[[Task], object] = _nothing
    after: Callable[[Task], object] = _nothing
    done: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])


@contextmanager
def machine_at(endpoint: str, rig: Rig) -> Generator[Machine]:
    """Yield a new state machine whose tasks the rig does."""
    name = f"settlement-{rig.table.name}-{next(_numbers)}"
    hooks = Hooks()
    with (
        closing(new_client("lambda", endpoint)) as functions,
        closing(new_client("stepfunctions", endpoint)) as states,
        _serving(rig, hooks) as url,
    ):
        function = functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler="hand_over.handler",
            Code={"ZipFile": _zipped("hand_over.py", HAND_OVER)},
            Timeout=60,
            Environment={"Variables": {"TEST": url}},
        )["FunctionArn"]
        arn = states.create_state_machine(
            name=name, definition=_without_pauses(function), roleArn=ROLE
        )["stateMachineArn"]
        try:
            yield Machine(arn, states, hooks.done, hooks)
        finally:
            states.delete_state_machine(stateMachineArn=arn)
            functions.delete_function(FunctionName=name)


def _without_pauses(function: str) -> str:
    """Return the definition over the function, in which retries wait for nothing."""

    def hurried(one: dict[str, Any]) -> dict[str, Any]:
        return one | {"IntervalSeconds": 0} if "IntervalSeconds" in one else one

    text = DEFINITION.read_text().replace("${SettleFunction}", function)
    return json.dumps(json.loads(text, object_hook=hurried))


def _zipped(name: str, text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, text)
    return file.getvalue()


@contextmanager
def _serving(rig: Rig, hooks: Hooks) -> Generator[str]:
    """Yield the address at which tasks are done."""

    class Tasks(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = _done(rig, hooks, event)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tasks)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _done(rig: Rig, hooks: Hooks, event: Task) -> tuple[int, Any]:
    """Do a task; return the status and body of the answer."""
    hooks.done.append(event["task"])
    try:
        hooks.before(event)
        answer = rig.task(event)
        hooks.after(event)
    except Exception as error:  # noqa: BLE001 - as Lambda has it: the invocation failed
        hooks.errors.append(repr(error))
        return 500, None
    return 200, answer
