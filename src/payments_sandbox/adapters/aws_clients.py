"""Clients of AWS whose waits are bounded, from one botocore session."""

from functools import cache
from typing import Any, Final

from botocore.config import Config
from botocore.session import Session

CONNECT_TIMEOUT_S: Final = 1.0
READ_TIMEOUT_S: Final = 2.5
ATTEMPTS_MAX: Final = 3


def new_client(
    service: str,
    endpoint: str | None = None,
    region: str | None = None,
    *,
    connections: int = 4,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Any:  # noqa: ANN401 - the caller names the client's type
    """Return a client; None leaves endpoint or region to the environment, as any AWS tool does.

    A call is tried three times at most, so no caller waits much longer than ten seconds.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
        tcp_keepalive=True,
    )
    return _session().create_client(
        service, region_name=region, endpoint_url=endpoint, config=config
    )


@cache
def _session() -> Session:
    """Return the one session: what it has loaded once, further clients share."""
    return Session()
