"""Installs the wheel in an empty environment and makes a payment: what `pip install` gives a user.

Nothing of the checkout is on that environment's path, so a file that the wheel lacks is noticed.
"""

import argparse
import json
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from bench.servers import free_port, running

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PINNED = ROOT / "requirements/local.txt"
CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035, "cvc": "123"}
PIP = ["-m", "pip", "--disable-pip-version-check", "--quiet"]


def main() -> None:
    """Try the one wheel in dist/ under a Python."""
    parser = argparse.ArgumentParser(prog="make wheel", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default="python3")
    python = str(parser.parse_args().python)
    (wheel,) = DIST.glob("payments_sandbox-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        _run(python, "-m", "venv", str(environment))
        program = environment / "bin/python"
        _run(str(program), *PIP, "install", "--require-hashes", "-r", str(PINNED))
        _run(str(program), *PIP, "install", "--no-deps", str(wheel))
        _run(str(program), *PIP, "check")
        sandbox = environment / "bin/payments-sandbox"
        assert "serve" in _run(str(sandbox), "--help")
        transaction = _pay(sandbox, Path(folder, "shop.db"))
        version = _run(str(program), "--version")
    print(f"{wheel.name} on {version.strip()}: {transaction} approved.")  # noqa: T201 - the verdict


def _pay(sandbox: Path, data: Path) -> str:
    """Serve a new ledger, authorize once, and return the transaction's id."""
    port = free_port()
    command = [str(sandbox), "serve", "--port", str(port), "--data", str(data)]
    with running(command, port=port):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/payments/authorize",
            json.dumps({"card": CARD, "amount": 1000, "currency": "USD"}).encode(),
            {
                "x-api-key": "sk_test_local",
                "x-idempotency-key": "wheel",
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
            answer = json.load(response)
    assert (answer["status"], answer["approved_amount"]) == ("approved", 1000), answer
    return str(answer["transaction_id"])


def _run(*command: str) -> str:
    """Run a command away from the checkout and return what it printed."""
    done = subprocess.run(
        command, cwd=tempfile.gettempdir(), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
