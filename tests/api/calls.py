"""A request to the app, ready to be spoiled."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.api.harness import Api


@dataclass(frozen=True)
class Call:
    """The request."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    content: bytes | AsyncIterator[bytes] | None = None
    query: str = ""
    keyed: bool = True

    async def send(self, api: Api) -> httpx.Response:
        """Send it."""
        headers = dict(self.headers)
        if self.method == "POST" and self.keyed:
            headers.setdefault("x-idempotency-key", "k1")
        if self.method != "GET":
            headers.setdefault("content-type", "application/json")
        return await api.client.request(
            self.method,
            self.path + self.query,
            headers=headers,
            content=self.content,
            json=self.body if self.content is None else None,
        )
