"""What layers around a layer share: making the inner layer from a config, and writing it into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, UnsupportedError, quote
from ._base import REGISTRY, Layer


def serialize_layer(layer: Layer) -> dict[str, Any]:
    """A layer as a config dict, in Keras 3's form."""
    return {
        "module": "keras.layers",
        "class_name": layer.class_name,
        "config": layer.get_config(),
        "registered_name": None,
    }


def inner_layer(argument: str, value: Any) -> Layer:
    """A layer from a layer or from `serialize_layer`'s dict; the class is looked up in our table and nowhere else."""
    if isinstance(value, Layer):
        return value
    if not isinstance(value, Mapping) or "class_name" not in value:
        raise ArgumentError(f"{argument}: expected a kerastorch layer, got {quote(type(value).__name__)}.")
    cls = REGISTRY.get(value["class_name"])
    if cls is None:
        raise UnsupportedError(f"{argument}: unknown layer class {quote(value['class_name'])}.")
    return cls.from_config(value.get("config", {}))
