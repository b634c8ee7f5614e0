"""A layer of a person's own that is called with several tensors, in every form, in a model that is saved."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import random_weights, weight_names


def write(k: ModuleType, form: str, path: str, inputs: list[np.ndarray]) -> np.ndarray:
    """Save a model that calls the layer in a form, and return what Keras computes."""

    class Loss(k.layers.Layer):
        def call(self, labels: Any, y_pred: Any, weight: Any = None, scale: float = 2.0) -> Any:
            difference = labels - scale * y_pred
            return difference if weight is None else difference * weight

    labels, features, weight = (k.Input((3,), name=name) for name in ("labels", "features", "weight"))
    y_pred, layer = k.layers.Dense(3, name="dense")(features), Loss(name="loss")
    made = {
        "positions": lambda: layer(labels, y_pred),
        "second by name": lambda: layer(labels, y_pred=y_pred),
        "names": lambda: layer(y_pred=y_pred, labels=labels),
        "three": lambda: layer(labels, y_pred, weight),
        "option": lambda: layer(labels, y_pred, scale=3.0),
    }[form]()
    model = k.Model([labels, features, weight], made if form == "three" else made + 0.0 * weight)
    model.set_weights(random_weights(list(zip(weight_names(model.weights), model.get_weights(), strict=True)), 3))
    model.save(path)
    return np.asarray(model(inputs))
