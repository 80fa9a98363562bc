"""Over TLS a receiver has to prove its name before it gets a request."""

import asyncio
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.receivers import OK, Receiver, answering, receiving, sending

OPENSSL = shutil.which("openssl")
POST = """
import asyncio, sys
from payments_sandbox.adapters.sender import HttpSender
from payments_sandbox.domain.destination import DestinationPolicy

async def main():
    sender = HttpSender(DestinationPolicy(allow_private=True))
    for url in sys.argv[1:]:
        outcome = await sender.post(url, {}, b"{}")
        print(outcome.status or outcome.error)
    await sender.close()

asyncio.run(main())
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A new certificate for 127.0.0.1 that nobody knows, with its key in the same file."""
    if OPENSSL is None:
        pytest.skip("openssl makes the certificate, and is not here")
    path = tmp_path / "certificate.pem"
    subprocess.run(
        [
            OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", "/CN=receiver", "-keyout", str(path), "-out",
            str(tmp_path / "public.pem"), "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + (tmp_path / "public.pem").read_text())
    return path


def proving_itself_by(certificate: Path) -> ssl.SSLContext:
    """Return what a receiver with this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def posted_by_who_trusts(certificate: Path, *urls: str) -> list[str]:
    """Return what comes of posting in a process that trusts only this certificate."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", POST, *urls,
        env={"SSL_CERT_FILE": str(certificate)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode().split()


def over_tls(receiver: Receiver, host: str = "127.0.0.1") -> str:
    """Return the receiver's URL under this name."""
    return f"https://{host}:{receiver.port}/hooks"


async def test_an_unknown_certificate_is_refused(certificate: Path) -> None:
    """A receiver that signed its certificate itself gets nothing."""
    tls = proving_itself_by(certificate)
    async with receiving(answering(OK), tls=tls) as receiver, sending() as sender:
        outcome = await sender.post(over_tls(receiver), {}, b"{}")

    assert (outcome.error, receiver.requests) == ("tls_failed", [])


async def test_a_trusted_certificate_is_good_for_its_name(certificate: Path) -> None:
    """Where its certificate is trusted the receiver gets requests, but under no other name."""
    async with receiving(answering(OK), tls=proving_itself_by(certificate)) as receiver:
        outcomes = await posted_by_who_trusts(
            certificate, over_tls(receiver), over_tls(receiver), over_tls(receiver, "localhost")
        )

    assert outcomes == ["200", "200", "tls_failed"]
    assert len(receiver.requests) == 2


async def test_what_is_not_tls_is_refused() -> None:
    """A receiver that speaks plain HTTP on an https URL gets nothing."""

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server, sending() as sender:
        port = server.sockets[0].getsockname()[1]
        outcome = await sender.post(f"https://127.0.0.1:{port}/", {}, b"{}")

    assert outcome.error == "tls_failed"
