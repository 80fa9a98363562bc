"""The identity root, and the file beside a ledger that holds it for its owner alone."""

import hmac
import json
import os
import secrets
from pathlib import Path

ROOT_BYTES = 32


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


def create_secrets(path: Path) -> IdentityRoot:
    """Write a new root, durably and whole or not at all, for its owner only.

    Raise FileExistsError rather than replace one.
    """
    root = secrets.token_bytes(ROOT_BYTES)
    # A name of its own: another process may be making the same file.
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.write(descriptor, json.dumps({"identity": root.hex()}).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    _flush_folder(path.parent)
    return IdentityRoot(root)


def _flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load_secrets(path: Path) -> IdentityRoot:
    """Read the root; raise FileNotFoundError or SecretsUnusable."""
    try:
        root = bytes.fromhex(json.loads(path.read_text())["identity"])
    except (ValueError, KeyError, TypeError) as error:
        raise SecretsUnusable(f"{path} does not hold an identity root") from error
    if len(root) != ROOT_BYTES:
        raise SecretsUnusable(f"{path} does not hold an identity root")
    return IdentityRoot(root)
