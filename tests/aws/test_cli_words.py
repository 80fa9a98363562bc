"""What a user names is printed as it is, whatever a terminal library makes of such characters."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from payments_sandbox.entrypoints.cli import app

NAMES = ["[/x]", "[bold]x", "[/]", "a:x:b", ":warning:", "back\\[slash]", "[link=a]b"]


def run(*arguments: str) -> Result:
    """Run a command in this process, on a wide terminal."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})


@pytest.mark.parametrize("merchant", NAMES)
def test_the_name_of_a_merchant(tmp_path: Path, merchant: str) -> None:
    """Its key is shown when it is made, and the list and the revocation have its name."""
    data = ("--data", str(tmp_path / "ledger.db"))
    made = run("keys", "create", merchant, *data)
    listed = run("keys", "list", merchant, *data)
    key_id = made.stdout.split("_")[2]
    revoked = run("keys", "revoke", merchant, key_id, *data)

    assert made.exit_code == listed.exit_code == revoked.exit_code == 0
    assert made.stdout.startswith(f"sk_test_{key_id}_")
    assert made.stderr == f"Key {key_id} for merchant {merchant}, shown only now:\n"
    assert f"API keys of {merchant} " in listed.stdout
    assert revoked.stdout == f"Key {key_id} of {merchant} is revoked.\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_refusal(tmp_path: Path, name: str) -> None:
    """A refusal repeats what was wrong character by character."""
    (tmp_path / "ledger.db").touch()
    ran = run("keys", "revoke", name, "none", "--data", str(tmp_path / "ledger.db"))

    assert ran.exit_code == 1
    said = f"merchant {name!r} has no key of that id there; `keys list` shows the ids"
    assert ran.stderr == f"Refused: {said}\n"


@pytest.mark.parametrize(
    "name", ["", "two words", "n" * 65, "Grüße", "4242424242424242", "s-4242-4242-4242-4242"]
)
def test_names_no_merchant_may_have(tmp_path: Path, name: str) -> None:
    """They are refused without being repeated, and no ledger is made."""
    ran = run("keys", "create", name, "--data", str(tmp_path / "ledger.db"))

    assert ran.exit_code == 1
    assert ran.stderr.startswith("Refused: a merchant's name ")
    assert not name or name not in ran.stderr
    assert [*tmp_path.iterdir()] == []
