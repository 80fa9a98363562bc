"""Where the functions' webhooks may go: to public addresses, never to private ones.

`WEBHOOK_RECEIVER` lets them go to one `host:port` here, for tests; it is refused unless AWS is an
emulator on this machine.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from payments_sandbox.domain.destination import DestinationPolicy


class ReceiverRefused(Exception):
    """WEBHOOK_RECEIVER is for an emulator on this machine alone."""


def policy_from(environment: Mapping[str, str]) -> DestinationPolicy:
    """Return where webhooks may go: to public addresses, and to a test's receiver.

    Raise ReceiverRefused.
    """
    receiver = environment.get("WEBHOOK_RECEIVER")
    if receiver is None:
        return DestinationPolicy()
    if not _is_here(environment.get("AWS_ENDPOINT_URL", "")):
        raise ReceiverRefused("WEBHOOK_RECEIVER is set, but AWS_ENDPOINT_URL is no emulator here")
    host, _, port = receiver.rpartition(":")
    return DestinationPolicy(exception=(host, int(port)))


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
