"""Builds what the functions in AWS run: the package and its pinned dependencies, in a folder.

    python infra/bundle.py OUT                  for the Python and the machine that run this
    python infra/bundle.py OUT --lambda         for Lambda: arm64, Python 3.13
    python infra/bundle.py OUT.zip --lambda     as an archive, the same bytes each time

No compiler and no container is needed: wheels of the target's platform are unpacked.
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

ROOT = Path(__file__).parent.parent
PINNED = ROOT / "requirements" / "functions.txt"
KEPT = ROOT / ".venv-bundle"
LAMBDA_PLATFORM, LAMBDA_PYTHON = "manylinux2014_aarch64", "3.13"
# Of the services botocore knows, those the functions call.
SERVICES = {"dynamodb", "sns", "ssm"}
# What no function runs; the last one reads web sockets, with debugging symbols, and has a twin in
# Python.
_LEFT_OUT = ("__pycache__", "*.pyc", ".lock", "bin", "*.pyi", "*.pyx", "*.pxd", "*.c", "reader_c.*")


def build(folder: Path, *, platform: str | None = None, python_version: str | None = None) -> None:
    """Fill the folder anew; None builds for this machine and this Python."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_dependencies(platform, python_version), folder)
    shutil.copytree(
        ROOT / "src" / "payments_sandbox",
        folder / "payments_sandbox",
        ignore=shutil.ignore_patterns(*_LEFT_OUT),
    )


def archive(folder: Path, file: Path) -> str:
    """Zip the folder, the same bytes for the same files; return the archive's SHA-256."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archived:
        for path in _files(folder):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archived.writestr(entry, path.read_bytes())
    return hashlib.sha256(file.read_bytes()).hexdigest()


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
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
    command += ["--platform", platform] if platform else []
    command += ["--python-version", python_version] if python_version else []
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
            digest = archive(folder, out)
            said += f", zipped {out.stat().st_size / 1e6:.1f} MB, sha256 {digest}"
    print(said)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
