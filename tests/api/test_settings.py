"""The settings over HTTP: each is checked by name, and leaves the rest as it is."""

from typing import Any

from tests.api.days import choose, read
from tests.api.harness import Api

SETTINGS = "/sandbox/settings"
DEFAULTS: dict[str, Any] = {
    "amount_rule": "off",
    "test_cards_only": False,
    "retention_days": None,
    "webhook_schedule": "standard",
    "settlement_cutoff": "00:00",
    "settlement_days": "every_day",
    "settlement_holidays": [],
    "fee_rate_bps": 290,
    "fee_fixed": 30,
    "fee_on_refund": "kept",
}
_FIFTY = [f"2026-{month:02}-{day:02}" for month in (5, 6) for day in range(1, 26)]
GOOD: dict[str, list[Any]] = {
    "settlement_cutoff": ["23:59", "17:00", "00:00"],
    "settlement_days": ["weekdays", "every_day"],
    "settlement_holidays": [_FIFTY, ["2028-02-29"], []],
    "fee_rate_bps": [0, 10_000, 25.0],
    "fee_fixed": [0, 1_000_000, 30],
    "fee_on_refund": ["returned", "kept"],
}
BAD: dict[str, list[Any]] = {
    "settlement_cutoff": ["24:00", "5:00", "17:00:00", "17:60", "17:00Z", "", " 17:00", 17, None],
    "settlement_days": ["Weekdays", "monday", "", None, 5, ["weekdays"]],
    "settlement_holidays": [
        *(["2026-02-29"], ["2026-13-01"], ["20260301"], ["2026-W01-1"], ["2026-03-01T00:00:00Z"]),
        *(["2026-03-01", "2026-03-01"], [*_FIFTY, "2027-01-01"], [1], [None], "2026-03-01", None),
        *(["2026-03-01 "], [""], {"2026-03-01": 1}, ["0000-01-01"], ["\u0662026-03-01"]),
    ],
    "fee_rate_bps": [-1, 10_001, 2.5, "290", True, None, 10**30],
    "fee_fixed": [-1, 1_000_001, 0.5, "30", False, None],
    "fee_on_refund": ["Kept", "half", "", None, True],
}


async def test_each_is_taken_and_leaves_the_rest(api: Api) -> None:
    """A good value is what is read from then on; holidays come in their order."""
    rest = await read(api, SETTINGS)
    assert rest == DEFAULTS
    for name, values in GOOD.items():
        for value in values:
            rest[name] = value
            assert await choose(api, **{name: value}) == rest
        assert await read(api, SETTINGS) == rest
    days = await choose(api, settlement_holidays=["2027-01-01", "2026-12-25"])
    assert days["settlement_holidays"] == ["2026-12-25", "2027-01-01"]


async def test_bad_values(api: Api) -> None:
    """Each is refused by its name, and nothing of the same body is taken."""
    before = await read(api, SETTINGS)
    for name, values in BAD.items():
        for value in values:
            body = {"amount_rule": "cents", name: value}
            answer = await api.client.patch(SETTINGS, json=body)
            problem = answer.json()

            assert (answer.status_code, problem["code"]) == (422, "validation_failed"), body
            assert problem["param"].partition(".")[0] == name, body
    assert await read(api, SETTINGS) == before
