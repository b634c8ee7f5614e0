"""Every test compares rounded numbers by `_close.py`, with a floor that was measured: no tolerance of its own.

An absolute 1e-6 is red on the next processor and blind to a fault in small numbers, and nobody sees where it came from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
JUDGES = {
    "allclose": "assert_close, or apart where arrays must differ",
    "isclose": "assert_close",
    "approx": "assert_numbers, or assert_close for float64",
    "assert_allclose": "assert_close",
    "assert_almost_equal": "assert_close",
    "assert_approx_equal": "assert_close",
    "assert_array_almost_equal": "assert_close",
    "assert_array_max_ulp": "assert_close",
    "testing.assert_close": "assert_close of _close.py",
}
SMALL = 1e-3  # an upper bound below this is a rounding bound; a lower one says that something did move
FLOORED = ("assert_close", "assert_each_close", "assert_numbers", "apart", "apart_numbers", "difference")
# What is no comparison of two rounded results, each with its reason.
EXCEPTIONS = {
    "_close.py": "the judge itself",
    "test_initializers.py": "statistics of random draws: the bound follows from how many there are",
    "test_corpus.py": "1e-5 of the output's size is the corpus's own definition of a file that is read right",
    "saving/test_corpus_saved.py": "the same",
    "saving/test_keras2_corpus.py": "the same",
    "make_corpus_table.py": "the same",
}


def tolerances(code: str) -> Iterator[str]:
    """Where a file has tolerances of its own: `line: what stands there`."""
    lines = code.splitlines()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            yield from (f"{node.lineno}: {found}" for found in in_call(node, lines))
        elif isinstance(node, ast.Compare):
            sides = zip([node.left, *node.comparators], node.ops, node.comparators, strict=False)
            bounds = [right if isinstance(op, (ast.Lt, ast.LtE)) else left for left, op, right in sides]
            orders = all(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in node.ops)
            if orders and any(map(small, bounds)):
                yield f"{node.lineno}: {ast.unparse(node)}: use assert_close"
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None and small(node.value):
            names = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            if "tolerance" in names.lower():
                yield f"{node.lineno}: {names}: use assert_close"


def in_call(node: ast.Call, lines: list[str]) -> Iterator[str]:
    name = ast.unparse(node.func)
    for judge, instead in JUDGES.items():
        if f".{name}".endswith(f".{judge}") and not name.endswith("o.isclose") and not name.startswith("ops."):
            yield f"{name}: use {instead}"
    for keyword in node.keywords:
        if keyword.arg in ("atol", "rtol") and ast.unparse(keyword.value) not in ("0", "0.0"):
            yield f"{keyword.arg}={ast.unparse(keyword.value)}: use assert_close"
    if name in FLOORED:
        floors = [*node.args[2:3], *(keyword.value for keyword in node.keywords if keyword.arg == "floor")]
        own = any(isinstance(floor, ast.Constant) and floor.value for floor in floors)
        if own and not any("#" in line for line in lines[node.lineno - 2 : node.end_lineno]):
            yield f"{ast.unparse(floors[0])}: a floor of its own needs its reason beside it"


def small(bound: ast.expr) -> bool:
    """Whether a number below `SMALL` is a part of the bound."""
    constants = [part.value for part in ast.walk(bound) if isinstance(part, ast.Constant)]
    return any(isinstance(value, float) and 0 < value < SMALL for value in constants)


def test_no_file_has_a_tolerance_of_its_own() -> None:
    found = {path.relative_to(TESTS).as_posix(): path.read_text("utf-8") for path in sorted(TESTS.rglob("*.py"))}
    own = [f"{name}:{text}" for name, code in found.items() if name not in EXCEPTIONS for text in tolerances(code)]
    assert not own, "\n".join(own)


def test_every_exception_is_there_and_needs_to_be() -> None:
    for name in EXCEPTIONS:
        assert name == "_close.py" or list(tolerances((TESTS / name).read_text("utf-8"))), name


@pytest.mark.parametrize(
    "line",
    [
        "assert torch.allclose(a, b)",
        "assert np.allclose(a, b, atol=1e-6)",
        "np.testing.assert_allclose(a, b, rtol=1e-5)",
        "torch.testing.assert_close(a, b)",
        "testing.assert_close(a, b, rtol=0, atol=1e-6)",
        "assert a == pytest.approx(b)",
        "assert a == approx(b, abs=1e-6)",
        "assert (a - b).abs().max() < 1e-6",
        "assert gap <= 2e-6 * b.abs().max()",
        "assert 1e-6 > gap",
        "assert 0 <= gap < 1e-4 * max(1.0, b)",
        "compare(a, b, atol=1e-6)",
        "assert_close(a, b, 1e-5)",
        "apart(a, b, floor=1e-5)",
        "TOLERANCE = 1e-5  # float32",
    ],
)
def test_a_planted_tolerance_is_seen(line: str) -> None:
    assert list(tolerances(line))


@pytest.mark.parametrize(
    "line",
    [
        "assert_close(a, b)",
        "assert_close(a, b, GRADIENT)",
        "assert_close(a, b, 0)",
        "assert_close(a, b, 3e-6)  # 2.8e-6 was seen: sums of 500 terms that cancel each other",
        "assert moved > 1e-5",
        "assert np.abs(values).max() <= 0.05",
        "ops.isclose(a, b)",
        "torch.equal(a, b)",
    ],
)
def test_what_is_meant_stays_free(line: str) -> None:
    assert not list(tolerances(line))
