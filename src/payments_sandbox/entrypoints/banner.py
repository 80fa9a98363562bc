"""What the sandbox says when it serves: where, with which key, and a call that works."""

from rich.console import Console
from rich.markup import escape

from payments_sandbox.entrypoints.local import Serving
from payments_sandbox.services.merchants import LOCAL_KEY

_BODY = (
    '{"card":{"number":"4242424242424242","exp_month":12,"exp_year":2035,"cvc":"123"},'
    '"amount":1000,"currency":"USD"}'
)


def show(serving: Serving, console: Console) -> None:
    """Print it."""
    key = LOCAL_KEY if serving.local_key else "yours (payments-sandbox keys create MERCHANT)"
    rows = [
        ("Base URL", serving.base_url),
        ("API key", key),
        ("Ledger", serving.home.name),
        ("Docs", f"{serving.base_url}/docs"),
        ("Rate limit", _rate_limit(serving.rate_limit)),
        ("Webhooks", serving.home.webhooks),
    ]
    console.print("\n[bold]Payments Sandbox[/] serves. No money moves.\n")
    for name, value in rows:
        console.print(f"  [dim]{name:<11}[/]{escape(value)}", highlight=False, soft_wrap=True)
    console.print("\nA first payment (the same call again gives the same answer):\n")
    console.print(curl(serving), markup=False, highlight=False, soft_wrap=True)
    console.print("\nCtrl-C stops it.\n")


def curl(serving: Serving) -> str:
    """Return a call that can be pasted into a shell."""
    key = LOCAL_KEY if serving.local_key else "$API_KEY"
    return (
        f"curl -s {serving.base_url}/payments/authorize"
        f' -H "x-api-key: {key}" -H "x-idempotency-key: first-payment"'
        f" -H 'content-type: application/json' -d '{_BODY}'"
    )


def _rate_limit(per_minute: int | None) -> str:
    if per_minute is None:
        return "off"
    return (
        f"{per_minute} requests a minute for each key. A test suite wants it off:"
        " make serve RATE_LIMIT=off, or --rate-limit off"
    )
