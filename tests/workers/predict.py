"""What `keras.Model.predict` returns for data that comes in different ways."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from .layers import flat
from .models import build


def pairs(inputs: list[np.ndarray], size: int, several: bool) -> Iterator[tuple[Any, ...]]:
    """A generator of (x, y), where y is not looked at."""
    for start in range(0, len(inputs[0]), size):
        part = tuple(array[start : start + size] for array in inputs)
        yield (part if several else part[0]), np.zeros((len(part[0]), 1), "float32")


def run_predict(
    k: ModuleType, builder: str, inputs: list[np.ndarray], way: str, options: dict[str, Any], calls: int = 1
) -> dict[str, Any]:
    """The outputs of `predict`, of the last call of some.

    Args:
        way: "array", "list", "tuple", "dict" (of `two_in_two_out`), or "generator" (of batches of four).
    """
    model, weights = build(k, builder)
    given: Any = {
        "array": lambda: inputs[0],
        "list": lambda: list(inputs),
        "tuple": lambda: tuple(inputs),
        "dict": lambda: dict(zip(("words", "numbers"), inputs, strict=True)),
        "generator": lambda: pairs(inputs, 4, several=len(inputs) > 1),
    }[way]
    for _ in range(calls):
        outputs = model.predict(given(), verbose=0, **options)
    return {"json": model.to_json(), "weights": weights, "outputs": flat(outputs)}
