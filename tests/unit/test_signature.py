"""Signatures: strangers' libraries take ours, and nothing that was changed on the way."""

import base64
import time
from collections.abc import Generator, Sequence
from datetime import timedelta

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from payments_sandbox.api.answers import event_bytes
from payments_sandbox.domain.identifiers import event_id_of
from payments_sandbox.domain.operations import Authorize
from payments_sandbox.domain.signature import secret_of, secret_text, signed_headers
from tests.strategies import authorizations
from tests.unit.examples import AUTH_ID, opened
from tests.unit.stand_ins import NOW, SECRETS
from tests.unit.strangers import InPython, Refused, Stranger, in_node
from tests.unit.webhooks import ENDPOINT, ENDPOINT_ID, OTHER_ENDPOINT_ID

SETTINGS = settings(deadline=None, derandomize=True, max_examples=50)
MESSAGE_ID = event_id_of(AUTH_ID, 1)
SECRET = SECRETS.webhook("k0", ENDPOINT_ID, 1)
BODY = '{"naïve":"café 💳"}'.encode()
SIGNATURE = "webhook-signature"
HEADERS = ["webhook-id", "webhook-timestamp", SIGNATURE]


def event_of(operation: Authorize) -> bytes:
    """Return the event of an authorization."""
    return event_bytes(opened(operation).transactions[-1])


secrets = st.binary(min_size=32, max_size=32)
unicode_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
bodies = st.builds(event_of, authorizations()) | st.builds(to_json, unicode_texts)


@pytest.fixture(scope="module", params=["standardwebhooks", "svix", "npm"])
def stranger(request: pytest.FixtureRequest) -> Generator[Stranger]:
    """Return one stranger's library after the other."""
    if request.param == "npm":
        with in_node() as node:
            yield node
    else:
        libraries = {"standardwebhooks": standardwebhooks.Webhook, "svix": svix.webhooks.Webhook}
        yield InPython(libraries[request.param])


def signed(
    body: bytes = BODY, all_secrets: Sequence[bytes] = (SECRET,), age_s: int = 0
) -> dict[str, str]:
    """Return the headers of a request that was sent so many seconds ago, by the real clock."""
    return signed_headers(MESSAGE_ID, int(time.time()) - age_s, body, all_secrets)


def check_refused(
    stranger: Stranger, headers: dict[str, str], body: bytes = BODY, secret: bytes = SECRET
) -> None:
    """See the request refused."""
    with pytest.raises(Refused):
        stranger.verify(secret_text(secret), headers, body)


def flipped(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit turned."""
    number = int.from_bytes(data) ^ (1 << bit)
    return number.to_bytes(len(data))


def test_the_published_example() -> None:
    """The example of the published libraries has the signature that it has there."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    expected = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert expected == signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [secret]
    )


def test_a_secret_as_its_owner_gets_it() -> None:
    """A secret is base 64 behind a prefix that tells what it is."""
    assert secret_text(bytes(32)) == "whsec_" + "A" * 43 + "="
    assert secret_of(secret_text(SECRET)) == SECRET


def test_signing_secrets() -> None:
    """A secret is the prefix and the base64 of 24 to 64 bytes; no refusal repeats it."""
    taken = ["whsec_" + "QUJD" * 8, "whsec_" + "QUJD" * 21]
    refused = [
        "",
        "QUJD" * 8,
        "WHSEC_" + "QUJD" * 8,
        " whsec_" + "QUJD" * 8,
        "whsec_" + "QUJD" * 7 + " QUJD",
        "whsec_" + "QUJD" * 7,
        "whsec_" + "QUJD" * 22,
        "whsec_Grüße" * 9,
    ]
    said: list[str] = []
    for text in refused:
        with pytest.raises(ValueError, match="24 to 64 bytes") as error:
            secret_of(text)
        said.append(str(error.value))

    assert [secret_of(text) for text in taken] == [b"ABC" * 8, b"ABC" * 21]
    assert not any(text and text in message for text, message in zip(refused, said, strict=True))


@SETTINGS
@given(body=bodies, secret=secrets)
def test_a_signature_is_verified(stranger: Stranger, body: bytes, secret: bytes) -> None:
    """Whatever the event says, in whatever script, its signature is taken."""
    stranger.verify(secret_text(secret), signed(body, [secret]), body)


@SETTINGS
@given(body=bodies, secret=secrets, timestamp=st.integers(0, 4_102_444_800))
def test_signatures_are_the_same(
    stranger: Stranger, body: bytes, secret: bytes, timestamp: int
) -> None:
    """Theirs is ours to the letter, at any time."""
    expected = stranger.sign(secret_text(secret), MESSAGE_ID, timestamp, body)

    assert expected == signed_headers(MESSAGE_ID, timestamp, body, [secret])[SIGNATURE]


@SETTINGS
@given(body=bodies, data=st.data())
def test_a_changed_body(stranger: Stranger, body: bytes, data: st.DataObject) -> None:
    """A body in which one character differs is refused."""
    text = body.decode()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"], exclude_characters=text[place]))

    changed = text[:place] + other + text[place + 1 :]

    check_refused(stranger, signed(body), changed.encode())


@pytest.mark.parametrize("changed", [b"", BODY + b" ", b" " + BODY, BODY + b"\n", BODY[:-1]])
def test_a_body_that_was_cut_or_padded(stranger: Stranger, changed: bytes) -> None:
    """A body with more or less around it is refused."""
    check_refused(stranger, signed(), changed)


@SETTINGS
@given(bit=st.integers(0, 255))
def test_a_changed_signature(stranger: Stranger, bit: int) -> None:
    """A signature in which one bit differs is refused."""
    headers = signed()
    digest = base64.b64decode(headers[SIGNATURE].removeprefix("v1,"))
    headers[SIGNATURE] = "v1," + base64.b64encode(flipped(digest, bit)).decode()

    check_refused(stranger, headers)


@SETTINGS
@given(bit=st.integers(0, 255))
def test_a_wrong_secret(stranger: Stranger, bit: int) -> None:
    """A secret in which one bit differs is of no use."""
    check_refused(stranger, signed(), secret=flipped(SECRET, bit))


@pytest.mark.parametrize("version", ["v0", "v1a", "v2", ""])
def test_another_version(stranger: Stranger, version: str) -> None:
    """A signature that calls itself another version's is refused."""
    headers = signed()
    headers[SIGNATURE] = headers[SIGNATURE].replace("v1", version)

    check_refused(stranger, headers)


@pytest.mark.parametrize("message_id", [MESSAGE_ID[:-1] + "2", MESSAGE_ID + " ", "x"])
def test_a_changed_id(stranger: Stranger, message_id: str) -> None:
    """Another message's id is refused: a request cannot be made to look new."""
    check_refused(stranger, signed() | {"webhook-id": message_id})


@pytest.mark.parametrize("by_s", [-60, -1, 1, 60])
def test_a_changed_timestamp(stranger: Stranger, by_s: int) -> None:
    """Another time is refused: an old request cannot be made to look fresh."""
    headers = signed()
    headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + by_s)

    check_refused(stranger, headers)


# Signed ahead, a request comes nearer while it is looked at.
@pytest.mark.parametrize("age_s", [301, 600, 86_400, -310])
def test_another_time(stranger: Stranger, age_s: int) -> None:
    """More than five minutes ago or ahead is refused, though the signature fits."""
    check_refused(stranger, signed(age_s=age_s))


@pytest.mark.parametrize("age_s", [0, 240, -300])
def test_a_time_that_is_near(stranger: Stranger, age_s: int) -> None:
    """Up to five minutes ago or ahead is taken, so the refusals above are the time's."""
    stranger.verify(secret_text(SECRET), signed(age_s=age_s), BODY)


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("empty", [False, True])
def test_a_missing_header(stranger: Stranger, name: str, *, empty: bool) -> None:
    """Without any one of the three headers a request is refused."""
    headers = signed()
    del headers[name]

    check_refused(stranger, headers | {name: ""} if empty else headers)


def test_another_endpoints_secret(stranger: Stranger) -> None:
    """What goes to one endpoint is refused by another of the same merchant."""
    check_refused(stranger, signed(), secret=SECRETS.webhook("k0", OTHER_ENDPOINT_ID, 1))


def test_a_rotation(stranger: Stranger) -> None:
    """For a day either secret will do, then the new one alone, and never a third."""
    rotated = ENDPOINT.rotated("k0", NOW)
    old, new, third = (SECRETS.webhook("k0", ENDPOINT_ID, version) for version in (1, 2, 3))
    during, then = (
        signed(
            BODY,
            [
                SECRETS.webhook(one.root_id, ENDPOINT_ID, one.version)
                for one in rotated.signing(NOW + age)
            ],
        )
        for age in (timedelta(hours=1), timedelta(hours=24))
    )

    for secret in (old, new):
        stranger.verify(secret_text(secret), during, BODY)
    stranger.verify(secret_text(new), then, BODY)
    check_refused(stranger, during, secret=third)
    check_refused(stranger, then, secret=old)


@pytest.mark.parametrize("name", HEADERS)
def test_names_in_any_case(stranger: Stranger, name: str) -> None:
    """A proxy that writes the names of headers in its own way breaks nothing."""
    headers = signed()
    headers[name.title()] = headers.pop(name)

    stranger.verify(secret_text(SECRET), headers, BODY)
