"""The closed table of layer classes, and the examples that each of them declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .protocol import AnyLayer

# One table for all files and configs: a class is found here or not at all.
REGISTRY: dict[str, type[AnyLayer]] = {}

_L = TypeVar("_L", bound="type[AnyLayer]")


@dataclass(frozen=True)
class Example:
    """A small configuration of a layer, read by the tests, the self-check and the docs."""

    name: str
    config: Mapping[str, Any]
    input_shape: Any  # one shape, or a list of shapes


def register(name: str) -> Callable[[_L], _L]:
    """Enter a layer class in the table under Keras's class name; it must declare what the machinery reads."""

    def enter(cls: _L) -> _L:
        if name in REGISTRY:
            raise ValueError(f"layer {name!r} is registered twice: {REGISTRY[name]} and {cls}")
        missing = [item for item in ("CONFIG", "EXAMPLES") if item not in cls.__dict__]
        if missing or not cls.__doc__:
            raise TypeError(f"layer {name!r} must declare {', '.join(missing) or 'a docstring'}")
        cls._class_name = name
        cls._tracks = cls._records = False
        REGISTRY[name] = cls
        return cls

    return enter
