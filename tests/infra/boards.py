"""A stage's dashboard, read as CloudWatch reads it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.infra.templates import Synthesised


class Shown(NamedTuple):
    """A metric of a graph, with whose it is by words that stay the same."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    options: Mapping[str, Any]

    @property
    def metric(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What AWS takes for one metric, whatever its statistic."""
        return self.namespace, self.name, self.dimensions


def widgets(stage: Synthesised) -> list[Any]:
    """Return the widgets from top to bottom."""
    body = stage.resource(stage.one("CloudWatch::Dashboard")["DashboardBody"])
    return json.loads(body)["widgets"]


def graphs(stage: Synthesised) -> dict[str, Any]:
    """Return what each graph is, by its title."""
    found = [one["properties"] for one in widgets(stage) if one["type"] == "metric"]
    by_title = {one["title"]: one for one in found}
    assert len(by_title) == len(found)
    return by_title


def shown(graph: Any) -> Iterator[Shown]:
    """Yield the metrics of a graph, those that only a formula sees too."""
    for entry in graph["metrics"]:
        texts: list[str] = [one for one in entry if isinstance(one, str)]
        if texts:
            namespace, name, *dimensions = texts
            pairs = zip(dimensions[::2], dimensions[1::2], strict=True)
            (*_, last) = entry
            options: dict[str, Any] = {} if isinstance(last, str) else last
            yield Shown(namespace, name, tuple(sorted(pairs)), options)


def expressions(graph: Any) -> dict[str, str]:
    """Return the formulas of a graph by their labels."""
    return {
        entry[0]["label"]: entry[0]["expression"]
        for entry in graph["metrics"]
        if isinstance(entry[0], dict)
    }
