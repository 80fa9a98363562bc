"""Routes that call their endpoint with the request and nothing else, and how they are documented.

The framework's own injection and response validation cost more than the rest of a request;
bodies are parsed by `read_json` and documented by the models named at each route.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from payments_sandbox.api.problems import EDGE_PROBLEMS, Problem, status_of
from payments_sandbox.domain.errors import SandboxError

REF = "#/components/schemas/{model}"
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]
ProblemKind = type[SandboxError] | str
_EVERYWHERE = (
    "malformed_request",
    "misdirected_request",
    "headers_too_large",
    "internal_error",
)


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response."""

    def get_route_handler(self) -> Endpoint:
        """Return the endpoint as it is."""
        return self.endpoint


def documented(  # noqa: PLR0913 - a route says this much of itself
    operation_id: str,
    status: int,
    answer: type[BaseModel],
    problems: Sequence[ProblemKind],
    *,
    body: type[BaseModel] | None = None,
    parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return a route's documentation: its name, answer, problems, body and parameters."""
    extra: dict[str, Any] = {}
    if body is not None:
        schema = {"$ref": REF.format(model=body.__name__)}
        content = {"application/json": {"schema": schema}}
        extra["requestBody"] = {"required": True, "content": content}
    if parameters:
        extra["parameters"] = list(parameters)
    responses: dict[int, dict[str, Any]] = {status: {"model": answer, "description": "Done"}}
    return {
        "operation_id": operation_id,
        "summary": operation_id.replace("_", " ").capitalize(),
        "status_code": status,
        "responses": responses | _problems((*problems, *_EVERYWHERE)),
        "openapi_extra": extra,
    }


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
        return Problem(code, headers=error.headers)
    methods = {method for one in ours if one.path == first.path for method in one.methods or ()}
    return Problem("method_not_allowed", headers={"allow": ", ".join(sorted(methods))})


def _problems(kinds: Sequence[ProblemKind]) -> dict[int, dict[str, Any]]:
    """Return the documented problems by status, each with the codes it may carry."""
    codes: dict[int, set[str]] = {}
    for kind in kinds:
        if isinstance(kind, str):
            codes.setdefault(EDGE_PROBLEMS[kind][0], set()).add(kind)
        else:
            codes.setdefault(status_of(kind), set()).add(kind.code)
    content = {"application/problem+json": {"schema": {"$ref": REF.format(model="ProblemAnswer")}}}
    return {
        status: {"description": ", ".join(sorted(names)), "content": content}
        for status, names in sorted(codes.items())
    }
