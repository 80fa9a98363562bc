"""What the commands for any sandbox that runs share: how it is named, called and spoken of."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from payments_sandbox.entrypoints.terminal import err, out
from payments_sandbox.services.merchants import LOCAL_KEY

if TYPE_CHECKING:
    from payments_sandbox.adapters.api_client import SandboxClient

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="PAYMENTS_SANDBOX_URL",
        help="The sandbox: its base URL, as it says when it serves; in AWS with the stage.",
    ),
]
ApiKey = Annotated[
    str, typer.Option("--api-key", envvar="PAYMENTS_SANDBOX_API_KEY", help="Your API key there.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
URL = "http://127.0.0.1:8000"
API_KEY = LOCAL_KEY
_WHOLE = 200


def client_of(url: str, api_key: str) -> "SandboxClient":
    """Return a client that tells when a rate limit makes it wait; raise ApiRefused."""
    from payments_sandbox.adapters.api_client import SandboxClient  # noqa: PLC0415 - slow

    return SandboxClient(
        url, api_key, lambda wait_s: notice(f"The rate limit is used up; waiting {wait_s} s.")
    )


def say(text: str) -> None:
    """Print a line of the answer."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def show_table(table: Table) -> None:
    """Print a table whole: on a narrow terminal its lines go on in the next, no id is cut off."""
    Console(emoji=False, width=max(out.width, _WHOLE)).print(table)


def notice(text: str) -> None:
    """Print a line beside the answer."""
    err.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
