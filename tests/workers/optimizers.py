"""Optimizers of real Keras, given their gradients, and its schedules."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def _optimizer(k: ModuleType, name: str, config: dict[str, Any]) -> Any:
    home = k.optimizers
    if name.startswith("legacy."):
        home, name = k.optimizers.legacy, name.removeprefix("legacy.")
    if "inner_optimizer" in config:
        config = {**config, "inner_optimizer": _optimizer(k, *config["inner_optimizer"])}
    if isinstance(config.get("learning_rate"), (tuple, list)):
        schedule, arguments = config["learning_rate"]
        config = {**config, "learning_rate": getattr(k.optimizers.schedules, schedule)(**arguments)}
    return getattr(home, name)(**config)


def run(
    k: ModuleType, cases: list[tuple[str, dict[str, Any]]], start: list[np.ndarray], steps: list[list[np.ndarray]]
) -> list[dict[str, Any]]:
    """Of each case: the weights after each step, after `finalize_variable_values`, and the config."""
    import tensorflow as tf

    results = []
    for name, config in cases:
        optimizer = _optimizer(k, name, config)
        weights = [
            k.Variable(array, name=f"weight_{at}") if k.__name__ == "keras" else tf.Variable(array, name=f"weight_{at}")
            for at, array in enumerate(start)
        ]
        path = []
        for grads in steps:
            tensors = [None if grad is None else tf.constant(grad) for grad in grads]
            optimizer.apply_gradients(list(zip(tensors, weights, strict=True)))
            path.append([np.array(weight) for weight in weights])
        final = None
        if config.get("use_ema"):
            optimizer.finalize_variable_values(weights)
            final = [np.array(weight) for weight in weights]
        # Keras keeps a list as one of its own class, which no other process reads.
        config = {key: [*value] if isinstance(value, list) else value for key, value in optimizer.get_config().items()}
        results.append({"path": path, "final": final, "config": config})
    return results


def rates(k: ModuleType, cases: list[tuple[str, dict[str, Any]]], steps: list[int]) -> list[list[float]]:
    """The learning rates of each schedule at each step."""
    made = [getattr(k.optimizers.schedules, name)(**arguments) for name, arguments in cases]
    return [[float(np.array(schedule(step))) for step in steps] for schedule in made]


def trained_model(k: ModuleType, name: str, config: dict[str, Any]) -> Any:
    """A small recurrent model after two steps with an optimizer, from given weights."""
    k.backend.clear_session()  # Keras numbers variables without a name of their own through the whole process
    layers = [k.Input((4, 3)), k.layers.GRU(2, name="gru"), k.layers.Dense(1, name="dense")]
    model, rng = k.Sequential(layers, name="net"), np.random.default_rng(5)
    model.set_weights([0.5 * rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    model.compile(getattr(k.optimizers, name)(**config), "mse")
    if name == "ScheduleFreeAdamW":  # which in `fit` Keras on TensorFlow starts from zeros, and so loses the weights
        model.optimizer.build(model.trainable_variables)
    x, y = rng.normal(size=(4, 4, 3)).astype("float32"), rng.normal(size=(4, 1)).astype("float32")
    model.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    return model


def variables(k: ModuleType, name: str, config: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Names, shapes and values of the variables of an optimizer, before it is built and after two steps."""

    def listed(optimizer: Any) -> list[Any]:
        return [(v.name, v.path, tuple(v.shape), np.asarray(v.numpy())) for v in optimizer.variables]

    return listed(getattr(k.optimizers, name)(**config)), listed(trained_model(k, name, config).optimizer)
