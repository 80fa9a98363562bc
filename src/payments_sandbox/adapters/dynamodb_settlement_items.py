"""Settlement batches, their lines and accounts as items of the table and back."""

from typing import Any

from payments_sandbox.adapters.codec import (
    decode_account,
    decode_line,
    decode_settlement,
    encode_account,
    encode_line,
    encode_settlement,
)
from payments_sandbox.adapters.dynamodb_items import expiring, listed_in
from payments_sandbox.adapters.dynamodb_table import Item, key_of, merchant_key
from payments_sandbox.domain.settlement import Account, Line, Settlement
from payments_sandbox.services.settlement_ports import listed_at

SUMMARY, LINE, ACCOUNT = "summary", "line#", "account#"
STATE = "batch_state"


def batch_item(settlement: Settlement) -> dict[str, Any]:
    """Return a batch; what happens to it next, its account says."""
    return (
        key_of(settlement.settlement_id, SUMMARY)
        | {
            "merchant_id": {"S": settlement.merchant_id},
            STATE: {"S": settlement.state.value},
            "listed_in": listed_in(settlement.merchant_id, "settlements"),
            "listed_at": {"S": listed_at(settlement)},
            "body": {"S": encode_settlement(settlement).decode()},
        }
        | expiring(settlement.expires_at)
    )


def line_item(line: Line, settlement: Settlement) -> dict[str, Any]:
    """Return a line of the batch: in no list, as a batch's lines stand together in order."""
    return (
        key_of(line.settlement_id, f"{LINE}{line.payment_id}#{line.seq:06}")
        | {"body": {"S": encode_line(line).decode()}}
        | expiring(settlement.expires_at)
    )


def account_item(account: Account) -> dict[str, Any]:
    """Return an account, which is kept for good."""
    return key_of(merchant_key(account.merchant_id), ACCOUNT + account.currency) | {
        "version": {"N": str(account.version)},
        "body": {"S": encode_account(account).decode()},
    }


def settlement_of(item: Item) -> Settlement:
    """Return the batch an item holds."""
    return decode_settlement(item["body"]["S"].encode())


def line_of(item: Item) -> Line:
    """Return the line an item holds."""
    return decode_line(item["body"]["S"].encode())


def account_of(item: Item) -> Account:
    """Return the account an item holds."""
    return decode_account(item["body"]["S"].encode())
