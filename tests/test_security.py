"""SECURITY.md: every test that it names is there, and every limit is the one of the code."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from pathlib import Path

import pytest

from kerastorch.files import Limits

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table behind a heading."""
    part = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def problems(named: str) -> list[str]:
    """What is wrong with the name of a test: `file::test` or `file::test[case]`."""
    path, _, test = named.partition("::")
    function, _, case = test.partition("[")
    if not (ROOT / path).is_file():
        return [f"{path} is not there"]
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    if function not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
        return [f"{path} has no {function}"]
    if not case:
        return []
    sys.path.insert(0, str((ROOT / path).parent))
    try:
        from _cases import CASES  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str((ROOT / path).parent))
    found = [known for known in CASES if known.name == case.removesuffix("]")]
    return [] if [known.status for known in found] == [3] else [f"{case} is no case of a file that is unsafe"]


@pytest.mark.parametrize("row", rows("Published holes of Keras"), ids=lambda row: row[0])
def test_every_published_hole_has_its_test(row: list[str]) -> None:
    published, did, here, shown = row
    assert published
    assert did
    assert here
    named = re.findall(r"`(tests/[^`]+)`", shown)
    assert named
    assert [found for name in named for found in problems(name)] == []


def test_what_the_promise_names_is_there() -> None:
    promise = TEXT.split("## The promise\n")[1].split("\n## ")[0]
    named = re.findall(r"`(tests/[^`]+)`", promise)
    assert named
    assert [found for name in named for found in problems(name)] == []


def test_a_test_that_is_gone_is_seen() -> None:
    assert problems("tests/gone.py::test") == ["tests/gone.py is not there"]
    assert problems("tests/test_security.py::test_gone") == ["tests/test_security.py has no test_gone"]
    gone = "tests/scanning/test_scan.py::test_what_is_said_of_a_file[gone.keras]"
    assert problems(gone) == ["gone.keras] is no case of a file that is unsafe"]


def test_the_limits_are_those_of_the_code() -> None:
    said = {name.strip("`"): default.replace(",", "") for name, default, *_ in rows("Limits")}
    assert said == {field.name: str(field.default) for field in dataclasses.fields(Limits)}
