"""The two roots, and the file beside a ledger that holds them for its owner alone.

Card ids and spent keys are made under `identity`, which is never rotated; what webhooks are signed
with, under a webhook root.
"""

import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from payments_sandbox.domain.errors import LedgerUnavailable

ROOT_BYTES = 32
FIRST_ROOT_ID = "k1"
DERIVED_ROOT_ID = "k0"
_DERIVED_MAX = 4_096


class SecretsUnusable(Exception):
    """The secrets file is missing, damaged or not the one this ledger was made with."""


class IdentityRoot:
    """Keyed hashes under one root."""

    def __init__(self, identity_root: bytes) -> None:
        self._keyed = hmac.new(identity_root, digestmod="sha256")

    def identity(self, purpose: str, *parts: str) -> bytes:
        """Return HMAC-SHA256 of the parts, each led by its length so that none runs over."""
        text = "".join([f"{len(part)}:{part}" for part in (purpose, *parts)])
        keyed = self._keyed.copy()
        keyed.update(text.encode())
        return keyed.digest()

    def check_value(self) -> str:
        """Return what a ledger keeps to recognise this root: a hash that tells nothing of it."""
        return self.identity("check").hex()[:16]


class WebhookRoots:
    """What endpoints' secrets are derived from: several roots, of which one is current."""

    def __init__(self, current: str, roots: Mapping[str, bytes]) -> None:
        self.current = current
        self._roots = dict(roots)
        self._derived: dict[tuple[str, str, int], bytes] = {}

    def secret(self, root_id: str, endpoint_id: str, version: int) -> bytes:
        """Return the endpoint's secret of this version; raise KeyError for an unknown root."""
        which = (root_id, endpoint_id, version)
        if which not in self._derived:
            if len(self._derived) >= _DERIVED_MAX:
                self._derived.clear()
            info = f"webhook {endpoint_id} {version}".encode()
            self._derived[which] = hkdf_sha256(self._roots[root_id], info)
        return self._derived[which]


def hkdf_sha256(root: bytes, info: bytes, salt: bytes = b"") -> bytes:
    """Return 32 bytes of HKDF-SHA256 (RFC 5869), for which one block is enough."""
    extracted = hmac.digest(salt or bytes(32), root, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


class FileSecrets:
    """Both roots, as a file holds them.

    A file from before there were webhooks has no webhook root: it is derived from the other one.
    """

    def __init__(self, identity_root: bytes, webhook: WebhookRoots | None = None) -> None:
        self._identity = IdentityRoot(identity_root)
        self._webhook = webhook or WebhookRoots(
            DERIVED_ROOT_ID, {DERIVED_ROOT_ID: self._identity.identity("webhook root")}
        )
        self.identity = self._identity.identity
        self.check_value = self._identity.check_value

    def webhook_root_id(self) -> str:
        """Return the id of the webhook root that new secrets are derived from."""
        return self._webhook.current

    def webhook(self, root_id: str, endpoint_id: str, version: int) -> bytes:
        """Return what an endpoint's requests are signed with; raise LedgerUnavailable."""
        try:
            return self._webhook.secret(root_id, endpoint_id, version)
        except KeyError:
            raise LedgerUnavailable from None


def create_secrets(path: Path) -> FileSecrets:
    """Write new roots, durably and whole or not at all, for their owner only.

    Raise FileExistsError rather than replace any.
    """
    kept = {
        "identity": secrets.token_hex(ROOT_BYTES),
        "webhook": {"current": FIRST_ROOT_ID, "roots": {FIRST_ROOT_ID: secrets.token_hex(32)}},
    }
    # A name of its own: another process may be making the same file.
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.write(descriptor, json.dumps(kept).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    _flush_folder(path.parent)
    return _parsed(kept)


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_secrets(path: Path) -> FileSecrets:
    """Read the roots; raise FileNotFoundError or SecretsUnusable."""
    try:
        return _parsed(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SecretsUnusable(f"{path} does not hold the roots of a ledger") from error


def _parsed(kept: Any) -> FileSecrets:  # noqa: ANN401 - JSON
    """Return the roots; raise for anything else."""
    identity = _root(kept["identity"])
    if "webhook" not in kept:
        return FileSecrets(identity)
    webhook = kept["webhook"]
    roots = {name: _root(value) for name, value in webhook["roots"].items()}
    if webhook["current"] not in roots:
        raise KeyError("current")
    return FileSecrets(identity, WebhookRoots(webhook["current"], roots))


def _root(text: str) -> bytes:
    root = bytes.fromhex(text)
    if len(root) != ROOT_BYTES:
        raise ValueError("a root has 32 bytes")
    return root
