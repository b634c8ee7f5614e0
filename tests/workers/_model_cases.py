"""The table of what Keras code does with models, and what the cases share.

Each case takes a framework and an empty directory, and returns plain values and arrays. Its name is the key of `CASES`.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

TIME, FEATURES = 5, 3

Case = Callable[[Any, str], Any]
CASES: dict[str, Case] = {}
KERAS_2: list[str] = []  # those that Keras 2 runs as well


def case(function: Case) -> Case:
    """Put a case into the table."""
    CASES[function.__name__] = function
    return function


def both(function: Case) -> Case:
    """A case of Keras 3 and of Keras 2."""
    KERAS_2.append(function.__name__)
    return case(function)


def run(k: ModuleType, name: str) -> Any:
    """What a case returns, or which built-in classes of errors its error is of."""
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        return CASES[name](k, directory)


def load(k: Any, *args: Any, **kwargs: Any) -> Any:
    return (getattr(k, "load_model", None) or k.models.load_model)(*args, **kwargs)


def data(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def value(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor)


def fill(model: Any, seed: int = 5) -> Any:
    """Random distinct values in every weight."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=array.shape).astype("float32") * 0.4 for array in model.get_weights()])
    return model


def recurrent(k: Any) -> Any:
    return fill(
        k.Sequential(
            [
                k.Input((TIME, FEATURES)),
                k.layers.LSTM(4, return_sequences=True, name="lstm"),
                k.layers.Dropout(0.2, name="drop"),
                k.layers.GRU(3, name="gru"),
                k.layers.Dense(2, name="head"),
            ],
            name="net",
        )
    )
