"""Puts the built site where its stack serves it from, and takes it away before the stack goes.

python -m infra.site_upload publish|empty [--stage dev]
"""

import argparse
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from infra.site_pages import ROOT
from payments_sandbox.adapters.aws_clients import new_client

SITE: Final = ROOT / "dist" / "site"
BUCKET_OUTPUT, DISTRIBUTION_OUTPUT, URL_OUTPUT = "SiteBucket", "SiteDistribution", "SiteUrl"
# Said with each file, as browsers are told not to guess.
MEDIA_TYPES: Final = {
    "": "text/plain; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}
# A page may change with each deployment; a name with a hash in it never stands for other bytes.
CHECKED, KEPT = "public, max-age=300", "public, max-age=31536000, immutable"
_HASHED = re.compile(r"\.[0-9a-f]{8}\.")
_READ_TIMEOUT_S = 30.0
_DELETED_AT_ONCE = 1000
"""As many as S3 takes in one request."""


class SiteRefused(Exception):
    """The site is not published, or not taken away; the message says why."""


class Place(NamedTuple):
    """Where a stage's site is."""

    bucket: str
    distribution: str
    url: str


def stack_name(stage: str) -> str:
    """Return what the stack of a stage's site is called."""
    return f"payments-sandbox-{stage}-docs"


def is_named(arguments: Sequence[str], stage: str) -> bool:
    """Tell whether the arguments of the CDK's command line name the stack of the site."""
    name = stack_name(stage)
    return "--all" in arguments or any(fnmatch(name, one) for one in arguments)


def check_built(site: Path = SITE) -> None:
    """Raise SiteRefused if there is no site, or a file that has no media type."""
    if not (site / "index.html").is_file():
        raise SiteRefused(f"{site} is missing: `make docs` builds it")
    for file in _files(site):
        media_type_of(file.name)


def publish(stage: str, site: Path = SITE) -> Place:
    """Make the stage's bucket hold this site and nothing else, and edges ask anew.

    What no page names any more goes last. Raise SiteRefused.
    """
    check_built(site)
    place = _place_of(stage)
    if place is None:
        raise SiteRefused(f"there is no stack {stack_name(stage)}: deploy it first")
    s3 = new_client("s3", read_timeout_s=_READ_TIMEOUT_S)
    files = {file.relative_to(site).as_posix(): file for file in in_order(site)}
    for key, file in files.items():
        s3.put_object(
            Bucket=place.bucket,
            Key=key,
            Body=file.read_bytes(),
            ContentType=media_type_of(file.name),
            CacheControl=cache_control_of(file.name),
        )
    _delete(s3, place.bucket, [key for key in _keys(s3, place.bucket) if key not in files])
    # One path, whatever it covers: a thousand a month are free. A reference is for one time only.
    new_client("cloudfront", read_timeout_s=_READ_TIMEOUT_S).create_invalidation(
        DistributionId=place.distribution,
        InvalidationBatch={
            "Paths": {"Quantity": 1, "Items": ["/*"]},
            "CallerReference": secrets.token_hex(),
        },
    )
    return place


def empty(stage: str) -> None:
    """Delete all that is in the stage's bucket, which would not go otherwise."""
    place = _place_of(stage)
    if place is not None:
        s3 = new_client("s3", read_timeout_s=_READ_TIMEOUT_S)
        _delete(s3, place.bucket, [*_keys(s3, place.bucket)])


def in_order(site: Path) -> list[Path]:
    """Return the files of a site as they are uploaded: what pages name before the pages."""
    return sorted(_files(site), key=lambda file: file.suffix == ".html")


def media_type_of(name: str) -> str:
    """Return what a file is; raise SiteRefused if that is not known."""
    suffix = Path(name).suffix
    if suffix not in MEDIA_TYPES:
        raise SiteRefused(f"{name}: what is a {suffix}? MEDIA_TYPES does not say")
    return MEDIA_TYPES[suffix]


def cache_control_of(name: str) -> str:
    """Return how long a file may be kept."""
    return KEPT if _HASHED.search(name) else CHECKED


def _files(site: Path) -> list[Path]:
    return sorted(file for file in site.rglob("*") if file.is_file())


def _place_of(stage: str) -> Place | None:
    client = new_client("cloudformation", read_timeout_s=_READ_TIMEOUT_S)
    try:
        (stack,) = client.describe_stacks(StackName=stack_name(stage))["Stacks"]
    except ClientError as error:
        # CloudFormation has no code of its own for a stack that is not there.
        if "does not exist" in str(error):
            return None
        raise
    told = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    return Place(told[BUCKET_OUTPUT], told[DISTRIBUTION_OUTPUT], told[URL_OUTPUT])


def _keys(s3: Any, bucket: str) -> Iterator[str]:  # noqa: ANN401 - the stubs of S3 are not installed
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (one["Key"] for one in page.get("Contents", []))


def _delete(s3: Any, bucket: str, keys: Sequence[str]) -> None:  # noqa: ANN401 - the stubs of S3 are not installed
    for start in range(0, len(keys), _DELETED_AT_ONCE):
        named = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
        done = s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True})
        if done.get("Errors"):
            raise SiteRefused(f"not deleted: {done['Errors']}")


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("publish", "empty"))
    parser.add_argument("--stage", default="dev")
    asked = parser.parse_args()
    try:
        if asked.what == "empty":
            empty(asked.stage)
        else:
            sys.stdout.write(f"The documentation: {publish(asked.stage).url}\n")
    except SiteRefused as refused:
        sys.exit(str(refused))


if __name__ == "__main__":
    main()
