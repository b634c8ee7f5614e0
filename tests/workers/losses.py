"""Losses of real Keras: their values, and the gradients of what is predicted."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def run(k: ModuleType, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each case the loss, and the gradient of its sum."""
    import tensorflow as tf

    results = []
    for case in cases:
        loss = getattr(k.losses, case["name"])(**case.get("config", {}))
        y_pred = tf.Variable(case["y_pred"])
        with tf.GradientTape() as tape:
            predicted = tf.identity(y_pred)
            if case.get("mask") is not None:
                predicted._keras_mask = tf.constant(case["mask"])
            value = loss(tf.constant(case["y_true"]), predicted, sample_weight=case.get("sample_weight"))
            total = tf.reduce_sum(value)
        results.append({"value": np.array(value), "gradient": np.array(tape.gradient(total, y_pred))})
    return results


def names(k: ModuleType, given: list[str]) -> list[str]:
    """What `get` makes of each name: the name of a function or class."""
    found = [k.losses.get(name) for name in given]
    return [getattr(item, "__name__", type(item).__name__) for item in found]
