"""What `make synth`, `diff`, `deploy`, `destroy` and `bootstrap` do, over `infra.toolkit`.

    python -m infra.deploy deploy --stage dev --email you@example.com [--yes]

Says what it would do, whereto and at what price, and asks, before it changes anything.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from infra import stage_left
from infra.account import (
    Account,
    Refused,
    account_in_use,
    address_of,
    check_stage,
    regions_to_bootstrap,
    said_of,
)
from infra.plan import Plan, plan_of, print_cost, print_created
from infra.site_build import build_site
from infra.toolkit import OUT, ROOT
from payments_sandbox.adapters.secrets import SecretsUnusable
from payments_sandbox.adapters.ssm_secrets import init_roots, ssm_client

SYNTHESISED: Final = OUT / "cdk.out"
_OUTPUTS: Final = OUT / "outputs.json"
# Compared by template alone, which the CDK's lookup role may; a difference is no failure, and no
# error to be written where errors go.
_DIFF: Final = ("diff", "--method", "template", "--fail-on", "never", "--ci")
_DEPLOY: Final = ("deploy", "--all", "--require-approval", "never", "--outputs-file", str(_OUTPUTS))
# Of what is kept: a table that an earlier deployment of the stage left is the stage's again.
_ADOPT: Final = ("--import-existing-resources",)
_out = Console(highlight=False, soft_wrap=True)


class Asked(argparse.Namespace):
    """The command line's options."""

    what: str
    stage: str
    email: str | None
    target: str
    receiver: str | None
    yes: bool

    @property
    def is_emulated(self) -> bool:
        """Whether it is for the emulator on this machine."""
        return self.target == "emulator"


def main() -> None:
    """Do what the command line asks for, or say in one line why not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=[*_COMMANDS])
    parser.add_argument("--stage", default="dev")
    parser.add_argument("--email", help="whom alarms and the budget write to, or none")
    parser.add_argument("--target", choices=("aws", "emulator"), default="aws")
    parser.add_argument("--receiver", help="HOST:PORT that webhooks may go to in the emulator")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    asked = parser.parse_args(namespace=Asked())
    # As the CDK's command line has it: who deploys from a machine in EC2 names a profile.
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    try:
        check_stage(asked.stage)
        _COMMANDS[asked.what](asked)
    except (Refused, SecretsUnusable) as refused:
        sys.exit(str(refused))
    except (ClientError, BotoCoreError) as error:
        sys.exit(said_of(error))


def synth(asked: Asked) -> None:
    """Write the templates; no account is needed."""
    _synthesise(asked, address_of(asked.email or "none"))
    for template in sorted(SYNTHESISED.glob("*.template.json")):
        _out.print(str(template.relative_to(ROOT)))


def diff(asked: Asked) -> None:
    """Show what a deployment would change."""
    email = address_of(asked.email or "none")
    account_in_use()
    _toolkit(asked, email, *_DIFF)


def bootstrap(asked: Asked) -> None:
    """Have the CDK make its bucket and roles in the account, in each region that is used."""
    account = account_in_use()
    _check_answerable(asked, "bootstrap")
    regions = regions_to_bootstrap(_planned(asked, None).regions)
    if not regions:
        _out.print(f"Account {account.account_id} is prepared for the CDK already.")
        return
    _print_bootstrap(account, regions)
    _ask(asked, "bootstrap")
    _bootstrap(asked, account, regions)


def deploy(asked: Asked) -> None:
    """Show what is created and what it costs, ask, and deploy."""
    email = None if asked.is_emulated else address_of(asked.email)
    account = account_in_use()
    _check_answerable(asked, "deploy")
    plan = _planned(asked, email)
    unknown = regions_to_bootstrap(plan.regions)
    _out.print(f"\nStage [bold]{asked.stage}[/], {_place(account)}, would have:\n")
    print_created(_out, plan)
    _out.print("\nand two secrets in SSM, which no template holds.\n")
    print_cost(_out)
    if not asked.is_emulated:
        _out.print(f"Alarms and the budget write to {email or 'nobody'}.")
    if unknown:
        _print_bootstrap(account, unknown)
    _ask(asked, "deploy")
    if unknown:
        _bootstrap(asked, account, unknown)
    for name, is_new in init_roots(ssm_client(region=account.region), asked.stage).items():
        _out.print(f"{name} {'is made' if is_new else 'was there and stays'}.")
    if not asked.is_emulated:
        build_site(OUT / "site")
    _OUTPUTS.unlink(missing_ok=True)
    adopt = plan.protected and not asked.is_emulated
    if adopt:
        for name in stage_left.unlock_never_created(account, plan.protected):
            _out.print(f"{name} was never created whole: its remains are deleted first.")
    _toolkit(asked, email, *_DEPLOY, *(_ADOPT if adopt else ()))
    _print_outputs(asked.stage)


def destroy(asked: Asked) -> None:
    """Say what goes and what stays, ask, and take the stage down."""
    account = account_in_use()
    _check_answerable(asked, "destroy")
    plan = _planned(asked, None)
    is_kept = bool(plan.protected)
    if is_kept:
        stage_left.check_unprotected(account, plan.protected)
    key_ids = stage_left.key_ids(asked.stage)
    _out.print(f"\nStage [bold]{asked.stage}[/], {_place(account)}: this goes, with its data.\n")
    print_created(_out, plan._replace(types=plan.types - plan.kept))
    secrets = "" if is_kept else ", and the stage's two secrets in SSM"
    _out.print(f"\nand {len(key_ids)} API keys{secrets}. This stays:\n")
    for line in stage_left.what_stays(asked.stage, is_kept=is_kept):
        _out.print(f"- {line}")
    _ask(asked, "destroy")
    stage_left.delete_keys(key_ids)
    _toolkit(asked, None, "destroy", "--all", "--force")
    if not is_kept:
        stage_left.delete_secrets(account, asked.stage)
    _out.print(f"Stage {asked.stage} is gone.")


def _print_bootstrap(account: Account, regions: Sequence[str]) -> None:
    _out.print(
        f"\nThe CDK has not met account {account.account_id} in {' and '.join(regions)}: it makes"
        " its own stack CDKToolkit there, a bucket, a repository and roles, which all CDK apps of"
        " the account share. It is free but for the bucket's storage; `make destroy` leaves it."
    )


def _bootstrap(asked: Asked, account: Account, regions: Sequence[str]) -> None:
    places = [f"aws://{account.account_id}/{region}" for region in regions]
    _toolkit(asked, None, "bootstrap", *places)


def _planned(asked: Asked, email: str | None) -> Plan:
    with _out.status("Working out what the stage has ..."):
        _synthesise(asked, email)
    return plan_of(SYNTHESISED)


def _synthesise(asked: Asked, email: str | None) -> None:
    for stale in SYNTHESISED.glob("*.template.json"):
        stale.unlink()
    _toolkit(asked, email, "synth", "--quiet")


def _toolkit(asked: Asked, email: str | None, *arguments: str) -> None:
    """Run the CDK's command line; raise Refused if it fails, after what it said itself."""
    command = [sys.executable, "-m", "infra.toolkit", *arguments]
    command += ["--stage", asked.stage, "--target", asked.target]
    command += ["--email", email] if email else []
    command += ["--receiver", asked.receiver] if asked.receiver else []
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise Refused(f"`cdk {arguments[0]}` failed: the lines above say why")


def _check_answerable(asked: Asked, target: str) -> None:
    if not asked.yes and not sys.stdin.isatty():
        raise Refused(
            f"Nobody can be asked here: make {target} STAGE={asked.stage} YES=1 goes on unasked"
        )


def _ask(asked: Asked, target: str) -> None:
    """Have a person agree; raise Refused."""
    _check_answerable(asked, target)
    if not asked.yes and _out.input("\nGo on? [y/N] ", markup=False).strip().lower() != "y":
        raise Refused("Nothing was changed.")


def _place(account: Account) -> str:
    return f"account [bold]{account.account_id}[/], region [bold]{account.region}[/]"


def _print_outputs(stage: str) -> None:
    table = Table("it says of itself", "", box=None, pad_edge=False)
    for outputs in json.loads(_OUTPUTS.read_text()).values():
        for name, value in outputs.items():
            table.add_row(name, value)
    _out.print(f"\nStage [bold]{stage}[/] is deployed.\n")
    _out.print(table)
    _out.print(f"\nA key for it:    {Path('.venv', 'bin')}/payments-sandbox keys create", end="")
    _out.print(f" --stage {stage} shop")
    _out.print(f"Try it:          make smoke STAGE={stage}")
    _out.print(f"Take it down:    make destroy STAGE={stage}")


_COMMANDS: Final = {
    "synth": synth,
    "diff": diff,
    "bootstrap": bootstrap,
    "deploy": deploy,
    "destroy": destroy,
}

if __name__ == "__main__":
    main()
