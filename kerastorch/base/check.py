"""Checks of arguments that come from people and from files: the type that Keras means, and nothing near it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._serial import read_value
from ..errors import ArgumentError, did_you_mean, quote

_MOST = 1 << 60  # more than any memory holds, and safe in torch's own arithmetic


def integer(name: str, value: Any, least: int | None = None) -> int:
    """An int that is not a bool, at least `least`."""
    bound = "" if least is None else f" >= {least}"
    if isinstance(value, bool) or not hasattr(value, "__index__") or (least is not None and int(value) < least):
        raise ArgumentError(f"{name}: expected an integer{bound}, got {quote(value)}.")
    return int(value)


def size(name: str, value: Any, least: int | None, most: int = _MOST) -> int:
    """An integer that can be the size of a tensor, or count from its end."""
    found = integer(name, value, least)
    if type(found) is int and abs(found) > most:
        raise ArgumentError(f"{name}: expected a size that a memory holds, got {quote(value)}.")
    return found


def positive(name: str, value: Any) -> int:
    return size(name, value, 1)


def boolean(name: str, value: Any) -> bool:
    if value not in (True, False) or isinstance(value, float):
        raise ArgumentError(f"{name}: expected True or False, got {quote(value)}.")
    return bool(value)


def number(name: str, value: Any) -> float:
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        raise ArgumentError(f"{name}: expected a number, got {quote(value)}.")
    return float(value)


def least_zero(name: str, value: Any) -> float:
    found = number(name, value)
    if not found >= 0:
        raise ArgumentError(f"{name}: expected a number >= 0, got {quote(value)}.")
    return found


def numbers(name: str, value: Any) -> Any:
    """A number, or an array of them as nested lists."""
    found = value if isinstance(value, (bool, str)) else read_value(value)
    return found.astype("float64").tolist() if isinstance(found, np.ndarray) else number(name, found)


def rate(name: str, value: Any) -> float:
    """A dropout rate."""
    found = number(name, value)
    if not 0.0 <= found <= 1.0:
        raise ArgumentError(f"{name}: expected a fraction between 0 and 1, got {quote(value)}.")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def initializer(layer: Any, name: str, asking: str) -> Any:
    """An initializer of a layer that another argument of it asks for values: None, Keras's choice by dtype, gives none.

    Args:
        layer: The layer.
        name: The argument.
        asking: The other argument.
    """
    found = getattr(layer, name)
    if found is None:
        raise ArgumentError(
            f"{type(layer).__name__} {layer.name!r}: {name} is None, but {asking} needs its values; give one."
        )
    return found


def one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if not any(value is item or (type(value) is type(item) and value == item) for item in allowed):
        near = did_you_mean(value, filter(_is_text, allowed)) if isinstance(value, str) else ""
        raise ArgumentError(f"{name}: expected one of {list(allowed)}, got {quote(value)}.{near}")
    return value


def integers(name: str, value: Any, least: int | None = None, most: int = _MOST) -> tuple[int, ...]:
    if isinstance(value, (str, dict)) or not hasattr(value, "__iter__"):
        raise ArgumentError(f"{name}: expected a sequence of integers, got {quote(value)}.")
    return tuple(size(f"{name}[{i}]", item, least, most) for i, item in enumerate(value))


def arrays(name: str, value: Any) -> list[Tensor]:
    """Arrays of numbers, as tensors."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise ArgumentError(f"{name}: expected a list of arrays, got {quote(value)}.")
    return [item if isinstance(item, Tensor) else _array(name, item) for item in value]


def _array(name: str, value: Any) -> Tensor:
    try:
        return torch.from_numpy(np.array(value))
    except (TypeError, ValueError) as error:  # text, objects, rows of several lengths
        raise ArgumentError(f"{name}: expected arrays of numbers, got {quote(value)}.") from error


def shape(name: str, value: Any, least: int = 0) -> tuple[int | None, ...]:
    """A Keras shape: integers >= `least`, and None where the size is not known."""
    if isinstance(value, (str, dict)) or not hasattr(value, "__iter__"):
        raise ArgumentError(f"{name}: expected a tuple such as (None, 20, 5), got {quote(value)}.")
    return tuple(None if item is None else size(f"{name}[{i}]", item, least) for i, item in enumerate(value))


def declared_shape(
    batched: Any, batch_size: Any, input_shape: Any, features: Any, steps: Any, over_time: bool
) -> tuple[int | None, ...] | None:
    """The input shape that a layer's arguments state, in any of Keras's ways; None if they state none."""
    if batched is not None:
        return shape("batch_input_shape", batched)
    if input_shape is None and features is not None:
        size = positive("input_dim", features)
        input_shape = (steps, size) if over_time or steps is not None else (size,)
    return None if input_shape is None else shape("input_shape", (batch_size, *shape("input_shape", input_shape)))
