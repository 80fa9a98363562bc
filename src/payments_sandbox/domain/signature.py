"""Signatures as Standard Webhooks 1.0.0 has them: HMAC-SHA256 of `id.timestamp.body`."""

import base64
import hmac
from collections.abc import Sequence

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64


def secret_text(secret: bytes) -> str:
    """Return a secret as its owner gets it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def secret_of(text: str) -> bytes:
    """Return what a secret's text stands for; raise ValueError, which does not repeat it."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # of characters or length that base64 has not
        secret = b""
    if text.startswith(SECRET_PREFIX) and SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX:
        return secret
    raise ValueError(
        f"a signing secret is {SECRET_PREFIX} and the base64 of"
        f" {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes"
    )


def signed_headers(
    message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]
) -> dict[str, str]:
    """Return the three headers; `timestamp` in seconds since 1970, a signature for each secret."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    signatures = (base64.b64encode(hmac.digest(one, content, "sha256")) for one in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{one.decode()}" for one in signatures),
    }
