"""A merchant's clock set on behind the API's back, so that something falls due."""

from datetime import UTC, datetime, timedelta
from typing import Any

from payments_sandbox.adapters.dynamodb_merchants import DynamoMerchants
from payments_sandbox.adapters.dynamodb_table import Table
from payments_sandbox.entrypoints.stage import names_of


async def a_day_passes(dynamodb: Any, stage: str, merchant_id: str) -> None:
    """Set the merchant's clock a day on, without doing what falls due on the way."""
    table = Table(dynamodb, names_of(stage).table)
    now = datetime.now(UTC)
    await DynamoMerchants(table).change(
        merchant_id, lambda one: one.moved_to(one.now(now) + timedelta(days=1), now)
    )
    await table.close()
