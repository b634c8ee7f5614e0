"""Functions on symbolic tensors in real Keras: one small model for each, saved, with its outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .layers import flat

TIME, FEATURES = 5, 4


def cases(k: ModuleType) -> dict[str, Callable[..., Any]]:
    if k.__name__ == "keras":
        from .keras_operations import cases
    else:
        from .tensorflow_operations import cases
    return cases()


def names(k: ModuleType) -> list[str]:
    return list(cases(k))


def _model(k: ModuleType, case: Callable[..., Any]) -> Any:
    x, y = k.Input((TIME, FEATURES), name="x"), k.Input((TIME, FEATURES), name="y")
    ids = k.Input((TIME,), dtype="int32", name="ids")
    return k.Model([x, y, ids], flat(case(k, x, y, ids)))


def _shape(shape: Any) -> tuple[int | None, ...] | None:
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def run(k: ModuleType, name: str, folder: str, inputs: list[np.ndarray]) -> dict[str, Any]:
    """Save the model of a case as `name.keras` and `name.h5`; its outputs, their shapes and dtypes, and gradients.

    `unwritten` says which of the two files Keras itself cannot write.
    """
    import tensorflow as tf

    model = _model(k, cases(k)[name])
    unwritten = []
    for ending in ("keras", "h5"):
        try:
            model.save(f"{folder}/{name}.{ending}")
        except TypeError:  # a slice or an Ellipsis, which tf.keras does not write everywhere
            unwritten.append(ending)
    values = [tf.constant(value) for value in inputs]
    outputs = flat(model(values, training=False))
    floating = [index for index, output in enumerate(outputs) if output.dtype.is_floating]
    rng = np.random.default_rng(6)
    upstream = [rng.normal(size=outputs[index].shape) for index in floating]
    with tf.GradientTape() as tape:
        tape.watch(values[:2])
        found = flat(model(values, training=False))
        total = sum(
            tf.reduce_sum(tf.cast(found[index], tf.float64) * weight)
            for index, weight in zip(floating, upstream, strict=True)
        )
    gradients = tape.gradient(total, values[:2]) if floating else [None, None]
    return {
        "outputs": [np.asarray(output) for output in outputs],
        "shapes": [_shape(output.shape) for output in model.outputs],
        "dtypes": [getattr(output.dtype, "name", output.dtype) for output in model.outputs],
        "unwritten": unwritten,
        "floating": floating,
        "upstream": upstream,
        "grads": [None if gradient is None else np.asarray(gradient) for gradient in gradients],
    }


def signatures(k: ModuleType, names: list[str]) -> dict[str, list[tuple[str, Any]]]:
    """For each function of keras.ops its arguments in order, each with its default ("required" if it has none)."""
    import inspect

    def default(parameter: inspect.Parameter) -> Any:
        return "required" if parameter.default is parameter.empty else parameter.default

    return {
        name: [(key, default(value)) for key, value in inspect.signature(getattr(k.ops, name)).parameters.items()]
        for name in names
    }
