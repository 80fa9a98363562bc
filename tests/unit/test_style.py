"""The code fits on screens: short functions, short files, and a sentence on top of each."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import payments_sandbox

FUNCTION_LINES_MAX = 40
FILE_LINES_MAX = 300
SOURCE = Path(payments_sandbox.__file__).parent
ROOT = Path(__file__).parents[2]
FOLDERS = [SOURCE, ROOT / "infra", ROOT / "loadtests"]
MODULES = sorted(module for folder in FOLDERS for module in folder.rglob("*.py"))
TIDY = '"""A tidy module."""\n\n\ndef one() -> None:\n    """Return."""\n' + "    one()\n" * 39


class Function(NamedTuple):
    """A function and how many lines its body has, docstring included."""

    name: str
    body_lines: int

    def __str__(self) -> str:
        return self.name


def functions_in(text: str, module: str) -> Iterator[Function]:
    """Yield the functions and methods of a module, those within others too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            yield Function(f"{module}:{node.name}", last - node.body[0].lineno + 1)


def name_of(module: Path) -> str:
    """Return a module's path below the package, or below the repository."""
    return module.relative_to(SOURCE if SOURCE in module.parents else ROOT).as_posix()


def faults_in(text: str) -> list[str]:
    """Return what is wrong with a module's form."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    first = docstring.partition("\n\n")[0]
    faults: list[str] = []
    if len(text.splitlines()) > FILE_LINES_MAX:
        faults.append("too long")
    if not first or first[-1] not in ".:":
        faults.append("starts without a sentence")
    return faults


FUNCTIONS = [one for path in MODULES for one in functions_in(path.read_text(), name_of(path))]


@pytest.mark.parametrize("function", FUNCTIONS, ids=str)
def test_a_function_fits_on_a_screen(function: Function) -> None:
    """No function body is longer than 40 lines."""
    assert function.body_lines <= FUNCTION_LINES_MAX


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_is_short_and_says_what_it_is(module: Path) -> None:
    """A module has at most 300 lines and starts with a sentence that says what it is."""
    assert faults_in(module.read_text()) == []


def test_the_whole_package_is_looked_at() -> None:
    """The checks above see every layer and many functions, so they cannot pass on nothing."""
    layers = {"adapters", "api", "domain", "entrypoints", "services"}

    assert layers <= {module.parent.name for module in MODULES}
    assert len(FUNCTIONS) > len(MODULES)


def test_a_long_function_is_caught() -> None:
    """Forty lines pass; one more, in a nested method too, does not."""
    expected = [40, 41, 43]
    longer = TIDY + "    one()\n"
    nested = TIDY + "    class Inner:\n        async def two(self) -> None:\n            one()\n"

    found = [next(functions_in(text, "planted")).body_lines for text in (TIDY, longer, nested)]

    assert expected == found
    assert [one.name for one in functions_in(nested, "planted")] == ["planted:one", "planted:two"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TIDY, []),
        (TIDY + "\n" * 256, []),
        (TIDY + "\n" * 257, ["too long"]),
        ("x = 1\n", ["starts without a sentence"]),
        ('"""not a sentence"""\n', ["starts without a sentence"]),
        ("", ["starts without a sentence"]),
    ],
)
def test_a_long_or_silent_module_is_caught(text: str, expected: list[str]) -> None:
    """Three hundred lines pass, one more does not, and neither does a missing docstring."""
    assert expected == faults_in(text)
