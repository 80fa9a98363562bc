"""The documentation pages that are written from the code's own tables."""

from pathlib import Path

from payments_sandbox.api.problems import EDGE_PROBLEMS, status_of
from payments_sandbox.domain.card import brand_of
from payments_sandbox.domain.errors import SandboxError
from payments_sandbox.domain.response_codes import RESPONSE_CODES
from payments_sandbox.domain.test_cards import TEST_CARDS

DOCS = Path(__file__).parent.parent.parent / "docs"


def cards_page() -> str:
    """Return the page of published test cards."""
    rows = [
        f"| `{card.number}` | {brand_of(card.number)} | {card.response_code} | {card.outcome} |"
        for card in TEST_CARDS.values()
    ]
    return _TEST_CARDS + "\n".join(rows) + "\n"


def response_codes_page() -> str:
    """Return the page of response codes."""
    rows = [
        f"| {code.code} | {code.name} | {code.decline_code or 'approves'} | {code.advice or '-'} |"
        for code in RESPONSE_CODES.values()
    ]
    return _RESPONSE_CODES + "\n".join(rows) + "\n"


def errors_page() -> str:
    """Return the page of error codes, by status and name."""
    entries = {code: (status, detail) for code, (status, detail) in EDGE_PROBLEMS.items()}
    entries |= {
        error.code: (status_of(error), error.detail())
        for error in _leaves(SandboxError)
        if error.code not in entries
    }
    ordered = sorted(entries.items(), key=lambda entry: (entry[1][0], entry[0]))
    sections = [f"## {code}\n\n{status}. {detail}\n" for code, (status, detail) in ordered]
    return _ERRORS + "\n".join(sections)


def _leaves(error: type[SandboxError]) -> list[type[SandboxError]]:
    children = error.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] or [error]


_TEST_CARDS = """# Test cards

The numbers that Stripe, Adyen and Braintree publish, with any future expiry and any CVC of the
right length (four digits on Amex). A number outside this list is approved if it passes the Luhn
check, unless the setting [test_cards_only](settings.md#test_cards_only) is on.

What decides, first match first: `simulate` in the request; a card past its expiry (54); a card of
this list that declines; the [amount rule](settings.md#amount_rule); approval. `simulation.rule` in
the answer says which: `simulate`, `card_expired`, `test_card`, `amount_rule` or `approve`.

CVC results (`cvc_result`): M match, N no match, P not processed because none was sent. Address
results (`avs_result`, only from cards that set one): A street only, Z postal code only, N neither,
U unavailable.

| number | brand | response code | outcome |
|---|---|---|---|
"""
_RESPONSE_CODES = """# Response codes

The ISO 8583 response codes the issuer may answer with. Ask for one by
`"simulate": {"response_code": "51"}`. Code 10 approves a smaller amount: send
`"partial_approval": true` and `"simulate": {"response_code": "10", "approved_amount": 600}`;
without `partial_approval` it is a 51.

`advice` says what to do after a decline: `do_not_retry`, `retry_later` or `fix_data`; a code
without one is generic.

| code | name | decline_code | advice |
|---|---|---|---|
"""
_ERRORS = """# Errors

Errors are RFC 9457 problems (`application/problem+json`) with `type`, `title`, `status`, `detail`,
`code` and, where one field is at fault, `param`. `code` is stable. Nothing that was sent is
repeated.

A refused capture, refund or void is recorded as a failed transaction, so it replays under its
idempotency key; its problem adds `transaction_id`, `seq`, `auth_id`, `capturable_amount` and
`refundable_amount`. All other errors leave nothing behind, and the key is still unspent.

409 `conflict`, 429 and 503 carry `Retry-After`; send the same request with the same key again.

"""

PAGES = {
    "test-cards.md": cards_page,
    "response-codes.md": response_codes_page,
    "errors.md": errors_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
