"""An emulator of AWS on a free loopback port, and clients that can reach nothing else."""

import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, overload

from tests.running import free_port

if TYPE_CHECKING:
    from types_boto3_apigateway import APIGatewayClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ssm import SSMClient

PROGRAM = Path(__file__).parents[1] / ".venv-emulator" / "bin" / "ministack"
REGION = "us-east-1"
START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 10.0


@contextmanager
def emulated() -> Generator[str]:
    """Yield the address of an empty emulator that runs, on loopback only, until the block ends."""
    if not PROGRAM.exists():
        raise AssertionError(f"{PROGRAM} is missing: `make test` installs it")
    port = free_port()
    with TemporaryDirectory(prefix="emulator-") as folder:
        log = Path(folder, "emulator.log")
        with log.open("w") as output:
            process = subprocess.Popen(
                [PROGRAM], cwd=folder, env=_environment(folder, port), stdout=output, stderr=output
            )
        try:
            _await_health(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


@overload
def client(service: Literal["dynamodb"], endpoint: str, **config: Any) -> "DynamoDBClient": ...
@overload
def client(service: Literal["apigateway"], endpoint: str, **config: Any) -> "APIGatewayClient": ...
@overload
def client(service: Literal["ssm"], endpoint: str, **config: Any) -> "SSMClient": ...
@overload
def client(service: str, endpoint: str, **config: Any) -> Any: ...
def client(service: str, endpoint: str, **config: Any) -> Any:
    """Return a client of `endpoint` alone; `config` is what botocore's Config takes."""
    # Imported here because it takes half a second, and most tests need none of it.
    from botocore.config import Config  # noqa: PLC0415 - see above
    from botocore.session import Session  # noqa: PLC0415 - see above

    return Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - the emulator takes any
        config=Config(proxies={}, **config),
    )


def _environment(folder: str, port: int) -> dict[str, str]:
    """Return all that the emulator is told: nothing of the machine's but where programs are."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "TMPDIR": folder,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _await_health(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while process.poll() is None and time.monotonic() < deadline:
        if _is_healthy(port):
            return
        time.sleep(0.02)
    raise AssertionError(f"the emulator did not start:\n{log.read_text()[-4000:]}")


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
