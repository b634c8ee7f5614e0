"""Steps, metrics and validations of people's own around `fit`: the same code in Keras 3.15 and here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import TRAINED, apart
from _keras_worker import KerasWorker
from workers import steps

import kerastorch as kt


def same(ours: Any, theirs: Any) -> bool:
    """Equal, numbers as close as those after a training of a few epochs."""
    if isinstance(theirs, (list, tuple)):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, dict):
        return list(map(str, sorted(ours))) == sorted(theirs) and all(same(ours[name], theirs[name]) for name in theirs)
    if isinstance(theirs, (np.ndarray, float)):
        return apart(np.asarray(ours, "float32"), np.asarray(theirs, "float32"), TRAINED) is None
    return bool(ours == theirs)


@pytest.mark.parametrize(
    "name",
    [
        *("on_batches", "own_train_step", "own_trackers", "metric_of_a_layer", "composed_metric"),
        *("validations", "directions", "unknown_directions", "learning_rates", "names_of_outputs"),
        *("embeddings_that_repeat", "optimizers_of_others"),
    ],
)
def test_the_same_code_does_the_same(keras_worker: KerasWorker, name: str) -> None:
    theirs = keras_worker.call("keras3", f"steps:{name}")
    ours = getattr(steps, name)(kt)
    assert len(ours) == len(theirs)
    assert [(mine, wanted) for mine, wanted in zip(ours, theirs, strict=True) if not same(mine, wanted)] == []


def test_a_frozen_model_is_judged(keras_worker: KerasWorker) -> None:
    theirs = keras_worker.call("keras3", "steps:nothing_to_train")
    with pytest.warns(UserWarning, match="has no trainable weights that the loss depends on"):
        assert same(steps.nothing_to_train(kt), theirs)


def test_columns_of_validations_that_come_later(keras_worker: KerasWorker, tmp_path: Path) -> None:
    theirs = keras_worker.call("keras3", "steps:table", str(tmp_path / "keras.csv"))
    assert steps.table(kt, str(tmp_path / "ours.csv")) == theirs


def test_gradients_that_nobody_has_computed() -> None:
    layer = kt.layers.Dense(2)
    layer.build((None, 3))
    optimizer = kt.optimizers.SGD()
    with pytest.raises(ValueError, match=r"All gradients are None: call loss\.backward"):
        optimizer.apply([None, None], layer.trainable_weights)
    with pytest.raises(ValueError, match="apply: 1 gradient for 2 tensors"):
        optimizer.apply([None], layer.trainable_weights)


def test_an_optimizer_of_torch_for_another_model() -> None:
    x, y = steps.arrays()
    model, other = steps._model(kt), steps._model(kt)
    model.compile(torch.optim.SGD(other.parameters(), 0.1), "mse")
    with pytest.raises(ValueError, match="this SGD was made for other weights and would leave layers"):
        model.fit(x, y, verbose=0)
    model.compile(torch.optim.SGD(model.layers[1].parameters(), 0.1), "mse")  # a part of it, which somebody chose
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)] == [True] * 3 + [False] * 2


def test_an_optimizer_that_has_not_seen_a_layer() -> None:
    x, y = steps.arrays()
    model = steps._model(kt)
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.layers[
        0
    ].trainable = True  # Keras: unknown variables where it runs eagerly, not trained where it has compiled
    with pytest.raises(
        ValueError, match=r"would leave layers\.0\.weight_ih_l0, layers\.0\.weight_hh_l0, .* as they are"
    ):
        model.fit(x, y, verbose=0)
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    model.add(kt.layers.Dense(1))
    with pytest.raises(
        ValueError, match=r"would leave layers\.2\.weight, layers\.2\.bias as they are: compile with a new"
    ):
        model.fit(x, y, verbose=0)
