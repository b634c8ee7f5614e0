"""What people write around a training: the same code, run with Keras and with kerastorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from _close import apart
from _keras_worker import KerasWorker
from workers import training_habits

import kerastorch as kt


def same(ours: Any, theirs: Any) -> bool:
    """Equal, arrays and numbers up to the rounding of float32."""
    if isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, (np.ndarray, float)):
        return (
            np.shape(ours) == np.shape(theirs)
            and apart(np.asarray(ours, "float32"), np.asarray(theirs, "float32")) is None
        )
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in theirs)
    return bool(ours == theirs)


@pytest.mark.parametrize(
    ("name", "framework"),
    [
        ("hooks", "keras3"),
        ("hooks", "keras2"),
        ("outputs_of_batches", "keras3"),
        ("on_batches", "keras3"),
        ("own_metric", "keras3"),
        ("relies_on_its_mask", "keras3"),
        ("windows_in_part", "keras3"),
        ("losses_in_lists", "keras3"),
        ("inputs_left_out", "keras3"),
    ],
)
def test_the_same_code_does_the_same(keras_worker: KerasWorker, name: str, framework: str) -> None:
    theirs = keras_worker.call(framework, f"training_habits:{name}")
    ours = getattr(training_habits, name)(kt)
    assert len(ours) == len(theirs)
    assert [(mine, wanted) for mine, wanted in zip(ours, theirs, strict=True) if not same(mine, wanted)] == []
