"""The roots: keyed hashes and secrets that stay the same, in a file for its owner alone."""

import json
import stat
from pathlib import Path

import pytest

from payments_sandbox.adapters.secrets import (
    FileSecrets,
    SecretsUnusable,
    create_secrets,
    hkdf_sha256,
    load_secrets,
)
from payments_sandbox.domain.errors import LedgerUnavailable
from tests.unit.stand_ins import SECRETS


def test_hashes_stay_the_same() -> None:
    """The same parts give the same 32 bytes, release after release: card ids rest on them."""
    expected = "a65af7462c3fb8b41174a6ddc2a3781a4478d6ad34de04b978387c40cd4864d8"

    assert expected == SECRETS.identity("card", "default", "4242424242424242").hex()


def test_parts_do_not_run_over() -> None:
    """Where one part ends and the next begins is part of the hash."""
    parts = [("a", "b"), ("ab",), ("a", "b", ""), ("", "a", "b"), ("b", "a"), ("a1", "b")]

    assert len(parts) == len({SECRETS.identity("card", *one) for one in parts})


def test_purposes_and_roots_are_apart() -> None:
    """Another purpose or another root gives another hash."""
    other = FileSecrets(bytes([1]) * 32)
    hashes = {
        SECRETS.identity("card", "a"),
        SECRETS.identity("scope", "a"),
        other.identity("card", "a"),
    }

    assert len(hashes) == len(["card", "scope", "other root"])
    assert SECRETS.check_value() != other.check_value()


def test_a_root_is_kept(tmp_path: Path) -> None:
    """What was created is what is loaded, readable by its owner alone, and no two are alike."""
    path = tmp_path / "secrets"
    created = create_secrets(path)

    assert created.check_value() == load_secrets(path).check_value()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert created.check_value() != create_secrets(tmp_path / "other").check_value()


def test_a_root_is_never_overwritten(tmp_path: Path) -> None:
    """Creating a root where one is fails, as card ids would change under their cards."""
    path = tmp_path / "secrets"
    create_secrets(path)

    with pytest.raises(FileExistsError):
        create_secrets(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[]",
        "null",
        json.dumps({"identity": None}),
        json.dumps({"identity": "zz"}),
        json.dumps({"identity": "00" * 31}),
        json.dumps({"identity": "00" * 33}),
    ],
)
def test_a_damaged_file(tmp_path: Path, text: str) -> None:
    """A file without a whole root is refused, and its content is not repeated."""
    path = tmp_path / "secrets"
    path.write_text(text)

    with pytest.raises(SecretsUnusable, match=r"does not hold the roots of a ledger$"):
        load_secrets(path)


def test_a_root_is_not_printed() -> None:
    """The root is not in what a log or a traceback would show."""
    assert "00" * 8 not in repr(SECRETS)


@pytest.mark.parametrize(
    ("root", "salt", "info", "expected"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
        ),
        (
            "0b" * 22,
            "",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
        ),
    ],
    ids=["basic", "longer inputs", "no salt and no info"],
)
def test_published_derivations(root: str, salt: str, info: str, expected: str) -> None:
    """The test vectors of RFC 5869 for SHA-256 come out, as far as 32 bytes go."""
    derived = hkdf_sha256(*(bytes.fromhex(one) for one in (root, info, salt)))

    assert expected == derived.hex()


def written(path: Path, **kept: object) -> Path:
    """Write a secrets file with an identity root and more, and return where."""
    path.write_text(json.dumps({"identity": "00" * 32} | kept))
    return path


def test_a_file_from_before_webhooks(tmp_path: Path) -> None:
    """A file without a webhook root always gives the same one, named k0, and changes nothing."""
    expected = "9e1a5708e85dffb3f2d33360ff429243348312886438c761bb0d77d0223f007c"
    path = written(tmp_path / "secrets")

    loaded = load_secrets(path)

    assert loaded.webhook_root_id() == "k0"
    assert expected == loaded.webhook("k0", "ep_1", 1).hex()
    assert expected == load_secrets(path).webhook("k0", "ep_1", 1).hex()
    assert SECRETS.identity("card", "a") == loaded.identity("card", "a")
    assert path.read_text() == json.dumps({"identity": "00" * 32})


def test_a_new_file_has_a_root_for_webhooks(tmp_path: Path) -> None:
    """What was created is what is loaded, and no two are alike."""
    path = tmp_path / "secrets"
    created, other = create_secrets(path), create_secrets(tmp_path / "other")

    assert created.webhook_root_id() == "k1"
    secret = created.webhook("k1", "ep_1", 1)
    assert secret == load_secrets(path).webhook("k1", "ep_1", 1)
    assert secret != other.webhook("k1", "ep_1", 1)
    assert secret != SECRETS.webhook("k0", "ep_1", 1)


def test_several_roots(tmp_path: Path) -> None:
    """New secrets come from the current root; an old root goes on for those that name it."""
    roots = {"k1": "01" * 32, "k2": "02" * 32}
    loaded, before = (
        load_secrets(written(tmp_path / current, webhook={"current": current, "roots": roots}))
        for current in ("k2", "k1")
    )

    assert loaded.webhook_root_id() == "k2"
    assert loaded.webhook("k1", "ep_1", 1) == before.webhook("k1", "ep_1", 1)
    assert loaded.webhook("k1", "ep_1", 1) != loaded.webhook("k2", "ep_1", 1)


def test_secrets_of_endpoints_are_apart() -> None:
    """Each endpoint and each version has 32 bytes of its own, however many there are."""
    derived = [
        SECRETS.webhook("k0", f"ep_{endpoint}", version)
        for endpoint in range(2_100)
        for version in (1, 2, 11)
    ]

    assert len(derived) == len(set(derived))
    assert {32} == {len(one) for one in derived}
    assert derived[0] == SECRETS.webhook("k0", "ep_0", 1)


def test_a_root_that_is_not_here() -> None:
    """A secret under another ledger's root cannot be derived, and that may change."""
    with pytest.raises(LedgerUnavailable):
        SECRETS.webhook("k1", "ep_1", 1)


@pytest.mark.parametrize(
    "webhook",
    [
        "k1",
        1,
        ["k1"],
        {"current": "k1"},
        {"roots": {"k1": "00" * 32}},
        {"current": "k1", "roots": {}},
        {"current": "k1", "roots": ["k1"]},
        {"current": "k2", "roots": {"k1": "00" * 32}},
        {"current": ["k1"], "roots": {"k1": "00" * 32}},
        {"current": None, "roots": {"k1": "00" * 32}},
        {"current": "k1", "roots": {"k1": "00" * 31}},
        {"current": "k1", "roots": {"k1": "zz" * 32}},
        {"current": "k1", "roots": {"k1": None}},
        {"current": "k1", "roots": {"k1": "00" * 32, "k2": ""}},
        None,
        {},
        [],
        "",
        0,
        False,
    ],
    ids=repr,
)
def test_a_damaged_webhook_part(tmp_path: Path, webhook: object) -> None:
    """A file whose webhook part is not whole is refused: other secrets would sign in silence."""
    path = written(tmp_path / "secrets", webhook=webhook)

    with pytest.raises(SecretsUnusable, match=r"does not hold the roots of a ledger$"):
        load_secrets(path)
