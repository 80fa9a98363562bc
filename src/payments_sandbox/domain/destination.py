"""Where a webhook may go: which URLs, and which addresses behind their hosts.

The lists are our own: what Python calls global holds multicast, and tunnels to private addresses.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

URL_CHARACTERS_MAX = 2_048
HOST_CHARACTERS_MAX = 253
PORT_MAX = 65_535
_PORTS_BELOW_1024 = frozenset({80, 443})
_UNPRIVILEGED_PORT_MIN = 1_024
_KNOWN_MAX = 1_024

Address = IPv4Address | IPv6Address

_NEVER_V4 = tuple(
    IPv4Network(one)
    for one in (
        "0.0.0.0/8",  # this host
        "100.64.0.0/10",  # behind a carrier's NAT; Alibaba's metadata
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local; metadata of most clouds, Lambda's runtime
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_PRIVATE_V4 = tuple(
    IPv4Network(one) for one in ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
# All that is handed out for use. Outside are compatible, translated (NAT64), link-local,
# site-local, discard-only, segment-routing and multicast addresses.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NEVER_V6 = tuple(
    IPv6Network(one)
    for one in (
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "fd00:ec2::/32",  # AWS's metadata
        "fd20:ce::/32",  # Google's metadata
    )
)
_PRIVATE_V6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))

_CHARACTERS = re.compile(r"[!-\[\]-~]*")
_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
# The C library takes 127.1, 0x7f000001 and 2130706433 for addresses, too.
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class DestinationRefused(ValueError):
    """What is wrong with a URL, and what to do about it; never the URL itself."""


class Destination(NamedTuple):
    """The parts of a URL, as they are connected to and sent."""

    scheme: str
    host: str
    """A name, or an address in its usual spelling and without brackets; in lower case."""
    port: int
    target: str
    """Path and query."""

    @property
    def address(self) -> Address | None:
        """The address, unless the host is a name."""
        if ":" in self.host:
            return IPv6Address(self.host)
        return IPv4Address(self.host) if _ENDS_IN_A_NUMBER.fullmatch(self.host) else None


@dataclass(frozen=True, slots=True)
class DestinationPolicy:
    """Whether webhooks may go to this machine and its private networks."""

    allow_private: bool = False
    exception: tuple[str, int] | None = None
    """The one host and port that counts as allowed there, for tests against an emulator."""

    def excepts(self, destination: Destination) -> bool:
        """Tell whether the destination is the exception."""
        if self.exception is None:
            return False
        host, port = self.exception
        return (host.lower(), port) == (destination.host, destination.port)

    def reaches_private(self, destination: Destination) -> bool:
        """Tell whether loopback and private addresses may be what is behind this host."""
        return self.allow_private or self.excepts(destination)


def is_allowed(address: Address, *, allow_private: bool) -> bool:
    """Tell whether webhooks may go to the address."""
    if isinstance(address, IPv4Address):
        if any(address in network for network in _NEVER_V4):
            return False
        return allow_private or not any(address in network for network in _PRIVATE_V4)
    if address.scope_id is not None or any(address in network for network in _NEVER_V6):
        return False
    if address.ipv4_mapped is not None:
        return is_allowed(address.ipv4_mapped, allow_private=allow_private)
    if any(address in network for network in _PRIVATE_V6):
        return allow_private
    return address in _GLOBAL_V6


def fault_in(url: str, policy: DestinationPolicy) -> str | None:
    """Return what is wrong with the URL, to follow its field's name; None if it is admitted."""
    try:
        admitted(url, policy)
    except DestinationRefused as refused:
        return str(refused)
    return None


@lru_cache(_KNOWN_MAX)
def admitted(url: str, policy: DestinationPolicy) -> Destination:
    """Return the URL's parts; raise DestinationRefused.

    A name still has to be judged by the addresses it stands for, each time it is connected to.
    """
    destination = _parsed(url)
    reaches_private = policy.reaches_private(destination)
    if destination.scheme != "https" and not reaches_private:
        raise DestinationRefused(
            "must be https; http is for a sandbox that allows private receivers"
        )
    if not _is_usual(destination.port) and not policy.excepts(destination):
        raise DestinationRefused("must have port 80, 443 or one from 1024 to 65535")
    address = destination.address
    if address is not None and not is_allowed(address, allow_private=reaches_private):
        raise DestinationRefused(_not_public(allow_private=reaches_private))
    if _is_localhost(destination.host) and not reaches_private:
        raise DestinationRefused(_not_public(allow_private=False))
    return destination


def _parsed(url: str) -> Destination:
    if len(url) > URL_CHARACTERS_MAX:
        raise DestinationRefused(f"must have at most {URL_CHARACTERS_MAX:,} characters")
    if _CHARACTERS.fullmatch(url) is None:
        raise DestinationRefused(
            "must be ASCII without spaces and backslashes; percent-encode others, "
            "and write an international host name in its xn-- form"
        )
    match = _URL.fullmatch(url)
    if match is None:
        raise DestinationRefused("must begin with https:// or http://")
    scheme, authority, target, fragment = match.groups()
    if fragment is not None:
        raise DestinationRefused("must not have a fragment; leave out the # and what follows")
    if "@" in authority:
        raise DestinationRefused("must not have a user or password; leave out all up to the @")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise DestinationRefused(
            "must have a host, such as example.com, 192.0.2.1 or [2001:db8::1], and after it "
            "nothing but a port"
        )
    bracketed, name, port_text = parts.groups()
    scheme = scheme.lower()
    port = _DEFAULT_PORTS[scheme] if port_text is None else int(port_text)
    if not 0 < port <= PORT_MAX:
        raise DestinationRefused("must have port 80, 443 or one from 1024 to 65535")
    host = _name(name.lower()) if bracketed is None else _ipv6(bracketed)
    return Destination(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise DestinationRefused("must have only an IPv6 address in brackets") from None


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None or len(text.removesuffix(".")) > HOST_CHARACTERS_MAX:
        raise DestinationRefused(
            "must have a host name of at most 253 characters, in labels of 1 to 63"
        )
    if _ENDS_IN_A_NUMBER.fullmatch(text) is None:
        return text
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise DestinationRefused(
            "must have an IPv4 address as four decimal numbers without leading zeros"
        ) from None


def _is_usual(port: int) -> bool:
    return port in _PORTS_BELOW_1024 or port >= _UNPRIVILEGED_PORT_MIN


def _is_localhost(host: str) -> bool:
    return f".{host.removesuffix('.')}".endswith(".localhost")


def _not_public(*, allow_private: bool) -> str:
    reason = "must not point to a link-local, reserved, multicast or metadata address"
    remedy = "point it to a public, private or loopback one"
    if not allow_private:
        reason = "must not point to an address that is not public"
        remedy = "point it to a public one, or use a sandbox that allows private receivers"
    return f"{reason}; {remedy}"
