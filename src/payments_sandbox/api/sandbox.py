"""The sandbox itself over HTTP: a merchant's settings, and whether the process serves."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from payments_sandbox import __version__
from payments_sandbox.api.answers import Json, json_response
from payments_sandbox.api.edge import merchant_id_of
from payments_sandbox.api.json_body import read_json
from payments_sandbox.api.query import no_parameters
from payments_sandbox.api.routing import DirectRoute
from payments_sandbox.api.settings_body import ResetBody, SettingsBody
from payments_sandbox.domain.merchant import Settings
from payments_sandbox.services.merchants import Tenancy
from payments_sandbox.services.reset import Reset


class SandboxRoutes:
    """The endpoints over the use cases of a merchant."""

    def __init__(self, tenancy: Tenancy, reset: Reset) -> None:
        self._tenancy = tenancy
        self._reset = reset

    async def health(self, request: Request) -> Response:
        """Tell whether the sandbox serves and its ledger answers; needs no API key."""
        no_parameters(request)
        await self._tenancy.local_key_works()
        return json_response({"status": "ok", "version": __version__})

    async def settings(self, request: Request) -> Response:
        """Return this merchant's settings."""
        no_parameters(request)
        settings = await self._tenancy.settings(merchant_id_of(request.scope))
        return json_response(_settings_json(settings))

    async def change_settings(self, request: Request) -> Response:
        """Change the settings that are sent; the rest stays."""
        no_parameters(request)
        body, _ = await read_json(request, SettingsBody)
        merchant_id = merchant_id_of(request.scope)
        settings = await self._tenancy.change_settings(merchant_id, body.applied_to)
        return json_response(_settings_json(settings))

    async def reset(self, request: Request) -> Response:
        """Delete this merchant's data and set its clock back; keys, settings and endpoints stay."""
        no_parameters(request)
        await read_json(request, ResetBody)
        is_complete = await self._reset.run(merchant_id_of(request.scope))
        return json_response({"complete": is_complete})


def sandbox_routes(tenancy: Tenancy, reset: Reset) -> Sequence[DirectRoute]:
    """Return the routes over these use cases."""
    one = SandboxRoutes(tenancy, reset)
    return [
        DirectRoute("GET", "/health", one.health, "health"),
        DirectRoute("GET", "/sandbox/settings", one.settings, "read_settings"),
        DirectRoute("PATCH", "/sandbox/settings", one.change_settings, "change_settings"),
        DirectRoute("POST", "/sandbox/reset", one.reset, "reset"),
    ]


def _settings_json(settings: Settings) -> Json:
    return {
        "amount_rule": settings.amount_rule,
        "test_cards_only": settings.test_cards_only,
        "retention_days": settings.retention_days,
        "webhook_schedule": settings.webhook_schedule,
        "settlement_cutoff": settings.settlement_cutoff.isoformat("minutes"),
        "settlement_days": settings.settlement_days,
        "settlement_holidays": [one.isoformat() for one in settings.settlement_holidays],
        "fee_rate_bps": settings.fee_rate_bps,
        "fee_fixed": settings.fee_fixed,
        "fee_on_refund": settings.fee_on_refund,
    }
