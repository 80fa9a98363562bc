"""Routes whose endpoint takes the request and returns the response, and what none of them takes."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from payments_sandbox.api.problems import Problem

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class DirectRoute(Route):
    """One operation of the API: one method of a path, under the name its documentation has."""

    def __init__(self, method: str, path: str, endpoint: Endpoint, operation_id: str) -> None:
        super().__init__(path, endpoint, methods=[method], name=operation_id)
        self.method = method
        self.methods = {method}  # without the HEAD that comes with a GET


def unrouted(routes: Sequence[BaseRoute], scope: Scope, error: HTTPException) -> Problem:
    """Return the problem of a path or a method that no route takes.

    It names the methods of all routes of the path; the framework names the first route's alone.
    """
    ours = [one for one in routes if isinstance(one, Route)]
    matching = (one for one in ours if one.matches(scope)[0] is not Match.NONE)
    first = next(matching, None)
    if first is None:
        # The files of the reference page name their own methods.
        code = "method_not_allowed" if error.status_code == 405 else "not_found"  # noqa: PLR2004
        detail = None if code == "method_not_allowed" else "There is no such path; see /docs."
        return Problem(code, detail=detail, headers=error.headers)
    methods = {method for one in ours if one.path == first.path for method in one.methods or ()}
    return Problem("method_not_allowed", headers={"allow": ", ".join(sorted(methods))})
