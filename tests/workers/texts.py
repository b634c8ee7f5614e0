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
