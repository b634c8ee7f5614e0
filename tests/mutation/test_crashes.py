"""What counts as a fault that crashes at once."""

from __future__ import annotations

import builtins
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerastorch.errors import ShapeError

from .crashes import Call, Follow, lines_of, shown, verdict
from .operators import REACHED, sites

TEXT = f"""
from kerastorch.errors import ShapeError


def helper(x):
    return x[9]


def as_it_is(function):
    return function


@as_it_is
def changed(x, how):
    x = [{REACHED}() or each for each in x]
    if how == "returns":
        return x
    if how == "catches":
        try:
            helper(x)
        except IndexError:
            return 0
    if how == "refuses":
        raise ShapeError("no")
    if how == "finds":
        return any(changed(each, "returns") for each in [x, x])
    if how == "nothing":
        for each in x:
            pass
        return
    return helper(x)
"""


@pytest.fixture
def changed(tmp_path: Path) -> tuple[Callable[..., Any], Follow]:
    file = tmp_path / "module.py"
    file.write_text(TEXT)
    spec = importlib.util.spec_from_file_location("module", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = lines_of(TEXT, TEXT[: TEXT.index(REACHED)].count("\n") + 1)
    assert lines == (13, 31)
    return module.changed, Follow({}, tmp_path, lambda line: None, file, lines)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ("returns", "returned"),
        ("catches", "returned"),
        ("nothing", "returned"),
        ("finds", "returned"),
        ("refuses", "refused"),
        ("crashes", "crashed"),
    ],
)
def test_a_call_is_followed_to_its_end(
    changed: tuple[Callable[..., Any], Follow], monkeypatch: pytest.MonkeyPatch, how: str, wanted: str
) -> None:
    function, follow = changed
    monkeypatch.setattr(builtins, REACHED, follow.reached, raising=False)
    try:
        function([1, 2], how)
    except (IndexError, ShapeError):
        pass
    finally:
        follow.stop_tracing()
    assert [(call.how, call.given) for call in follow.calls][:1] == [(wanted, f"x=[1, 2], how='{how}'")]


def line(failure: str, *ways: str) -> dict[str, Any]:
    return {"test": f"t{failure}", "failure": failure, "ways": ways, "calls": 2, "given": "x=1", "what": "TypeError: y"}


def test_only_what_does_nothing_but_crash_is_set_aside() -> None:
    crash, passed = line("crash", "crashed"), line("", "refused")
    aside = {"how": "crashing", "by": "tcrash", "what": "TypeError: y", "given": "x=1", "seen": "2 calls in 1 tests"}
    assert verdict([crash]) == aside
    assert verdict([passed, crash]) == aside  # a test of a refusal has no ordinary input
    assert verdict([line("refusal", "crashed")]) is not None  # the error became another one on its way
    assert verdict([]) is None  # nothing has come there
    assert verdict([passed]) is None
    assert verdict([crash, line("", "returned")]) is None
    assert verdict([crash, line("crash", "crashed", "returned")]) is None
    assert verdict([crash, line("refusal", "refused")], checks=True) is None  # it refuses too much
    assert verdict([crash, line("refusal", "refused")]) is not None  # what was changed is no check
    assert verdict([crash, line("assertion", "crashed")]) is None


def test_which_places_are_parts_of_a_check() -> None:
    text = "def f(a, b):\n    if a < b:\n        raise ValueError(a)\n    return a - b"
    assert {site.before: site.checks for site in sites(text)} == {
        "if a < b:\n    raise ValueError(a)": True,
        "a < b": True,
        "a - b": False,
    }
    assert {site.checks for site in sites("def _check_size(a, b):\n    one(a - b, 2)")} == {True}


def test_each_operator_can_be_noted() -> None:
    text = "def f(a, b):\n    while a:\n        print(a)\n    return [x for x in a if x] or a - b"
    for site in sites(text):
        changed = site.apply(text, noted=True)
        compile(changed, "<mutant>", "exec")
        assert changed.count(REACHED) == 1


def test_inputs_are_shown_in_a_few_words() -> None:
    assert shown([np.zeros((2, 3), "f4"), None]) == "[float32(2, 3), None]"
    assert shown({}) == "dict"
    assert len(shown("a" * 100)) == 30
    assert Call("").how == "returned"
