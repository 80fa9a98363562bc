"""Runs the load: against a sandbox of its own, whose books are verified after, or against a URL.

It ends with 1 if an answer was wrong, or if the books do not hold.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from bench.servers import sandbox

ROOT = Path(__file__).resolve().parent.parent
LOCUST = ROOT / ".venv-load/bin/locust"
PROGRAM = Path(sys.executable).with_name("payments-sandbox")
REPORT = ROOT / "dist/load.html"
LOCAL_KEY = "sk_test_local"
STOP_S = 40
ANSWER_S = 35
"""API Gateway gives up after 29 s."""
LETS_IN = (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS)
REFUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Load(NamedTuple):
    """How many users, for how long, and how many requests a minute in all; 0 is no limit."""

    users: int
    seconds: int
    rate: int


def main() -> None:
    """Parse the options, run the load, and end with its verdict."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--url", help="a sandbox that runs; its key is in API_KEY")
    parser.add_argument("--users", type=int, help="8, or 2 with a URL")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, help="requests a minute in all, 0 for no limit")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    if not options.url:
        load = Load(options.users or 8, options.seconds, options.rate or 0)
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(local(load, Path(folder, "load.db")))
    api_key = os.environ.get("API_KEY")
    if not api_key:
        sys.exit("API_KEY= is missing: a key of the sandbox at that URL")
    url = options.url.rstrip("/")
    if reason := refusal(url, api_key):
        sys.exit(reason)
    rate = 90 if options.rate is None else options.rate
    load = Load(options.users or 2, options.seconds, rate)
    sys.exit(run(url, api_key, load, quota_expected=True))


def refusal(url: str, api_key: str) -> str | None:
    """Return why no load can be put on that URL with that key, None if it can."""
    if not (api_key.isascii() and api_key.isprintable()):
        return "API_KEY cannot be: no header takes all of its characters"
    try:
        status = _status(url, api_key)
    except (OSError, HTTPException, ValueError) as error:
        return f"No sandbox answers at {url}: {error}"
    if status in REFUSES:
        return (
            f"{url} does not let the key in API_KEY in ({status});"
            " a gateway takes up to a minute to know a new one"
        )
    return None if status in LETS_IN else f"No sandbox answers at {url}: GET /payments is {status}"


def _status(url: str, api_key: str) -> int:
    """Return how a list of payments is answered; raise ValueError for what is no address."""
    place = urlsplit(url)
    if place.scheme not in {"http", "https"} or not place.hostname:
        raise ValueError("an address begins with https:// or http://")
    connect = HTTPSConnection if place.scheme == "https" else HTTPConnection
    with closing(connect(place.hostname, place.port, timeout=ANSWER_S)) as connection:
        connection.request("GET", f"{place.path}/payments?limit=1", headers={"x-api-key": api_key})
        return connection.getresponse().status


def _stop(signal_number: int, frame: FrameType | None) -> NoReturn:
    """Leave by way of the clean-up."""
    del signal_number, frame
    sys.exit("stopped")


def local(load: Load, data: Path) -> int:
    """Run the load against a sandbox on a new ledger, and verify that ledger's books."""
    with sandbox(data) as server:
        failed = run(f"http://127.0.0.1:{server.port}", LOCAL_KEY, load, quota_expected=False)
    print(shlex.join(["payments-sandbox", "verify", data.name]), flush=True)
    books = subprocess.run([str(PROGRAM), "verify", str(data)], check=False).returncode
    return 1 if failed or books else 0


def run(url: str, api_key: str, load: Load, *, quota_expected: bool) -> int:
    """Have locust run the users; return its exit code, and leave its report in dist/."""
    REPORT.parent.mkdir(exist_ok=True)
    command = [
        str(LOCUST), "--locustfile", str(ROOT / "loadtests/locustfile.py"), "--headless",
        "--host", url, "--users", str(load.users), "--spawn-rate", str(load.users),
        "--run-time", f"{load.seconds}s", "--stop-timeout", str(STOP_S),
        "--only-summary", "--html", str(REPORT), "--loglevel", "WARNING",
    ]  # fmt: skip
    environment = os.environ | {"LOAD_API_KEY": api_key, "PYTHONPATH": str(ROOT)}
    environment.pop("LOAD_QUOTA", None)
    if quota_expected:
        environment["LOAD_QUOTA"] = "expected"
    environment["LOAD_PACE"] = str(load.rate / 60 / load.users)
    print(f"{load.users} users for {load.seconds} s against {url} ...", flush=True)
    try:
        code = subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    finally:
        print(f"Report: {REPORT.relative_to(ROOT)}", flush=True)
    return code


if __name__ == "__main__":
    main()
