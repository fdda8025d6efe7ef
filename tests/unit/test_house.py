"""The house is as ARCHITECTURE.md draws it: files that it names are there, functions are short, examples run."""

import ast
import doctest
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpen
from tools.comfyui import ROOT

LONGEST = 60
"""Lines of a function without its docstring; a node's schema is a table and not a function in this sense."""


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_named_files_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md|toml))`", text)) - {".nox/", ".cache/"}
    assert len(named) > 2
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_every_room_is_drawn() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "gpen").glob("*/__init__.py")]
    assert not [room for room in rooms if f"`gpen/{room}/`" not in text]


def functions(file: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name != "define_schema":
            yield node


def test_functions_are_short() -> None:
    long = []
    for file in [*(ROOT / "gpen").rglob("*.py"), *(ROOT / "nodes").glob("*.py")]:
        for function in functions(file):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if lines > LONGEST:
                long.append(f"{file.relative_to(ROOT)}: {function.name} has {lines} lines")
    assert not long


def test_examples_in_docstrings_run() -> None:
    tried = 0
    for module in pkgutil.walk_packages(gpen.__path__, "gpen."):
        if not module.name.endswith("__main__"):
            failed, count = doctest.testmod(importlib.import_module(module.name))
            assert not failed
            tried += count
    assert tried > 0


def test_one_version() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'^version = "(.+)"$', project, flags=re.M) == [gpen.__version__]
