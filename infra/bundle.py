"""Builds what the functions in AWS run: the package and its pinned dependencies, in a folder.

    python infra/bundle.py OUT                  for the Python and the machine that run this
    python infra/bundle.py OUT --lambda         for Lambda: arm64, Python 3.13
    python infra/bundle.py OUT.zip --lambda     as an archive, the same bytes each time

No compiler and no container is needed: wheels of the target's platform are unpacked, by the hashes
of requirements/functions.txt. For Lambda uv does it, which .venv-infra has.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PINNED = ROOT / "requirements" / "functions.txt"
KEPT = ROOT / ".venv-bundle"
LAMBDA_PLATFORM, LAMBDA_PYTHON = "aarch64-manylinux2014", "3.13"
ZIPPED_BYTES_MAX = 10_000_000
"""Our own limit, far below Lambda's 50 MB: what a cold start has to unpack shows in its time."""
# Of the services botocore knows, those the functions call.
SERVICES = {"dynamodb", "sns", "ssm"}
# What no function runs: byte code, command lines, sources of C, what an installer notes for itself;
# reader_c reads web sockets, with debugging symbols, and has a twin in Python.
_LEFT_OUT = (
    *("__pycache__", "*.pyc", ".lock", "bin", "*.pyi", "*.pyx", "*.pxd", "*.c", "reader_c.*"),
    *("INSTALLER", "RECORD", "REQUESTED"),
)
_PIP = (
    *(sys.executable, "-m", "pip", "install", "--quiet"),
    *("--disable-pip-version-check", "--no-compile"),
)
# A tenth of the time that pip takes, and it can be told the platform by one name.
_UV = (sys.executable, "-m", "uv", "pip", "install", "--quiet")


class BundleTooLarge(Exception):
    """Zipped it would be as large as we allow, or larger."""


class Zipped(NamedTuple):
    """The archive that Lambda gets, as a number and a name for its bytes."""

    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"zipped {self.size_bytes / 1e6:.1f} MB, sha256 {self.sha256}"


def build(folder: Path, *, platform: str | None = None, python_version: str | None = None) -> None:
    """Fill the folder anew; None builds for this machine and this Python."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_dependencies(platform, python_version), folder)
    shutil.copytree(
        ROOT / "src" / "payments_sandbox",
        folder / "payments_sandbox",
        ignore=shutil.ignore_patterns(*_LEFT_OUT),
    )


def content_hash(folder: Path) -> str:
    """Return a name for what the folder holds.

    The CDK's own goes by inode, time and size, which it remembers from one build to the next; files
    of a bundle that is built anew may share them.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder)} {content}\n".encode())
    return digest.hexdigest()


def archive(folder: Path, file: Path) -> Zipped:
    """Zip the folder, the same bytes for the same files; raise BundleTooLarge."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archived:
        for path in _files(folder):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archived.writestr(entry, path.read_bytes())
    zipped = Zipped(file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
    if zipped.size_bytes >= ZIPPED_BYTES_MAX:
        raise BundleTooLarge(f"{zipped}: {ZIPPED_BYTES_MAX / 1e6:g} MB is too large")
    return zipped


def _dependencies(platform: str | None, python_version: str | None) -> Path:
    """Return a folder with the packages, installed once for each lock, platform and Python."""
    wanted = [platform, python_version or sys.version, PINNED.read_text(), *sorted(SERVICES)]
    place = KEPT / hashlib.sha256(repr(wanted).encode()).hexdigest()[:16]
    if not place.exists():
        KEPT.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as unfinished:
            folder = Path(unfinished, "packages")
            _install(folder, platform, python_version)
            _trim(folder)
            with suppress(OSError):  # another process made it meanwhile
                folder.rename(place)
    return place


def _install(folder: Path, platform: str | None, python_version: str | None) -> None:
    command = [*_PIP] if platform is None else [*_UV, "--python-platform", platform]
    command += ["--python-version", python_version] if python_version else []
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--target", str(folder), "-r", str(PINNED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{PINNED.name} could not be installed:\n{done.stderr}")


def _trim(folder: Path) -> None:
    """Delete what no function reads: other services' models, byte code, command lines."""
    for path in (folder / "botocore" / "data").iterdir():
        if path.is_dir() and path.name not in SERVICES:
            shutil.rmtree(path)
    for pattern in _LEFT_OUT:
        for path in [*folder.rglob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _files(folder: Path) -> Iterator[Path]:
    return iter(sorted(path for path in folder.rglob("*") if path.is_file()))


def main() -> None:
    """Build what the command line asks for, and say how large it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="the folder to fill, or a .zip file to write")
    parser.add_argument("--lambda", dest="for_lambda", action="store_true", help="for Lambda")
    arguments = parser.parse_args()
    target = (LAMBDA_PLATFORM, LAMBDA_PYTHON) if arguments.for_lambda else (None, None)
    out: Path = arguments.out
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "bundle") if out.suffix == ".zip" else out
        build(folder, platform=target[0], python_version=target[1])
        size = sum(path.stat().st_size for path in _files(folder)) / 1e6
        said = f"{out}: {size:.1f} MB"
        if out.suffix == ".zip":
            said += f", {archive(folder, out)}"
    print(said)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
