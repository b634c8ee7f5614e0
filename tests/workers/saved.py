"""Files that kerastorch wrote, opened by real Keras."""

from __future__ import annotations

import gc
from types import ModuleType
from typing import Any

import numpy as np

from .weights import flat


def run(
    k: ModuleType,
    path: str,
    inputs: list[np.ndarray],
    weights: str | None = None,
    text: str | None = None,
    compute: bool = True,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The outputs and the weights of a model file.

    Args:
        k: Keras.
        path: The model; not looked at if there is a `text`.
        inputs: Of the model.
        weights: A file of weights that go into the model.
        text: The model's JSON.
        compute: Whether the model is run.
    """
    models = k.models
    model = models.load_model(path, compile=False) if text is None else models.model_from_json(text)
    if weights is not None:
        model.load_weights(weights)
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False) if compute else []
    found = [np.asarray(output) for output in flat(outputs)]
    return found, [np.asarray(weight) for weight in model.get_weights()]


def predict(k: ModuleType, path: str, cases: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """`predict` of a model file for each list of inputs; a stateful model starts anew each time."""
    found = []
    for inputs in cases:
        model = _load(k, path)
        size = model.inputs[0].shape[0] or 32
        outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0, batch_size=size)
        found.append([np.asarray(y) for y in flat(outputs)])
    return found


def _load(k: ModuleType, path: str) -> Any:
    try:
        return k.models.load_model(path, compile=False)
    except ValueError as error:
        # Keras tells objects in a file apart by their addresses, which come again when one of them is gone.
        if "go_backwards" not in str(error):
            raise
        gc.collect()
        return k.models.load_model(path, compile=False)
