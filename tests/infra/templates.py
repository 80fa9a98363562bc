"""Templates as the app writes them, and what they say."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from infra.cdk.app import app_of

Resource = Mapping[str, Any]
EMAIL = "ops@example.com"
HASH = re.compile(r"[0-9A-F]{8}$")


class Synthesised(NamedTuple):
    """A stack's template, and what the rule packs found in all stacks of the app."""

    template: Resource
    reports: list[dict[str, Any]]
    tags: Mapping[str, str]
    region: str
    said: list[str]
    """What the command line says of the stack when it deploys it."""
    after: set[str]
    """Stacks that are deployed before it."""

    def all(self, kind: str) -> dict[str, Any]:
        """Return the properties of each resource of a type, by its logical id."""
        return {
            name: one.get("Properties", {})
            for name, one in self.template["Resources"].items()
            if one["Type"] == f"AWS::{kind}"
        }

    def one(self, kind: str) -> Any:
        """Return the properties of the only resource of a type."""
        (properties,) = self.all(kind).values()
        return properties

    def named(self, kind: str, attribute: str, value: str) -> Any:
        """Return the properties of the only resource of a type with that attribute."""
        (found,) = (one for one in self.all(kind).values() if one.get(attribute) == value)
        return found

    def statements(self, role: str) -> list[Any]:
        """Return what a role may do; its logical id begins so."""
        (found,) = (one for name, one in self.all("IAM::Role").items() if name.startswith(role))
        return [
            statement
            for policy in found["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def resource(self, value: Any) -> str:
        """Return what an ARN in the template is of, by words that stay the same."""
        match value:
            case {"Fn::GetAtt": [name, "StreamArn"]}:
                return f"{self._resource(name)} stream"
            case {"Fn::GetAtt": [name, _]}:
                return self._resource(name)
            case {"Ref": name} if name in self.template["Resources"]:
                return self._resource(name)
            case {"Ref": name}:
                return str(name).rpartition("::")[2].lower()
            case {"Fn::Join": ["", parts]}:
                return "".join(self.resource(part) for part in parts)
            case _:
                return str(value)

    def _resource(self, logical_id: str) -> str:
        """Return a resource by its type and its logical id without the hash at the end."""
        kind = self.template["Resources"][logical_id]["Type"].removeprefix("AWS::")
        return f"{kind} {HASH.sub('', logical_id)}"


def synthesised(folder: Path, **context: str) -> dict[str, Synthesised]:
    """Return the stacks that the app writes in that context, by their names."""
    assembly = app_of(context, str(folder)).synth()
    report = folder / "validation-report.json"
    found: list[Any] = []
    if report.exists():
        found = json.loads(report.read_text())["pluginReports"]
    stacks = {stack.id for stack in assembly.stacks}
    return {
        stack.stack_name: Synthesised(
            template=json.loads((folder / stack.template_file).read_text()),
            reports=found,
            tags=stack.tags,
            region=stack.environment.region,
            said=[str(one.entry.data) for one in stack.messages],
            after={one.id for one in stack.dependencies} & {*stacks},
        )
        for stack in assembly.stacks
    }


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, names too."""
    yield from re.findall(r'"((?:[^"\\\\]|\\\\.)*)"', json.dumps(value))
