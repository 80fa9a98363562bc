"""Where the functions' webhooks may go: to public addresses, never to private ones.

`WEBHOOK_RECEIVER` lets them go to one `host:port` here, for tests; it is refused unless AWS is an
emulator on this machine.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from payments_sandbox.domain.destination import DestinationPolicy
from payments_sandbox.entrypoints.wiring import is_loopback


class ReceiverRefused(Exception):
    """WEBHOOK_RECEIVER is for an emulator on this machine alone."""


def policy_from(environment: Mapping[str, str]) -> DestinationPolicy:
    """Return where webhooks may go: to public addresses, and to a test's receiver.

    Raise ReceiverRefused.
    """
    receiver = environment.get("WEBHOOK_RECEIVER")
    if receiver is None:
        return DestinationPolicy()
    if not is_loopback(urlsplit(environment.get("AWS_ENDPOINT_URL", "")).hostname or ""):
        raise ReceiverRefused("WEBHOOK_RECEIVER is set, but AWS_ENDPOINT_URL is no emulator here")
    host, _, port = receiver.rpartition(":")
    return DestinationPolicy(exception=(host, int(port)))
