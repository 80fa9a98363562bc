"""The bundle for Lambda: small, for its platform, and the same bytes each time."""

import os
from pathlib import Path

import pytest

from infra import bundle
from infra.bundle import (
    LAMBDA_PLATFORM,
    LAMBDA_PYTHON,
    BundleTooLarge,
    Zipped,
    archive,
    build,
    content_hash,
)

AARCH64 = (183).to_bytes(2, "little")
"""What an ELF file says of its machine, at byte 18."""


def built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build anew: nothing that was unpacked before is taken."""
    monkeypatch.setattr(bundle, "KEPT", folder / "kept")
    build(folder / "bundle", platform=LAMBDA_PLATFORM, python_version=LAMBDA_PYTHON)
    return folder / "bundle"


def test_two_builds_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever and wherever they are made, and below 10 MB."""
    zipped: list[Zipped] = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        one = built(folder, monkeypatch)
        for path in one.rglob("*.py"):
            os.utime(path, (0, 0) if name == "one" else None)
        zipped.append(archive(one, folder / "bundle.zip"))

    assert zipped[0] == zipped[1]
    assert zipped[0].size_bytes < 10_000_000


def test_other_bytes_have_another_name(tmp_path: Path) -> None:
    """Even of the same size and time; the same bytes have the same name at any time."""
    names: list[str] = []
    for text, time in (("one", 0), ("two", 0), ("one", 1)):
        (tmp_path / "module.py").write_text(text)
        os.utime(tmp_path / "module.py", (time, time))
        names.append(content_hash(tmp_path))

    assert names[0] == names[2]
    assert names[0] != names[1]


def test_it_is_for_arm64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library of it, and there are some."""
    libraries = [*built(tmp_path, monkeypatch).rglob("*.so")]

    assert libraries
    assert {one.read_bytes()[18:20] for one in libraries} == {AARCH64}


def test_one_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Bytes that cannot be compressed, as many as the limit."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "noise").write_bytes(os.urandom(10_000_000))

    with pytest.raises(BundleTooLarge, match=r"zipped 10.0 MB, sha256 .*: 10 MB is too large"):
        archive(tmp_path / "bundle", tmp_path / "bundle.zip")
