"""Training in half precision beside live Keras: losses, their scale, steps that are left out, what is frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _close import BFLOAT16, MARGIN, TF32, apart, assert_close, largest
from _keras_worker import KerasWorker

import kerastorch as kt

RNG = np.random.default_rng(12)
DATA = RNG.normal(size=(16, 3, 2)).astype("float32"), RNG.normal(size=(16, 1)).astype("float32")


def _trained(model: Any, scale: float | None) -> tuple[list[Any], list[np.ndarray]]:
    optimizer: Any = kt.optimizers.SGD(0.25, momentum=0.5)
    if scale is not None:
        optimizer = kt.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale, dynamic_growth_steps=3)
    model.compile(optimizer, "mse")
    found = []
    for _ in range(8):
        loss = model.train_on_batch(*DATA)
        found.append((loss, getattr(optimizer, "dynamic_scale", 1.0), optimizer.iterations))
    return found, model.get_weights()


@pytest.mark.parametrize(
    ("policy", "scale", "frozen"),
    [("mixed_float16", 2.0**10, False), ("mixed_float16", 2.0**40, True), ("mixed_bfloat16", None, True)],
)
def test_as_keras(keras_worker: KerasWorker, tmp_path: Path, policy: str, scale: float | None, frozen: bool) -> None:
    path = tmp_path / "fresh.keras"
    theirs = keras_worker.call("keras3", "fitting:halves", str(path), policy, scale, frozen, DATA)
    model = kt.load_model(path)
    start = model.get_weights()
    steps, weights = _trained(model, scale)
    assert [step[1:] for step in steps] == [tuple(step[1:]) for step in theirs["steps"]]
    if scale is not None:
        assert len({step[1] for step in steps}) > 2, "the scale changes"
    # The arithmetic of both rounds to as many bits; a bias is a sum of gradients, so the largest weight is the scale.
    floor = BFLOAT16 if policy == "mixed_bfloat16" else TF32
    losses = [np.array([step[0] for step in found], "float32") for found in (steps, theirs["steps"])]
    assert_close(losses[0], losses[1], floor)
    assert_close(weights, theirs["weights"], floor, scale=largest(theirs["weights"]))
    assert apart(losses[0] * np.float32(1.05), losses[1], floor) is not None
    change = max(float(np.abs(one - other).max()) for one, other in zip(start, weights, strict=True))
    assert scale == 2.0**40 or change > 10 * MARGIN * floor, "the weights move so far that a tenth would be seen"
    moved = [not np.array_equal(one, other) for one, other in zip(start, weights, strict=True)]
    assert moved == [not frozen] * 3 + [scale != 2.0**40] * 4
    for mine, keras, at in zip(weights, theirs["weights"], moved, strict=True):
        assert at or np.array_equal(mine, keras)
