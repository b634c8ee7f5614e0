"""Trainings of real Keras that are saved on their way, and such that go on from a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from .optimizers import _optimizer

Case = tuple[str, dict[str, Any]]


def small(k: ModuleType) -> Any:
    lay = k.layers
    x = k.Input((2, 3), name="x")
    y = lay.GRU(4, unroll=True, name="gru")(x)
    return k.Model(x, lay.Dense(2, name="dense")(y))


def layouts(k: ModuleType) -> Any:
    """Layers whose weights torch lays out otherwise, in models inside; a frozen one, and one of statistics."""
    lay = k.layers
    x = k.Input((2, 3), name="x")
    inner = k.Sequential([k.Input((2, 4)), lay.Bidirectional(lay.LSTM(3, unroll=True)), lay.BatchNormalization()])
    y = lay.Conv1D(4, 2, padding="same", trainable=False)(x)
    y = lay.GRU(4, return_sequences=True, reset_after=False, unroll=True)(lay.Conv1D(4, 2, padding="same")(y))
    return k.Model(x, lay.Dense(2, name="dense")(inner(y)))


def _train(model: Any, x: np.ndarray, y: np.ndarray, steps: int) -> None:
    for _ in range(steps):
        model.train_on_batch(x, y)


def train(
    k: ModuleType,
    name: str,
    case: Case,
    path: str,
    endings: Sequence[str],
    x: np.ndarray,
    y: np.ndarray,
    counts: tuple[int, int],
) -> dict[str, Any]:
    """Train for some steps, save, and train on: the weights at the save and at the end."""
    k.utils.set_random_seed(3)
    made = globals()[name](k)
    # Keras 3 does not open an .h5 file with the short name.
    made.compile(optimizer=_optimizer(k, *case), loss="mean_squared_error", run_eagerly=True)
    if case[0] == "ScheduleFreeAdamW":  # which Keras on TensorFlow starts from zeros where a step builds it
        made.optimizer.build(made.trainable_variables)
    _train(made, x, y, counts[0])
    for ending in endings:
        made.save(f"{path}{ending}")
    before = made.get_weights()
    _train(made, x, y, counts[1])
    return {"before": before, "after": made.get_weights()}


def go_on(
    k: ModuleType, paths: Sequence[str], x: np.ndarray, y: np.ndarray, steps: int
) -> tuple[list[np.ndarray], list[tuple[Any, ...]]]:
    """Open files of one training, and train on from the last: its weights at the end, and the optimizer in each.

    An optimizer is its config and its variables; those of the same one go on alike.
    """
    found = []
    for path in paths:
        made = k.models.load_model(path)
        made.run_eagerly = True
        if k.__name__ == "keras" and path.endswith(".h5"):
            _set_state(k, made, path)
        optimizer = made.optimizer
        variables = optimizer.weights if hasattr(optimizer, "get_weights") else optimizer.variables
        variables = variables() if callable(variables) else variables
        # Keras keeps a list as one of its own class, which no other process reads.
        found.append((repr(optimizer.get_config()), [np.array(variable) for variable in variables]))
    _train(made, x, y, steps)
    return made.get_weights(), found


def _set_state(k: ModuleType, made: Any, path: str) -> None:
    """What Keras 3 means to do with the state in an .h5 file: it builds the optimizer with none of the weights."""
    import h5py

    with h5py.File(path) as file:
        config = json.loads(file.attrs["training_config"])["optimizer_config"]
        group = file["optimizer_weights"]
        arrays = [group[name][()] for name in group.attrs["weight_names"]]
    optimizer = k.optimizers.deserialize(config)
    optimizer.build(made.trainable_variables)
    assert [variable.shape for variable in optimizer.variables] == [array.shape for array in arrays]
    for variable, array in zip(optimizer.variables, arrays, strict=True):
        variable.assign(array)
    made.compile(optimizer=optimizer, loss="mean_squared_error", run_eagerly=True)
