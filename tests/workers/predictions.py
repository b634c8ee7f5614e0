"""What real Keras predicts with a model that it opens from a file."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def predictions(k: ModuleType, path: str, inputs: Any) -> list[np.ndarray]:
    """The outputs, one after the other, of `predict` on a list or dict of arrays."""
    from tensorflow import nest

    model = k.models.load_model(path, compile=False)
    given = inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else inputs
    return nest.flatten(model.predict(given, verbose=0))
