"""Nothing in the source runs what a file says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "kerastorch"

UNSAFE = {
    "marshal": r"\bmarshal\b",
    "pickle": r"\bc?[pP]ickle\b",
    "eval": r"(?<![\w.])eval\(",
    "exec": r"(?<![\w.])exec\(",
    "torch.load": r"\btorch\.load\(",
    "allow_pickle": r"allow_pickle\s*=\s*(?!False)",
    "np.load": r"\bnp\.load\((?![^\n]*allow_pickle=False)",
    "importlib": r"\bimport_module\b|\b__import__\b",
}


def unsafe_code(text: str) -> list[str]:
    """The names of unsafe things that stand in code; comments and strings may speak of them."""
    code = strip_text(text)
    return [name for name, pattern in UNSAFE.items() if re.search(pattern, code)]


def strip_text(text: str) -> str:
    """The source without comments, docstrings and other strings."""

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("") if isinstance(node.value, (str, bytes)) else node

        def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
            node.values = [self.visit(value) for value in node.values if isinstance(value, ast.FormattedValue)]
            return node

    return ast.unparse(Blank().visit(ast.parse(text)))


def test_no_code_that_runs_what_a_file_says() -> None:
    found = {str(path.relative_to(PACKAGE)): unsafe_code(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("marshal", "import marshal"),
        ("pickle", "import pickle as p"),
        ("eval", "x = eval(text)"),
        ("exec", "exec(text)"),
        ("torch.load", "import torch\ntorch.load(path, weights_only=True)"),
        ("allow_pickle", "np.load(path, allow_pickle=True)"),
        ("np.load", "np.load(path)"),
        ("importlib", "import importlib\nimportlib.import_module(name)"),
        ("importlib", "__import__(name)"),
    ],
)
def test_planted_unsafe_code_is_seen(name: str, code: str) -> None:
    assert name in unsafe_code(code)


@pytest.mark.parametrize(
    "code", ["# eval(x)", "model.eval()", "'torch.load(x) is refused'", "np.load(p, allow_pickle=False)"]
)
def test_harmless_code_is_not_refused(code: str) -> None:
    assert unsafe_code(code) == []
