"""Metrics of real Keras over a few batches."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def run(k: ModuleType, cases: list[dict[str, Any]]) -> list[list[np.ndarray]]:
    """Of each case the result after each batch."""
    import tensorflow as tf

    results = []
    for case in cases:
        metric = getattr(k.metrics, case["name"])(**case.get("config", {}))
        found = []
        for batch in case["batches"]:
            given = [tf.constant(array) for array in batch["values"]]
            if batch.get("mask") is not None:
                given[-1]._keras_mask = tf.constant(batch["mask"])
            metric.update_state(*given, sample_weight=batch.get("sample_weight"))
            found.append(np.array(metric.result()))
        results.append(found)
    return results


def names(k: ModuleType, given: list[str]) -> list[str]:
    """The class of what `get` makes of each name."""
    return [type(k.metrics.get(name)).__name__ for name in given]


def variables(k: ModuleType, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Names and shapes of what metrics gather in, before and after their first batch, and what is in it then."""
    import tensorflow as tf

    def shown(metric: Any) -> list[tuple[str, tuple[int, ...]]]:
        return [(item.name, tuple(item.shape)) for item in metric.variables]

    found = []
    for case in cases:
        metric = getattr(k.metrics, case["name"])(**case.get("config", {}))
        before = shown(metric)
        metric.update_state(*[tf.constant(array) for array in case["batches"][0]["values"]])
        values = [np.array(item.value) for item in metric.variables]
        found.append({"before": before, "after": shown(metric), "values": values})
    return found
