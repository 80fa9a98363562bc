"""Metric math as far as our expressions go: numbers, arithmetic, FILL and PERIOD."""

import ast
from collections.abc import Mapping


def value_of(expression: str, metrics: Mapping[str, float], period_s: int) -> float:
    """Return the value for one datapoint of each metric; a metric that is missing has none."""
    return _value(ast.parse(expression, mode="eval").body, metrics, period_s)


def names_in(expression: str) -> set[str]:
    """Return the metrics that an expression names."""
    functions = {"FILL", "PERIOD"}
    nodes = ast.walk(ast.parse(expression, mode="eval"))
    return {one.id for one in nodes if isinstance(one, ast.Name)} - functions


def _value(  # noqa: PLR0911 - one for each kind of node
    node: ast.expr, metrics: Mapping[str, float], period_s: int
) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return metrics[name]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, metrics, period_s) + _value(right, metrics, period_s)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left, metrics, period_s) * _value(right, metrics, period_s)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left, metrics, period_s) / _value(right, metrics, period_s)
        case ast.Call(func=ast.Name(id="FILL"), args=[ast.Name(id=name), filler]):
            return metrics.get(name, _value(filler, metrics, period_s))
        case ast.Call(func=ast.Name(id="PERIOD"), args=[ast.Name()]):
            return period_s
        case _:
            raise ValueError(ast.unparse(node))
