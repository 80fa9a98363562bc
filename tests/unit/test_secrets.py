"""The identity root: keyed hashes that stay the same, in a file for its owner alone."""

import json
import stat
from pathlib import Path

import pytest

from payments_sandbox.adapters.secrets import (
    IdentityRoot,
    SecretsUnusable,
    create_secrets,
    load_secrets,
)
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
    other = IdentityRoot(bytes([1]) * 32)
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

    with pytest.raises(SecretsUnusable, match=r"does not hold an identity root$"):
        load_secrets(path)


def test_a_root_is_not_printed() -> None:
    """The root is not in what a log or a traceback would show."""
    assert "00" * 8 not in repr(SECRETS)
