"""The arguments of an operation: plain values, slices, arrays, places for tensors; and their form in configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._serial import plain, read_value
from ..dtypes import dtype_name
from ..errors import ArgumentError, quote
from ..structure import like


@dataclass(frozen=True)
class Place:
    """Where the tensor of this number goes, among those that the operation is called on."""

    index: int


def map_arguments(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to what stands in nested lists, tuples, dicts and slices."""
    if isinstance(value, (list, tuple)):
        return like(value, (map_arguments(function, item) for item in value))
    if isinstance(value, dict):
        return {key: map_arguments(function, item) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(map_arguments(function, bound) for bound in (value.start, value.stop, value.step)))
    return function(value)


def argument_leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    map_arguments(found.append, value)
    return found


def encode(value: Any) -> Any:
    """As it stands in a config, in Keras 3's form where Keras has one."""
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, slice):
        bounds = {key: encode(getattr(value, key)) for key in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": bounds}
    if value is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, Place):
        return {"class_name": "__input__", "config": value.index}
    if isinstance(value, torch.dtype):
        return dtype_name(value)
    return plain(value)


def decode(value: Any) -> Any:
    """The values that `encode` wrote; what is not encoded stays as it is, tensors become arrays."""
    if isinstance(value, (list, tuple)):
        return [decode(item) for item in value]
    if isinstance(value, (Tensor, np.generic, np.ndarray)):
        return read_value(value)
    if not isinstance(value, Mapping):
        return value
    kind, config = value.get("class_name"), value.get("config")
    if kind == "__ellipsis__":
        return Ellipsis
    if kind == "__slice__" and isinstance(config, Mapping):
        return slice(*(decode(config.get(key)) for key in ("start", "stop", "step")))
    if kind == "__input__" and isinstance(config, int) and not isinstance(config, bool) and config >= 0:
        return Place(config)
    if kind in ("__numpy__", "__tensor__"):
        return read_value(value)
    if "class_name" in value:
        raise ArgumentError(f"an argument of class {quote(kind)} is not supported.")
    return {key: decode(item) for key, item in value.items()}
