"""What a request costs at AWS: its calls, by event hooks, and the capacity each of them uses.

Write units of what succeeds are the emulator's, which follow AWS: an item's size in KB rounded up,
twice that in a transaction, once for an index entry. A transaction that is cancelled tells none;
it is counted as if it had written the table but no index. Read units are counted here by AWS'
rule, from the sizes of the items returned, because the emulator's leave sizes out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from payments_sandbox.adapters.dynamodb_table import (
    BY_CARD,
    BY_DUE,
    BY_MERCHANT,
    table_definition,
)

KB = 1024
READ_KB = 4 * KB
OVERHEAD_BYTES = 100
"""What storage counts beside the bytes of an item, and of an index entry."""
INDEXES = (BY_CARD, BY_MERCHANT, BY_DUE)
METERED = {"GetItem", "Query", "BatchGetItem", "TransactWriteItems", "UpdateItem", "PutItem"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client, with the units it used."""

    name: str
    table_write_units: float = 0.0
    index_write_units: Mapping[str, float] = field(default_factory=dict[str, float])
    read_units: float = 0.0
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Bill:
    """The calls of one request."""

    calls: tuple[Call, ...]

    @property
    def table_write_units(self) -> float:
        """Write units of the table."""
        return sum(one.table_write_units for one in self.calls)

    @property
    def index_write_units(self) -> float:
        """Write units of all indexes."""
        return sum(sum(one.index_write_units.values()) for one in self.calls)

    @property
    def write_units(self) -> float:
        """Write units in all."""
        return self.table_write_units + self.index_write_units

    @property
    def read_units(self) -> float:
        """Read units in all."""
        return sum(one.read_units for one in self.calls)

    @property
    def is_estimate(self) -> bool:
        """Whether a transaction was cancelled, so that its units are our rule's."""
        return any(one.is_cancelled for one in self.calls)

    def by_index(self) -> dict[str, float]:
        """Write units of each index."""
        return {
            index: sum(one.index_write_units.get(index, 0.0) for one in self.calls)
            for index in INDEXES
        }


class Meter:
    """Listens to clients; `take` returns the calls made since it was last asked."""

    def __init__(self, *clients: Any) -> None:  # noqa: ANN401 - clients have no common type
        self._calls: list[Call] = []
        self._written: list[Mapping[str, Any]] = []
        for client in clients:
            client.meta.events.register("provide-client-params.*.*", self._ask)
            client.meta.events.register("after-call.*.*", self._note)

    def take(self) -> Bill:
        """Return the calls so far, and begin anew."""
        bill = Bill(tuple(self._calls))
        self._calls, self._written = [], []
        return bill

    @property
    def written(self) -> list[Mapping[str, Any]]:
        """The items that were put since `take`."""
        return [*self._written]

    def _ask(
        self,
        params: dict[str, Any],
        model: Any,  # noqa: ANN401 - botocore's
        context: dict[str, Any],
        **_: object,
    ) -> dict[str, Any]:
        """Ask for the units of the call that is to be made."""
        if model.name in METERED:
            params = params | {"ReturnConsumedCapacity": "INDEXES"}
        context["asked"] = params
        return params

    def _note(
        self,
        parsed: dict[str, Any],
        model: Any,  # noqa: ANN401 - botocore's
        context: dict[str, Any],
        **_: object,
    ) -> None:
        asked = context["asked"]
        if model.name == "TransactWriteItems":
            self._written += [one["Put"]["Item"] for one in asked["TransactItems"] if "Put" in one]
        self._calls.append(call_of(model.name, asked, parsed))


def call_of(name: str, asked: Mapping[str, Any], parsed: Mapping[str, Any]) -> Call:
    """Return what a call used."""
    if name == "TransactWriteItems" and "Error" in parsed:
        return Call(name, _cancelled_units(asked, parsed), is_cancelled=True)
    if name in {"TransactWriteItems", "UpdateItem", "PutItem"}:
        used = parsed["ConsumedCapacity"]
        return _written(name, used[0] if name == "TransactWriteItems" else used)
    return Call(name, read_units=_read_units(name, asked, parsed))


def _written(name: str, used: Mapping[str, Any]) -> Call:
    """Return what a write used, as the table tells."""
    told: Mapping[str, Mapping[str, float]] = used.get("GlobalSecondaryIndexes", {})
    indexes = {index: one["CapacityUnits"] for index, one in told.items()}
    return Call(name, used["CapacityUnits"] - sum(indexes.values()), indexes)


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return an item's size as AWS counts it: names and values."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def stored_bytes(item: Mapping[str, Any]) -> int:
    """Return what an item takes in storage, with its entries in the indexes."""
    definition = table_definition("any")
    primary = {one["AttributeName"] for one in definition.get("KeySchema", [])}
    total = item_bytes(item) + OVERHEAD_BYTES
    for index in definition.get("GlobalSecondaryIndexes", []):
        names = primary | {one.get("AttributeName", "") for one in index.get("KeySchema", [])}
        if names <= item.keys():
            total += item_bytes({name: item[name] for name in names}) + OVERHEAD_BYTES
    return total


def units(size_bytes: int, unit_bytes: int) -> int:
    """Return how many units a size takes: at least one, each begun one counts."""
    return max(1, -(-size_bytes // unit_bytes))


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = content.lstrip("-").replace(".", "").strip("0")
            return (len(digits) + 1) // 2 + 1 + content.startswith("-")
        case "B":
            return len(content)
        case "L":
            return 3 + sum(1 + _value_bytes(one) for one in content)
        case "M":
            return 3 + len(content) + item_bytes(content)
        case _:
            return 1


def _read_units(name: str, asked: Mapping[str, Any], parsed: Mapping[str, Any]) -> float:
    """Return 1 for each 4 KB read consistently, half that otherwise."""
    share = 1.0 if asked.get("ConsistentRead") else 0.5
    match name:
        case "GetItem":
            return share * units(item_bytes(parsed.get("Item", {})), READ_KB)
        case "Query":
            return share * units(sum(map(item_bytes, parsed["Items"])), READ_KB)
        case "BatchGetItem":
            return sum(
                _batch_units(keys, parsed["Responses"].get(table, []))
                for table, keys in asked["RequestItems"].items()
            )
        case _:
            return 0.0


def _batch_units(keys: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> float:
    """Return the units of each item by itself; a key without an item takes one too."""
    found = [units(item_bytes(one), READ_KB) for one in items]
    share = 1.0 if keys.get("ConsistentRead") else 0.5
    return share * (sum(found) + len(keys["Keys"]) - len(found))


def _cancelled_units(asked: Mapping[str, Any], parsed: Mapping[str, Any]) -> float:
    """Return twice the size of what was to be written, or of what stood in its place."""
    reasons = parsed.get("CancellationReasons", [])
    return sum(
        2.0 * units(max(item_bytes(one["Put"]["Item"]), item_bytes(reason.get("Item", {}))), KB)
        for one, reason in zip(asked["TransactItems"], reasons, strict=True)
    )
