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


def outputs_of_texts(k: ModuleType, paths: list[str], inputs: Any = None) -> list[np.ndarray]:
    """What saved models compute of texts, or of integers."""
    import tensorflow as tf

    data = tf.constant([[one] for one in TEXTS] if inputs is None else inputs.tolist())
    return [np.asarray(k.models.load_model(path)(data)) for path in paths]


def write_adapted(k: ModuleType, folder: str, cases: dict[str, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """Save models whose words were found in data; return texts, and of each the words and the outputs."""
    import tensorflow as tf

    texts = np.array([["the cat x"], ["mat The! cat"], [""]])
    found = {}
    for number, (label, options) in enumerate(cases.items()):
        vectorize = k.layers.TextVectorization(name="tv", **options)
        vectorize.adapt(["the cat sat", "on the mat, the end", "cat"])
        text = k.Input((1,), dtype="string", name="text")
        ids = vectorize(text)
        if options.get("output_mode", "int") == "int":
            ids = k.layers.LSTM(2, name="lstm")(k.layers.Embedding(40, 3, name="emb")(ids))
        model = k.Model(text, k.layers.Dense(2, name="last")(ids))
        values = np.random.default_rng(number)
        for weight in model.trainable_weights:
            weight.assign(values.normal(size=tuple(weight.shape)).astype("float32"))
        model.save(f"{folder}/{label}.keras")
        found[label] = (vectorize.get_vocabulary(), np.asarray(model(tf.constant(texts.tolist()))))
    return texts, found


def write_integers(k: ModuleType, path: str) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Save a model that looks integers up, two of them in a model within it; return integers, words and outputs."""
    import tensorflow as tf

    numbers = np.array([[5, 1, 9], [7, 2, 3]])
    found = k.layers.IntegerLookup(num_oov_indices=2, name="il")
    found.adapt(np.array([[5, 7], [9, 5]]))
    inside = k.Input((3,), dtype="int64", name="inside")
    again = k.layers.IntegerLookup(vocabulary=[2, 3], name="again")
    inner = k.Model(inside, again(found(inside)), name="inner")
    whole = k.Input((3,), dtype="int64", name="whole")
    other = k.layers.IntegerLookup(name="other")
    other.adapt(np.array([[1, 2], [2, 3]]))
    tables = [k.layers.Embedding(9, 3, name=f"emb{number}") for number in range(2)]
    parts = [tables[0](inner(whole)), tables[1](other(whole))]
    model = k.Model(whole, k.layers.GRU(2, name="gru")(k.layers.Concatenate(name="both")(parts)))
    for number, weight in enumerate(model.trainable_weights):
        values = np.random.default_rng(number)
        weight.assign(values.normal(size=tuple(weight.shape)).astype("float32"))
    model.save(path)
    words = [int(word) for word in found.get_vocabulary()]
    return numbers, words, np.asarray(model(tf.constant(numbers.tolist(), "int64")))


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
