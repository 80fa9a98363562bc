"""Which URLs may be registered for webhooks, and which addresses may be behind them."""

from ipaddress import ip_address

import pytest

from payments_sandbox.domain.destination import (
    URL_CHARACTERS_MAX,
    Destination,
    DestinationPolicy,
    DestinationRefused,
    admitted,
    fault_in,
    is_allowed,
)

PUBLIC_ONLY = DestinationPolicy()
PRIVATE_TOO = DestinationPolicy(allow_private=True)
EXCEPTION = DestinationPolicy(exception=("Emulator", 900))

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.169.0.0",
    "198.20.0.0",
    "198.51.101.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2003::1",
    "2606:4700::1111",
    "2a00:1450::1",
    "3ffe::1",
)
PRIVATE = (
    "10.0.0.0",
    "10.255.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.255.255",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "fc00::",
    "fd00:ec1::254",
    "fdff:ffff::1",
)
NEVER = (
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "0.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    "::",
    "::2",
    "::127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fbff::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe00::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "::1%lo",
    "::ffff:8.8.8.8%eth0",
    "fec0::1",
    "ff02::1",
)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        *((one, (True, True)) for one in PUBLIC),
        *((one, (False, True)) for one in PRIVATE),
        *((one, (False, False)) for one in NEVER),
    ],
)
def test_an_address_is_allowed_or_not(address: str, expected: tuple[bool, bool]) -> None:
    """Public addresses always are, private ones if they may be, all others never."""
    judged = tuple(
        is_allowed(ip_address(address), allow_private=allow_private)
        for allow_private in (False, True)
    )

    assert judged == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", Destination("https", "example.com", 443, "/")),
        ("HTTPS://Example.COM/Hooks", Destination("https", "example.com", 443, "/Hooks")),
        ("https://example.com.:8443/", Destination("https", "example.com.", 8443, "/")),
        ("https://example.com?a=1", Destination("https", "example.com", 443, "/?a=1")),
        (
            "https://example.com/a@b/../%2F//?x=%41&y={z}:",
            Destination("https", "example.com", 443, "/a@b/../%2F//?x=%41&y={z}:"),
        ),
        ("https://my_app.xn--bcher-kva.example:80/", None),
        ("https://8.8.8.8/", Destination("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700:0::1111]:1024/", Destination("https", "2606:4700::1111", 1024, "/")),
        ("https://1.example/", Destination("https", "1.example", 443, "/")),
        ("https://example.0xfg/", Destination("https", "example.0xfg", 443, "/")),
        ("https://example.com:65535/", Destination("https", "example.com", 65_535, "/")),
        ("https://example.com:08443/", Destination("https", "example.com", 8443, "/")),
    ],
)
def test_a_public_url_is_admitted(url: str, expected: Destination | None) -> None:
    """Its parts are what is connected to: host in lower case, port filled in, target untouched."""
    parts = admitted(url, PUBLIC_ONLY)

    assert expected in (parts, None)
    assert fault_in(url, PUBLIC_ONLY) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [("example.com", None), ("8.8.8.8", "8.8.8.8"), ("2606:4700::1111", "2606:4700::1111")],
)
def test_a_destination_knows_its_address(host: str, address: str | None) -> None:
    """A host that is an address is one; a name has none before it is looked up."""
    expected = None if address is None else ip_address(address)

    assert expected == Destination("https", host, 443, "/").address


LONG = "https://example.com/" + "a" * (URL_CHARACTERS_MAX - 20)
LONG_NAME = ".".join(["a" * 63] * 3 + ["b" * 61])
FAULTS = (
    ("x" + LONG, "2,048 characters"),
    ("https://example.com/a b", "ASCII"),
    ("https://example.com/\u00fc", "ASCII"),
    ("https://b\u00fccher.example/", "xn--"),
    ("https://example.com\\", "backslashes"),
    ("https://example.com/\x7f", "ASCII"),
    ("", "begin with https://"),
    ("example.com", "begin with https://"),
    ("ftp://example.com/", "begin with https://"),
    ("https:/example.com/", "begin with https://"),
    ("https://example.com/#", "fragment"),
    ("https://example.com/a#b", "fragment"),
    ("https://user:secret@example.com/", "user or password"),
    ("https://@example.com/", "user or password"),
    ("https://", "host"),
    ("https:///hooks", "host"),
    ("https://:443/", "host"),
    ("https://example.com:/", "nothing but a port"),
    ("https://example.com:x/", "nothing but a port"),
    ("https://example.com:123456/", "nothing but a port"),
    ("https://exa%6dple.com/", "host"),
    ("https://[example.com]/", "host"),
    ("https://[v1.fe80]/", "host"),
    ("https://[2606:4700::1%25eth0]/", "host"),
    ("https://2606:4700::1111/", "host"),
    ("https://[8.8.8.8]/", "IPv6"),
    ("https://[1:2]/", "IPv6"),
    ("https://example..com/", "host name"),
    ("https://.example.com/", "host name"),
    ("https://example.com../", "host name"),
    ("https://-example.com/", "host name"),
    ("https://example-.com/", "host name"),
    (f"https://{'a' * 64}.example/", "host name"),
    (f"https://{LONG_NAME}b/", "host name"),
    ("https://8.8.2056/", "four decimal numbers"),
    ("https://134744072/", "four decimal numbers"),
    ("https://0x08080808/", "four decimal numbers"),
    ("https://8.8.8.010/", "four decimal numbers"),
    ("https://8.8.8.8./", "four decimal numbers"),
    ("https://8.8.8.256/", "four decimal numbers"),
    ("https://example.1/", "four decimal numbers"),
    ("https://example.0x/", "four decimal numbers"),
    ("http://example.com/", "https"),
    ("https://example.com:0/", "port 80, 443"),
    ("https://example.com:79/", "port 80, 443"),
    ("https://example.com:1023/", "port 80, 443"),
    ("https://example.com:65536/", "port 80, 443"),
    ("https://127.0.0.1/", "not public"),
    ("https://[::1]/", "not public"),
    ("https://169.254.169.254/", "not public"),
    ("https://localhost/", "not public"),
    ("https://hooks.LOCALHOST./", "not public"),
)


@pytest.mark.parametrize(("url", "fault"), FAULTS, ids=[ascii(url)[:60] for url, _ in FAULTS])
def test_a_fault_is_named(url: str, fault: str) -> None:
    """What is wrong is said in one line that says "must" and does not hold the URL."""
    said = fault_in(url, PUBLIC_ONLY) or "nothing"

    assert fault in said
    assert said.startswith("must ")
    assert "secret" not in said
    with pytest.raises(DestinationRefused):
        admitted(url, PUBLIC_ONLY)


@pytest.mark.parametrize("url", [LONG, f"https://{LONG_NAME}/", f"https://{LONG_NAME}./"])
def test_the_longest_is_admitted(url: str) -> None:
    """At the limits of a URL and of a host name there is nothing wrong."""
    assert fault_in(url, PUBLIC_ONLY) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3000/hooks",
        "http://app.localhost/",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/",
        "http://192.168.1.20/",
        "http://example.com/",
        "https://example.com/",
    ],
)
def test_private_receivers_may_be_allowed(url: str) -> None:
    """With private receivers allowed, http and loopback are fine, and public ones as well."""
    assert fault_in(url, PRIVATE_TOO) is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://169.254.169.254/latest/meta-data", "metadata"),
        ("http://0.0.0.0:3000/", "reserved"),
        ("http://[fe80::1]/", "link-local"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://localhost:22/", "port 80, 443"),
    ],
)
def test_allowed_private_receivers_are_not_everything(url: str, fault: str) -> None:
    """Link-local, reserved and metadata addresses stay closed, as do other services' ports."""
    assert fault in (fault_in(url, PRIVATE_TOO) or "nothing")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://emulator:900/", True),
        ("https://EMULATOR:900/", True),
        ("http://emulator:901/", False),
        ("http://emulator/", False),
        ("https://emulator:22/", False),
        ("http://emulator.example:900/", False),
        ("https://127.0.0.1:900/", False),
    ],
)
def test_the_exception_is_one_host_and_port(url: str, expected: bool) -> None:  # noqa: FBT001
    """Exactly that host at exactly that port is admitted, over http and at any port."""
    assert expected == (fault_in(url, EXCEPTION) is None)


def test_an_excepted_address_is_admitted_only_as_written() -> None:
    """An exception for an address does not open another spelling of it."""
    policy = DestinationPolicy(exception=("127.0.0.1", 4566))

    assert fault_in("http://127.0.0.1:4566/", policy) is None
    assert "not public" in (fault_in("https://[::ffff:127.0.0.1]:4566/", policy) or "")
