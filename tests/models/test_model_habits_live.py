"""What Keras code does with models, line by line as in live Keras."""

from __future__ import annotations

from typing import Any

import pytest
from _close import apart
from _keras_worker import KerasWorker
from workers import model_habits

import kerastorch

FRAMEWORKS = [("keras3", name) for name in model_habits.CASES] + [("keras2", name) for name in model_habits.KERAS_2]


def assert_same(ours: Any, theirs: Any, where: str) -> None:
    """Compare nested results; arrays up to rounding, everything else exactly."""
    assert type(ours) is type(theirs), f"{where}: {ours!r}, in Keras {theirs!r}"
    if isinstance(theirs, dict):
        assert sorted(ours) == sorted(theirs), where
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{where}[{key!r}]")
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), f"{where}: {ours!r}, in Keras {theirs!r}"
        for place, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(mine, its, f"{where}[{place}]")
    elif hasattr(theirs, "dtype"):
        found = apart(ours, theirs)
        assert found is None, f"{where}: {found}"
    else:
        assert ours == theirs, f"{where}: {ours!r}, in Keras {theirs!r}"


@pytest.mark.parametrize(("framework", "name"), FRAMEWORKS, ids=[f"{name}-{which}" for which, name in FRAMEWORKS])
def test_the_same_lines_do_the_same(keras_worker: KerasWorker, framework: str, name: str) -> None:
    ours = model_habits.run(kerastorch, name)
    assert_same(ours, keras_worker.call(framework, "model_habits:run", name), name)
