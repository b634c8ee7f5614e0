"""Pickles with faults in them, of a config beside its arrays, and of the dict that Keras 2.2.3 to 2.3.1 pickle."""

from __future__ import annotations

import functools
import json
import pickle
import random
import zlib
from typing import Any

import numpy as np

import kerastorch as kt
from kerastorch import layers
from kerastorch.saving import to_json

from .bytes_of import wrong_bytes


@functools.cache
def pickles() -> tuple[bytes, ...]:
    """Whole ones, of each protocol."""
    model = kt.Sequential(
        [kt.Input((3, 2)), layers.GRU(2, reset_after=False, name="gru"), layers.Dense(1, name="dense")]
    )
    text, arrays = to_json(model, dialect="keras2"), model.get_weights()
    weights: dict[str, Any] = {"_is_group": True, "layer_names": [b"gru", b"dense"]}
    for layer in model.layers:
        names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
        weights[layer.name] = {"weight_names": [name.encode() for name in names]}
        for name, variable in zip(names, layer.weights, strict=True):
            weights[layer.name][name] = pickle.dumps(variable.numpy(), 2)
    config = json.loads(text)
    boxed = {"model_config": json.dumps(config).encode(), "keras_version": b"2.2.4", "model_weights": weights}
    columns = [np.asfortranarray(array) for array in arrays]
    whole = [(text, arrays), {"a": text.encode(), "b": columns}, boxed]
    return tuple(pickle.dumps(value, protocol) for value in whole for protocol in range(6))


def wrong_pickle(rng: random.Random) -> bytes:
    """A pickle with faults; sometimes packed as joblib packs it."""
    content = wrong_bytes(rng.choice(pickles()), rng)
    return zlib.compress(content) if rng.random() < 0.1 else content
