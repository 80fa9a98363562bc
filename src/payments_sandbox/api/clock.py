"""A merchant's clock over HTTP: read it, and move it forward."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox.api.answers import json_response, progress_json, time_text
from payments_sandbox.api.bodies import A_TIME, Strict, Time
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.json_body import read_json
from payments_sandbox.api.problems import Problem
from payments_sandbox.api.query import no_parameters
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.domain.errors import ClockStep
from payments_sandbox.services.clocks import STEP_MAX, Advanced, Clocks

_DURATION = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,3})W)?(?:([0-9]{1,4})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,5})H)?(?:([0-9]{1,7})M)?(?:([0-9]{1,9})S)?)?"
)


def duration_of(text: str) -> timedelta:
    """Return an ISO 8601 duration of weeks, days, hours, minutes and seconds; raise ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not an ISO 8601 duration without years and months")
    weeks, days, hours, minutes, seconds = (int(one or 0) for one in match.groups())
    span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if span > STEP_MAX:
        raise ValueError("too long")
    return span


def _duration(text: str) -> str:
    duration_of(text)
    return text


class AdvanceBody(Strict):
    """How far to move the clock."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["by"]}, {"required": ["to"]}],
            "examples": [{"by": "P1D"}],
        }
    )

    by: Annotated[
        str,
        Field(max_length=40, json_schema_extra={"format": "duration"}),
        AfterValidator(_duration),
    ] = Field(
        "",
        description="an ISO 8601 duration of up to 400 days, without years and months,"
        " for example P1DT2H.",
    )
    to: Time = Field("", description=f"{A_TIME}, in place of by; may be sent again.")

    def check(self) -> None:
        """Raise Problem unless exactly one of both was sent."""
        if len(self.model_fields_set) != 1:
            detail = (
                'Send one of by and to: {"by": "P1D"} moves the clock on by a day,'
                ' {"to": "2026-12-01T00:00:00Z"} up to a moment.'
            )
            raise Problem("validation_failed", param="by", detail=detail)


class ClockRoutes:
    """The endpoints over the use cases of a clock."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks

    async def read(self, request: Request) -> Response:
        """Return what this merchant's clock shows, and when something happens next."""
        no_parameters(request)
        reading = await self._clocks.read(merchant_id_of(request.scope))
        offset = reading.now - reading.real_now
        return json_response(
            {
                "now": time_text(reading.now),
                "real_now": time_text(reading.real_now),
                "offset_s": offset // timedelta(milliseconds=1) / 1000,
                "next_due_at": time_text(reading.next_due_at),
            }
        )

    async def advance(self, request: Request) -> Response:
        """Move this merchant's clock forward; what falls due on the way happens at its time."""
        no_parameters(request)
        body, _ = await read_json(request, AdvanceBody)
        body.check()
        advanced = await self._advanced(merchant_id_of(request.scope), body)
        answer = {"to": time_text(advanced.to)} | progress_json(advanced.progress)
        return json_response(answer)

    async def _advanced(self, merchant_id: str, body: AdvanceBody) -> Advanced:
        if body.to:
            to = datetime.fromisoformat(body.to).astimezone(UTC)
            return await self._clocks.advance_to(merchant_id, to)
        try:
            return await self._clocks.advance_by(merchant_id, duration_of(body.by))
        except ClockStep as error:
            raise Problem(error.code, param="by", detail=error.detail()) from None


def clock_routes(clocks: Clocks) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one = ClockRoutes(clocks)
    return [
        DirectRoute("GET", "/sandbox/clock", one.read, "read_clock"),
        DirectRoute("POST", "/sandbox/clock/advance", one.advance, "advance_clock"),
    ]
