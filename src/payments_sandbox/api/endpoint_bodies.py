"""What callers send about webhook endpoints."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import unquote_plus

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.config import JsonDict

from payments_sandbox.api.bodies import ShortText, Strict, no_card_number
from payments_sandbox.api.problems import Problem
from payments_sandbox.domain.chaos import Chaos
from payments_sandbox.domain.destination import URL_CHARACTERS_MAX, DestinationPolicy, fault_in
from payments_sandbox.domain.endpoint import Endpoint
from payments_sandbox.domain.event import EVERYTHING, EventType
from payments_sandbox.services.endpoints import NewEndpoint

_FILTER = [EVERYTHING, *EventType]
_EXAMPLE: JsonDict = {
    "url": "http://localhost:3000/hooks",
    "events": ["*"],
    "description": "the shop",
}


def _known_type(name: str) -> str:
    if name not in _FILTER:
        raise ValueError("unknown event type")
    return name


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a type is named twice")
    return names


def _no_card_number(url: str) -> str:
    no_card_number(unquote_plus(url))
    return no_card_number(url)


EventFilter = Annotated[
    list[
        Annotated[str, Field(json_schema_extra={"enum": [*_FILTER]}), AfterValidator(_known_type)]
    ],
    Field(min_length=1, max_length=len(_FILTER), json_schema_extra={"uniqueItems": True}),
    AfterValidator(_unique),
]
Url = Annotated[
    str,
    Field(max_length=URL_CHARACTERS_MAX, json_schema_extra={"format": "webhook-url"}),
    AfterValidator(_no_card_number),
]
Percent = Annotated[int, Field(ge=0, le=100)]
_URL = (
    "an http or https URL without user, password and fragment; a sandbox in AWS takes https alone."
)
_EVENTS = f'a list of event types, or ["*"] for all: {", ".join(EventType)}.'
_DESCRIPTION = "a text of up to 255 characters, no control characters and no card number."
_ENABLED = "true or false: whether events go there."
_CHAOS = "an object of percentages and a seed, or null: mischief for your own tests."


class ChaosBody(Strict):
    """How many of a hundred deliveries meet each mischief."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        0, description="an integer from 0: the same seed does the same to the same deliveries."
    )
    delay: Percent = Field(0, description="0 to 100: the first attempt waits up to 30 s.")
    reorder: Percent = Field(
        0,
        description="0 to 100: the first attempt waits up to 3 s, so that later ones overtake it.",
    )
    drop: Percent = Field(0, description="0 to 100: the first attempt is not sent, but retried.")
    duplicate: Percent = Field(0, description="0 to 100: the first attempt is sent twice.")
    stale_timestamp: Percent = Field(
        0, description="0 to 100: the first attempt's timestamp is ten minutes old."
    )
    bad_signature: Percent = Field(
        0, description="0 to 100: the first attempt's signature does not fit."
    )

    def to_chaos(self) -> Chaos:
        """Return it."""
        return Chaos(**self.model_dump())


class EndpointBody(Strict):
    """A webhook endpoint to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    url: Url = Field(description=_URL)
    events: EventFilter = Field(default_factory=lambda: [EVERYTHING], description=_EVENTS)
    description: ShortText = Field("", description=_DESCRIPTION)
    enabled: bool = Field(default=True, description=_ENABLED)
    chaos: ChaosBody | None = Field(None, description=_CHAOS)

    def to_new(self, policy: DestinationPolicy) -> NewEndpoint:
        """Return what is to be made; raise Problem for a URL that may not be."""
        check_url(self.url, policy)
        return NewEndpoint(
            self.url,
            tuple(self.events),
            self.description,
            self.enabled,
            self.chaos.to_chaos() if self.chaos else None,
        )


class EndpointChanges(Strict):
    """What to change of an endpoint; what is left out stays."""

    url: Url = Field(default_factory=str, description=_URL)
    events: EventFilter = Field(default_factory=lambda: [EVERYTHING], description=_EVENTS)
    description: ShortText = Field("", description=_DESCRIPTION)
    enabled: bool = Field(default=True, description=_ENABLED)
    chaos: ChaosBody | None = Field(None, description=_CHAOS)

    def check(self, policy: DestinationPolicy) -> None:
        """Raise Problem for a URL that may not be."""
        if "url" in self.model_fields_set:
            check_url(self.url, policy)

    def applied_to(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with what was sent in place."""
        sent = {name: getattr(self, name) for name in self.model_fields_set}
        if "events" in sent:
            sent["events"] = tuple(self.events)
        if "chaos" in sent:
            sent["chaos"] = self.chaos.to_chaos() if self.chaos else None
        if "enabled" in sent:
            sent["disabled_reason"] = None
        return replace(endpoint, **sent)


def check_url(url: str, policy: DestinationPolicy) -> None:
    """Raise Problem for a URL that webhooks may not go to."""
    fault = fault_in(url, policy)
    if fault is not None:
        raise Problem("validation_failed", param="url", detail=f"url is not valid: {fault}")
