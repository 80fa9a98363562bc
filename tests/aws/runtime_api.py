"""Lambda's Runtime API on this machine, and the real runtime client running a bundle against it."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import time_ns
from typing import Any, Final, NamedTuple

API: Final = "/2018-06-01/runtime"
ARN: Final = "arn:aws:lambda:us-east-1:123456789012:function:payments-sandbox-api"
PARTS_OF_THE_RUNTIME = ("awslambdaric", "snapshot_restore_py", "runtime_client", "simplejson")
REPORT_DEADLINE_S = 20.0


class Report(NamedTuple):
    """What the runtime client reported: `ID/response`, `ID/error`, `init/error`, `restore/next`."""

    place: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RuntimeApi:
    """Hands out events, and takes what is reported."""

    def __init__(self) -> None:
        self.events: Queue[tuple[str, bytes] | None] = Queue()
        self.reports: Queue[Report] = Queue()
        self._count = 0
        api = self

        class OfThisApi(_Requests):
            runtime = api

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), OfThisApi)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def serving(self) -> Generator["RuntimeApi"]:
        """Serve until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self.events.put(None)
            self._server.shutdown()
            self._server.server_close()

    def invoke(self, event: object) -> Report:
        """Hand out an event, of bytes as they are or of anything as JSON; return its report."""
        self._count += 1
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self.events.put((f"invocation-{self._count}", body))
        return self.reported()

    def reported(self) -> Report:
        """Return the next report."""
        try:
            return self.reports.get(timeout=REPORT_DEADLINE_S)
        except Empty:
            raise AssertionError("the runtime client reported nothing") from None


class _Requests(BaseHTTPRequestHandler):
    """The four calls of the runtime client, and two more of SnapStart."""

    runtime: RuntimeApi
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one write, at once: else each call waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Hand out the next event, or let a restored function go on."""
        if self.path == f"{API}/restore/next":
            self.runtime.reports.put(Report("restore/next", b""))
            self._answer(200, b"")
            return
        event = self.runtime.events.get()
        if event is None:
            self.close_connection = True
            return
        name, body = event
        deadline_ms = time_ns() // 1_000_000 + 30_000
        headers = {
            "Lambda-Runtime-Aws-Request-Id": name,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Content-Type": "application/json",
        }
        self._answer(200, body, headers)

    def do_POST(self) -> None:
        """Take a report."""
        body = self.rfile.read(int(self.headers["content-length"]))
        place = self.path.removeprefix(f"{API}/").removeprefix("invocation/")
        self._answer(202, b"{}")
        self.runtime.reports.put(Report(place, body))

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def link_runtime(folder: Path) -> None:
    """Fill a folder with what Lambda has installed beside the bundle."""
    for name in PARTS_OF_THE_RUNTIME:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        part = origin.parent if spec.submodule_search_locations else origin
        (folder / part.name).symlink_to(part)


class Client(NamedTuple):
    """The runtime client as a process, the API it asks, and where it writes."""

    process: subprocess.Popen[bytes]
    api: RuntimeApi
    log: Path

    def ended(self) -> int:
        """Return the status it ends with by itself."""
        return self.process.wait(REPORT_DEADLINE_S)


@contextmanager
def runtime_client(
    bundle: Path, runtime: Path, handler: str, environment: Mapping[str, str], log: Path
) -> Generator[Client]:
    """Run the handler as Lambda does: no package but the bundle's and the runtime's own."""
    with RuntimeApi().serving() as api, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-S", "-m", "awslambdaric", handler],
            cwd=bundle,
            env={
                **environment,
                "AWS_LAMBDA_RUNTIME_API": api.address,
                "LAMBDA_TASK_ROOT": str(bundle),
                "AWS_LAMBDA_FUNCTION_NAME": "payments-sandbox-api",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
                "POWERTOOLS_TRACE_DISABLED": "true",
                "PYTHONPATH": f"{bundle}{os.pathsep}{runtime}",
            },
            stdout=output,
            stderr=output,
        )
        try:
            yield Client(process, api, log)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
