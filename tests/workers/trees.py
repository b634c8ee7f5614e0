"""The state of a whole model as a tree, run with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

X = np.random.default_rng(1).normal(size=(6, 4, 3)).astype("float32")
Y = np.random.default_rng(2).normal(size=(6, 2)).astype("float32")


def model_of(k: ModuleType) -> Any:
    """A small model, not compiled."""
    return k.Sequential(
        [
            k.Input((4, 3), name="x"),
            k.layers.LSTM(5, name="lstm"),
            k.layers.BatchNormalization(name="norm"),
            k.layers.Dense(2, name="out"),
        ],
        name="whole",
    )


def trained(k: ModuleType, optimizer: str, weights: list[np.ndarray], steps: int) -> Any:
    """A model after some steps."""
    model = model_of(k)
    model.set_weights(weights)
    model.compile(getattr(k.optimizers, optimizer)(0.01), "mse", metrics=[k.metrics.MeanAbsoluteError()])
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return model


def tree_and_after(k: ModuleType, optimizer: str, weights: list[np.ndarray]) -> tuple[Any, Any, list[np.ndarray]]:
    """The tree and the compile config after two steps, and the weights after a third one."""
    model = trained(k, optimizer, weights, 2)
    tree, config = model.get_state_tree(value_format="numpy_array"), model.get_compile_config()
    model.train_on_batch(X, Y)
    return tree, config, model.get_weights()


def after(k: ModuleType, config: dict[str, Any], tree: dict[str, Any]) -> list[np.ndarray]:
    """The weights after one step from a state."""
    model = model_of(k)
    model.compile_from_config(config)
    model.optimizer.build(model.trainable_variables)
    model.set_state_tree({key: tree[key] for key in tree if key != "metrics_variables"})
    model.train_on_batch(X, Y)
    return model.get_weights()
