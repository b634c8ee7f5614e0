"""Layers that turn categories into indices or vectors, run with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

Case = tuple[str, dict[str, Any], Any, list[Any]]


def _called(layer: Any, x: Any) -> Any:
    """A layer's output; a tuple holds categories and what they count."""
    return layer(x[0], count_weights=x[1]) if isinstance(x, tuple) else layer(x)


def run(k: ModuleType, cases: dict[str, Case]) -> dict[str, Any]:
    """Of each case: the boundaries that were found, and the outputs.

    Args:
        k: Keras or kerastorch.
        cases: Label -> class, arguments, data to adapt it to (a tuple holds batches; None: none), inputs.
    """
    found: dict[str, Any] = {}
    for label, (name, config, data, inputs) in cases.items():
        layer = getattr(k.layers, name)(**config)
        if data is not None:
            layer.adapt(iter(data) if isinstance(data, tuple) else data)
        outputs = [np.asarray(_called(layer, x)) for x in inputs]
        boundaries = getattr(layer, "bin_boundaries", None)
        found[label] = (None if boundaries is None else list(map(float, boundaries)), outputs)
    return found


def refused(k: ModuleType, cases: dict[str, tuple[str, dict[str, Any], Any]]) -> dict[str, bool]:
    """Whether a case raises."""
    found = {}
    for label, (name, config, x) in cases.items():
        try:
            layer = getattr(k.layers, name)(**config)
            _called(layer, x)
            found[label] = False
        except Exception:  # noqa: BLE001 - of TensorFlow, too
            found[label] = True
    return found


NUMBERS = np.random.default_rng(4).normal(size=(60, 3)).astype("float32")
WORDS = np.array([["a", "bc"], ["", "the third"], ["bc", "a"]], dtype=object)


def _model(k: ModuleType) -> Any:
    values = np.random.default_rng(7)
    words, numbers = k.Input((2,), dtype="string", name="words"), k.Input((3,), name="numbers")
    kinds = k.Input((2,), dtype="int32", name="kinds")
    adapted = k.layers.Discretization(num_bins=5, name="adapted")
    adapted.adapt(NUMBERS)
    parts = [
        k.layers.Flatten()(k.layers.Embedding(6, 2, name="emb")(k.layers.Hashing(6, salt=3, name="hashed")(words))),
        k.layers.Hashing(4, mask_value="", output_mode="count", name="counted")(words),
        k.layers.Discretization([-1.0, 0.25], output_mode="multi_hot", name="given")(numbers),
        k.layers.CategoryEncoding(4, output_mode="count", name="encoded")(kinds),
        k.layers.CategoryEncoding(7, name="ranges")(adapted(numbers)),
    ]
    parts[0] = k.layers.Dense(3, name="first")(parts[0])
    model = k.Model([words, numbers, kinds], k.layers.Dense(2, name="last")(k.layers.Concatenate()(parts)))
    model.get_layer("emb").set_weights([values.normal(size=(6, 2)).astype("float32")])
    for name in ("first", "last"):
        shapes = [weight.shape for weight in model.get_layer(name).get_weights()]
        model.get_layer(name).set_weights([values.normal(size=shape).astype("float32") for shape in shapes])
    return model


def _inputs(k: ModuleType) -> list[Any]:
    arrays = [WORDS, NUMBERS[:3], np.array([[0, 3], [1, 1], [2, 0]], "int32")]
    if k.__name__ != "kerastorch":
        import tensorflow as tf

        return [tf.constant(array.tolist(), array.dtype if array.dtype != object else None) for array in arrays]
    return arrays


def write(k: ModuleType, paths: list[str]) -> np.ndarray:
    """Save a model with each of the layers; return what it computes."""
    model = _model(k)
    for path in paths:
        model.save(path)
    return outputs_of_model(k, model)


def outputs_of_model(k: ModuleType, model: Any) -> np.ndarray:
    """What a model computes."""
    found = model(_inputs(k))
    return np.asarray(found.detach() if hasattr(found, "detach") else found)


def outputs_of(k: ModuleType, paths: list[str]) -> list[np.ndarray]:
    """What saved models compute."""
    return [outputs_of_model(k, k.models.load_model(path)) for path in paths]
