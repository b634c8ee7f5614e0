"""What is counted is counted in one way: `1 array`, `3,000 arrays`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from make_goldens import ROOT

from kerastorch.errors import counted

# What messages count.
MANY = re.compile(
    r"^ (?:other |symbolic |input )?(arrays|axes|batches|bytes|calls|channels|characters|chunks|classes|constants"
    r"|entries|examples|files|gradients|inputs|layers|masks|members|numbers|objects|outputs|parameters|parts|places|probes"
    r"|records|rows|states|steps|tensors|values|variables|weights|words)\b(?!\))"
)
# Texts that stand before such a word and count nothing: a dtype, a verb's subject, a number that is never 1.
NO_COUNT = re.compile(
    r"dtype|quote\(|where|merge_mode|^name$|WORK|_work|_outputs|LOOP_|COMPILED|WEIGHTS_OF|spans|forward|INPUTS|3 \*"
    r"|STEPS|sizes|^rows$|^built$|counts|_MOST|MAX_|limit"
)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (counted(1, "array"), "1 array"),
        (counted(0, "array"), "0 arrays"),
        (counted(3000, "array"), "3,000 arrays"),
        (counted(2, "axis", "axes"), "2 axes"),
        (counted(1, "axis", "axes"), "1 axis"),
    ],
)
def test_counted(found: str, text: str) -> None:
    assert found == text


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(Path(ROOT, "kerastorch").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def test_no_message_leaves_the_plural_open() -> None:
    """`1 array(s)` and `1 arrays` are what a person reads: `errors.counted` says it."""
    wrong = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.search(r"[a-z]\(e?s\)", node.value)
            ):
                wrong.append(f"{path}:{node.lineno}: {node.value[:60]!r}")
            if not isinstance(node, ast.JoinedStr):
                continue
            for number, after in zip(node.values, node.values[1:], strict=False):
                if not (isinstance(number, ast.FormattedValue) and isinstance(after, ast.Constant)):
                    continue
                said = ast.unparse(number.value)
                if (found := MANY.match(str(after.value))) and number.conversion < 0 and not NO_COUNT.search(said):
                    wrong.append(f"{path}:{number.lineno}: {{{said}}} {found[1]}")
    assert wrong == [], "\n".join(wrong)
