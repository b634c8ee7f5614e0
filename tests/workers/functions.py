"""Activations, initializers, regularizers and constraints of real Keras, called on numpy arrays."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np


def activation(
    keras: Any, name: str, x: np.ndarray, upstream: np.ndarray, arguments: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The value at x, and the gradient of sum(value * upstream)."""
    import tensorflow as tf

    function = keras.activations.get(name)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x, **arguments)
        loss = tf.reduce_sum(y * upstream)
    return y.numpy(), tape.gradient(loss, x).numpy()


def regularizer(keras: Any, config: dict[str, Any], w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The penalty of w and its gradient."""
    import tensorflow as tf

    made = keras.regularizers.deserialize(config)
    w = tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch(w)
        penalty = made(w)
    return np.asarray(penalty), np.asarray(tape.gradient(penalty, w))


def constraint(keras: Any, config: dict[str, Any], w: np.ndarray) -> np.ndarray:
    return np.asarray(keras.constraints.deserialize(config)(w))


def initializer(keras: Any, config: dict[str, Any], shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.asarray(keras.initializers.deserialize(config)(shape, dtype=dtype))


def reserialized(keras: Any, kind: str, config: dict[str, Any]) -> Any:
    """What Keras writes for the object that it reads from `config`."""
    module = getattr(keras, kind)
    return module.serialize(module.deserialize(config))


def names(keras: Any, kind: str) -> list[str]:
    """Every spelling that Keras 3 takes."""
    return sorted(importlib.import_module(f"keras.src.{kind}").ALL_OBJECTS_DICT)
