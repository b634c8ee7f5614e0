"""The operators that plant faults, and how a death is classed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kerastorch.errors import ArgumentError, ShapeError

from .child import kind_of, mark_other_errors
from .equivalents import EQUIVALENT
from .operators import is_program, sites
from .subjects import SUBJECTS, draw, files_of_tests, modules, mutants_of

ROOT = Path(__file__).resolve().parents[2]

CASES = {
    "swapped operands": ("y = a - b", "y = (b - a)"),
    "dropped term": ("y = a + b * c", "y = a"),
    "dropped statement": ("def f(x):\n    if x:\n        raise ValueError(x)", "def f(x):\n    pass"),
    "shifted index": ("y = x[:, 1:n]", "y = (x[:, 2:n])"),
    "other axis": ("y = x.flip(1)", "y = (x.flip(0))"),
    "negated condition": ("y = a if b else c", "y = (a if not b else c)"),
    "neighbouring constant": ("y = f(True, 2.0)", "y = f(True, 2.5)"),
    "swapped names": ("def f(h: T, c: T):\n    return h", "def f(h: T, c: T):\n    return c"),
}


@pytest.mark.parametrize("operator", CASES)
def test_an_operator_makes_its_fault(operator: str) -> None:
    text, wanted = CASES[operator]
    made = [site.apply(text) for site in sites(text) if site.operator == operator]
    assert wanted in made


def test_parentheses_of_operands_are_kept() -> None:
    text = "y = a - (b - c)"
    assert "y = (b - c - a)" in [site.apply(text) for site in sites(text)]


@pytest.mark.parametrize(
    "text",
    [
        '"""Text with 1."""',
        "EXAMPLES = (1, 2)",
        "raise ValueError(f'{1}')",
        "def f(x: tuple[int, 2]) -> g[1]: ...",
        "for a, b in zip(c, strict=True): ...",
        "isinstance(a, (b, c))",
    ],
)
def test_what_is_no_fault_is_left_alone(text: str) -> None:
    assert [site for site in sites(text) if is_program(site, text) and site.operator != "dropped statement"] == []


def test_the_same_seed_draws_the_same_and_another_others() -> None:
    first, again, other = (draw(ROOT, 21, seed) for seed in (1, 1, 2))
    assert first == again
    assert len({each.key for each in first} & {each.key for each in other}) < 5
    assert [sum(each.subject == name for each in first) for name in SUBJECTS] == [3] * len(SUBJECTS)
    for each in first:
        assert is_program(each.site, (ROOT / each.module).read_text())


@pytest.mark.parametrize("key", EQUIVALENT)
def test_an_equivalent_is_a_mutant_that_can_be_drawn(key: str) -> None:
    module = key.partition(" | ")[0]
    assert key in [each.key for each in mutants_of("", module, (ROOT / module).read_text())]
    assert EQUIVALENT[key]


def test_places_of_one_text_have_keys_of_their_own() -> None:
    keys = [each.key for each in mutants_of("", "m.py", "def f(x):\n    return x[1] + x[1]")]
    assert len(keys) == len(set(keys))
    assert "m.py | f | x[1] | (x[2]) | 2" in keys


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_pattern_of_a_subject_means_a_file(subject: str) -> None:
    for pattern in SUBJECTS[subject][0].split():
        assert list((ROOT / "kerastorch").glob(pattern)), pattern
    for pattern in SUBJECTS[subject][1].split():
        assert list((ROOT / "tests").glob(pattern)), pattern
    assert modules(ROOT, subject)
    assert files_of_tests(ROOT, subject)


def test_a_death_is_classed_by_who_raised() -> None:
    with pytest.raises(pytest.fail.Exception) as not_raised, pytest.raises(ValueError, match="x"):
        pass
    with pytest.raises(AssertionError) as own:
        assert [1] == [2]
    assert kind_of(not_raised.value, "/nowhere") == "assertion"
    assert kind_of(own.value, "/nowhere") == "assertion"
    assert kind_of(own.value, __file__) == "crash"  # an assert of the package is no judgement of a test
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pytest.RaisesExc, "__exit__", pytest.RaisesExc.__exit__)
        mark_other_errors()
        with pytest.raises(TypeError) as other, pytest.raises(ShapeError):
            raise TypeError("x")
    assert kind_of(other.value, "/nowhere") == "assertion"  # the test said which error, and another came
    assert kind_of(ArgumentError("x"), "/nowhere") == "refusal"
    assert kind_of(TypeError("x"), "/nowhere") == "crash"
