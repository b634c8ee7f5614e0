"""Models that take text, and what Keras computes of it."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import random_weights, weight_names

WORDS = ["the", "cat", "sat", "on", "a", "mat"]
TEXTS = ["the cat sat", "a mat on the cat", "unknown cat"]


def write(k: ModuleType, form: str, path: str) -> tuple[Any, Any]:
    """Save a model of text; return the word ids and the outputs."""
    import tensorflow as tf

    options: dict[str, Any] = {"output_sequence_length": 6} if form == "fixed" else {}
    if form == "counts":
        options = {"output_mode": "multi_hot", "pad_to_max_tokens": True, "max_tokens": 9}
    vectorize = k.layers.TextVectorization(name="tv", vocabulary=WORDS, **options)
    last = k.layers.Dense(2, name="last")
    behind = [k.layers.Embedding(9, 3, mask_zero=True, name="emb"), k.layers.GRU(4, name="gru"), last]
    if form == "fixed":
        behind = [k.layers.Embedding(9, 3, name="emb"), k.layers.Flatten(name="flat"), last]
    if form == "counts":
        behind = [last]
    text = k.Input((1,), dtype="string", name="text")
    if form == "chain":
        model = k.Sequential([text, vectorize, *behind])
    elif form == "nested":
        inside = k.Input((1,), dtype="string", name="inside")
        ids = k.Model(inside, vectorize(inside), name="words")(text)
        model = k.Model(text, behind[2](behind[1](behind[0](ids))))
    else:
        value = vectorize(text)
        for layer in behind:
            value = layer(value)
        model = k.Model(text, value)
    trained = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
    model.set_weights(random_weights(trained, 3))
    data = tf.constant([[one] for one in TEXTS])
    ids = np.asarray(vectorize(data))
    model.save(path)
    return ids, np.asarray(model(data))


def outputs_of(k: ModuleType, paths: list[str], inputs: Any) -> list[np.ndarray]:
    """What saved models compute of word ids."""
    return [np.asarray(k.models.load_model(path)(inputs)) for path in paths]


def write_own(k: ModuleType, folder: str) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Save a model with two layers of a class of somebody's own between others, whole and its weights alone."""

    class Twice(k.layers.Dense):  # type: ignore[name-defined]
        pass

    model = k.Sequential(
        [
            k.Input((5, 3)),
            k.layers.Dense(4, name="before"),
            Twice(4, activation="tanh", name="one"),
            k.layers.LSTM(3, name="middle"),
            Twice(2, name="two"),
            k.layers.Dense(2, name="behind"),
        ],
        name="own",
    )
    trained = list(zip(weight_names(model.weights), model.get_weights(), strict=True))
    model.set_weights(random_weights(trained, 3))
    model.save(f"{folder}/own.keras")
    model.save(f"{folder}/own.h5")
    model.save_weights(f"{folder}/own.weights.h5")
    x = np.random.default_rng(2).normal(size=(2, 5, 3)).astype("float32")
    return x, np.asarray(model(x)), model.get_weights()


def read_own(k: ModuleType, path: str) -> list[np.ndarray]:
    """The weights of a file in the model of `write_own`."""

    class Twice(k.layers.Dense):  # type: ignore[name-defined]
        pass

    folder = path.rpartition("/")[0]
    model = k.models.load_model(f"{folder}/own.keras", custom_objects={"Twice": Twice})
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    model.load_weights(path)
    return model.get_weights()
