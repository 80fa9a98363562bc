"""Fixtures every suite shares, and an environment in which nothing reaches the real AWS."""

import os
import signal
import sys
from collections.abc import Generator
from importlib.util import find_spec

import pytest

from tests.emulator import REGION, emulated

# Their assertions explain themselves as those of tests do.
pytest.register_assert_rewrite(
    "tests.property.folding", "tests.property.machine", "tests.property.sandbox", "tests.api.twins"
)

# `make test-infra` runs these where the CDK is installed.
collect_ignore = [] if find_spec("aws_cdk") else ["infra"]

# A container may forbid it: each of four processes then compiles all the tests anew, and each
# program that they start all of the sandbox.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell lets what it starts in the background ignore Ctrl-C, and so would what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set before any client is made: a forgotten endpoint meets a closed port, not an account. All
# others go, such as AWS_PROFILE, AWS_SESSION_TOKEN and the endpoints of single services.
for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


@pytest.fixture(scope="session")
def emulator() -> Generator[str]:
    """Start the emulator of AWS when a test first asks for it; return its address."""
    with emulated() as endpoint:
        yield endpoint
