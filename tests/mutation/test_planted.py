"""A fault that is planted into a module that runs: what is changed then, and what has to be imported anew."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from .planted import plant
from .run import statement_lines

TEXT = """
TABLE = {"a": 1}


def plain(x, y=2):
    return x - y


def outer(x):
    def inner(y):
        return x + [each for each in y if each]

    return inner


def kept(function):
    return lambda *arguments: function(*arguments)


class Holder:
    size = 3

    @property
    def area(self):
        return self.size * 4

    @kept
    def method(self, x):
        return x + self.size
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    file = tmp_path / "planted_here.py"
    file.write_text(TEXT)
    spec = importlib.util.spec_from_file_location("planted_here", file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def changed(module: ModuleType, before: str, after: str) -> bool:
    assert TEXT.count(before) == 1
    assert module.__file__ is not None
    return plant(module.__file__, TEXT, TEXT.replace(before, after))


def test_functions_methods_and_closures_are_changed_where_they_live(module: ModuleType) -> None:
    plain, inner, holder = module.plain, module.outer([1]), module.Holder()
    assert changed(module, "x - y", "(y -\n x)")
    assert (plain(5), module.plain(5)) == (-3, -3)
    assert changed(module, "if each]", "if not each]")
    assert inner([0, 7]) == module.outer([1])([0, 7]) == [1, 0]
    assert changed(module, "self.size * 4", "self.size * 5")
    assert holder.area == 15
    assert changed(module, "x + self.size", "x")
    assert holder.method(1) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [('{"a": 1}', '{"a": 2}'), ("y=2", "y=3"), ("size = 3", "size = 4"), ("@kept\n", "\n")],
    ids=["table", "default", "class body", "decorator"],
)
def test_what_ran_at_import_is_left_to_an_import(module: ModuleType, before: str, after: str) -> None:
    assert not changed(module, before, after)
    assert (module.TABLE, module.plain(5), module.Holder().area) == ({"a": 1}, 3, 12)


def test_the_lines_of_a_statement() -> None:
    text = "def f(a):\n    if (a and\n        a):\n        return [\n            a,\n            1]\n    x = 1\n"
    assert [list(statement_lines(text, line)) for line in (3, 5, 7)] == [[2, 3], [4, 5, 6], [7]]
