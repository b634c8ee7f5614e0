"""Models of ragged inputs in tf.keras: those that take padded tensors with a mask elsewhere."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import random_weights, weight_names

LENGTHS = (4, 1, 6)


def write(k: ModuleType, form: str, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Save a model; return padded inputs, their mask, and the outputs (padded with zeros where there are steps)."""
    lay, words = k.layers, form.startswith("words")
    sequences = {"return_sequences": True}
    layers: dict[str, list[Any]] = {
        "lstm": [lay.LSTM(3)],
        "gru": [lay.GRU(3, **sequences), lay.SimpleRNN(2)],
        "rnn": [lay.SimpleRNN(3, **sequences)],
        "bidirectional": [lay.Bidirectional(lay.LSTM(2, **sequences)), lay.Bidirectional(lay.GRU(2))],
        "steps": [lay.TimeDistributed(lay.Dense(3)), lay.LSTM(3)],
        "mean": [lay.TimeDistributed(lay.Dense(3)), lay.GlobalAveragePooling1D()],
        "words": [lay.Embedding(9, 3), lay.LSTM(3), lay.Dense(2)],
        "words mean": [lay.Embedding(9, 3), lay.GlobalAveragePooling1D()],
        "dropout": [lay.Dropout(0.5), lay.LSTM(3)],
        "activation": [lay.Activation("tanh"), lay.LSTM(3)],
    }
    x = value = k.Input((None,) if words else (None, 3), ragged=True, dtype="int32" if words else "float32")
    for layer in layers[form]:
        value = layer(value)
    model = k.Sequential([x, *layers[form]]) if form == "lstm" else k.Model(x, value)
    model.set_weights(random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 3))
    padded = data(words)
    mask = np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]
    model.save(path)
    return padded, mask, outputs(model, padded)


def data(words: bool) -> np.ndarray:
    """Padded inputs."""
    random = np.random.default_rng(2)
    shape = (len(LENGTHS), max(LENGTHS)) if words else (len(LENGTHS), max(LENGTHS), 3)
    return random.integers(1, 9, shape).astype("int32") if words else random.normal(size=shape).astype("float32")


def outputs(model: Any, padded: np.ndarray) -> np.ndarray:
    """What a model makes of the rows up to their ends."""
    import tensorflow as tf

    ragged: Any = tf.RaggedTensor
    output: Any = model(ragged.from_tensor(padded, lengths=LENGTHS))
    return np.asarray(output.to_tensor() if isinstance(output, ragged) else output)


def run(k: ModuleType, path: str, padded: np.ndarray) -> np.ndarray:
    """The outputs of a saved model."""
    return outputs(k.models.load_model(path), padded)
