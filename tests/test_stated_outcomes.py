"""What tables, classes and defaults of arguments state, row by row."""

from __future__ import annotations

import json

import pytest
from _outcomes import kept, plain
from _outcomes_stated import PARTS, others, stated


@pytest.mark.parametrize("part", PARTS)
def test_no_row_is_another(part: str) -> None:
    """After a wanted change `make_outcomes.py stated` writes them anew; live Keras must have judged it before."""
    wanted = {case: value for case, value in kept("stated").items() if case.endswith(f" of {part}")}
    assert wanted
    for case, value in wanted.items():
        assert others(value, json.loads(json.dumps(plain(stated()[case]()))), f"{case}: ") == []


def test_a_row_that_is_another_is_named() -> None:
    rows = [["a", 1], ["b", 2], ["c", 3]]
    kept_rows = {"TABLE": [rows], "GONE": [[1]]}
    assert others(kept_rows, {"TABLE": [[["a", 1], ["new", 0], ["b", 2], ["c", 3]]]}) == []
    assert others(kept_rows, {"TABLE": [[["a", 1], ["b", 3], ["c", 3]]]}) == ["TABLE: ['b', 2]", "TABLE: ['c', 3]"]
    assert others(kept_rows, {"TABLE": [rows[:2]]}) == ["TABLE: ['c', 3]"]
    assert others(kept_rows, {"TABLE": [rows[::-1]]}) != []
    assert others({"NUMBER": [3]}, {"NUMBER": [4]}) == ["NUMBER: 3"]
    assert others({"f": [[["x", 1]]]}, {"f": []}) == ["f: [['x', 1]]"]
