"""Settlement over HTTP: runs, batches with their reports, and balances."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from payments_sandbox.api.answers import (
    Json,
    json_response,
    progress_json,
    settlement_json,
    time_text,
)
from payments_sandbox.api.bodies import currency_code
from payments_sandbox.api.currencies import CODES
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.query import (
    CursorQuery,
    cursor_in,
    cursor_of,
    no_parameters,
    parameters,
    parameters_of,
)
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.api.validation import validated
from payments_sandbox.domain.settlement import BatchState, Line, Settlement
from payments_sandbox.services.settlement import Balance, SettlementDesk
from payments_sandbox.services.settlement_ports import SettlementFilter

CHUNK_LINES = 200
_PLACE = re.compile(r"\d{4}-\d\d-\d\d#[A-Z]{3}")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_COLUMNS = (
    "settlement_id",
    "business_day",
    "auth_id",
    "transaction_id",
    "type",
    "amount",
    "fee",
    "net",
    "currency",
    "reference",
    "card_brand",
    "card_last4",
    "created_at",
    "settled_by",
)


class SettlementsQuery(CursorQuery):
    """Which page of which batches."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$"), AfterValidator(currency_code)] | None = (
        Field(None, description="an ISO 4217 code in upper case.")
    )
    state: Annotated[str, Field(pattern=f"^({'|'.join(BatchState)})$")] | None = Field(
        None, description=f"one of {', '.join(BatchState)}."
    )

    def to_filter(self) -> SettlementFilter:
        """Return what is wanted."""
        return SettlementFilter(self.currency, BatchState(self.state) if self.state else None)


SETTLEMENTS_PARAMETERS = parameters(
    SettlementsQuery,
    {
        "currency": {"type": "string", "enum": [*CODES]},
        "state": {"type": "string", "enum": list(BatchState)},
    },
    "settlement-cursor",
)


class CsvResponse(StreamingResponse):
    """Lines of CSV."""

    media_type = "text/csv"


class SettlementRoutes:
    """The endpoints over the use cases of settlement."""

    def __init__(self, desk: SettlementDesk) -> None:
        self._desk = desk

    async def run(self, request: Request) -> Response:
        """Do what is due by now: expiry, settlement, closing and payout of batches."""
        no_parameters(request)
        return json_response(progress_json(await self._desk.run(merchant_id_of(request.scope))))

    async def list(self, request: Request) -> Response:
        """List settlement batches, newest business day first."""
        query = validated(SettlementsQuery, parameters_of(request))
        before = cursor_in(query.cursor, _PLACE.fullmatch)
        page = await self._desk.page(
            merchant_id_of(request.scope),
            query.to_filter(),
            before=before,
            limit=int(query.limit),
        )
        data = [settlement_json(one) for one in page.settlements]
        return json_response({"data": data, "next_cursor": cursor_of(page.next_before)})

    async def read(self, request: Request) -> Response:
        """Return one settlement batch."""
        return json_response(settlement_json(await self._one(request)))

    async def report_csv(self, request: Request) -> Response:
        """Return a batch's captures and refunds as CSV, streamed, in the same order every time."""
        settlement = await self._one(request)
        rows = _chunks(self._desk.lines(settlement), lambda line: _rows(settlement, line))
        name = f"{settlement.business_day}-{settlement.currency}.csv"
        return CsvResponse(
            _csv(rows),
            headers={"content-disposition": f'attachment; filename="settlement-{name}"'},
        )

    async def report_json(self, request: Request) -> Response:
        """Return a batch with its captures and refunds, streamed, in the same order every time."""
        settlement = await self._one(request)
        rows = _chunks(self._desk.lines(settlement), lambda line: _rows(settlement, line))
        return StreamingResponse(_json(settlement, rows), media_type="application/json")

    async def balances(self, request: Request) -> Response:
        """Return this merchant's balances, by currency."""
        no_parameters(request)
        balances = await self._desk.balances(merchant_id_of(request.scope))
        return json_response({"data": [_balance_json(one) for one in balances]})

    async def _one(self, request: Request) -> Settlement:
        no_parameters(request)
        settlement_id = request.path_params["settlement_id"]
        return await self._desk.one(merchant_id_of(request.scope), settlement_id)


def settlement_routes(desk: SettlementDesk) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one, path = SettlementRoutes(desk), "/settlements/{settlement_id}"
    return [
        DirectRoute("GET", "/settlements", one.list, "list_settlements"),
        DirectRoute("GET", path, one.read, "read_settlement"),
        DirectRoute("GET", f"{path}/report.csv", one.report_csv, "read_report_csv"),
        DirectRoute("GET", f"{path}/report.json", one.report_json, "read_report_json"),
        DirectRoute("GET", "/balances", one.balances, "read_balances"),
        DirectRoute("POST", "/sandbox/settlements/run", one.run, "run_settlement"),
    ]


def _balance_json(balance: Balance) -> Json:
    return {
        "currency": balance.currency,
        "pending": balance.pending,
        "available": balance.available,
        "in_transit": balance.in_transit,
        "paid_out": balance.paid_out,
        "fees": balance.fees,
    }


def _rows(settlement: Settlement, line: Line) -> list[Json]:
    """Return a row of the report for each capture and refund of a payment."""
    return [
        {
            "settlement_id": settlement.settlement_id,
            "business_day": settlement.business_day.isoformat(),
            "auth_id": line.payment_id,
            "transaction_id": item.transaction_id,
            "type": item.type,
            "amount": item.amount,
            "fee": item.fee,
            "net": item.net,
            "currency": settlement.currency,
            "reference": line.reference,
            "card_brand": line.card.brand,
            "card_last4": line.card.last4,
            "created_at": time_text(item.created_at),
            "settled_by": line.transaction_id,
        }
        for item in line.items
    ]


async def _chunks(
    lines: AsyncIterator[Line], rows_of: Callable[[Line], list[Json]]
) -> AsyncIterator[list[Json]]:
    """Yield rows, some hundred at a time."""
    rows: list[Json] = []
    async for line in lines:
        rows += rows_of(line)
        if len(rows) >= CHUNK_LINES:
            yield rows
            rows = []
    yield rows


async def _csv(chunks: AsyncIterator[list[Json]]) -> AsyncIterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    async for rows in chunks:
        writer.writerows([_cell(row[name]) for name in _COLUMNS] for row in rows)
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _cell(value: object) -> object:
    """Return the value; a text that a spreadsheet would run as a formula gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


async def _json(settlement: Settlement, chunks: AsyncIterator[list[Json]]) -> AsyncIterator[bytes]:
    yield b'{"settlement":' + to_json(settlement_json(settlement)) + b',"lines":['
    is_first = True
    async for rows in chunks:
        text = b",".join(map(to_json, rows))
        yield text if is_first or not rows else b"," + text
        is_first = is_first and not rows
    yield b"]}"
