"""Nested lists, tuples and dicts: their leaves, and the shapes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Shape = tuple[Any, ...]  # of int | None


def map_structure(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to the leaves of nested lists, tuples and dicts; a dict's in the order of its keys."""
    if isinstance(value, (list, tuple)):
        return like(value, (map_structure(function, item) for item in value))
    if isinstance(value, dict):
        return map_dict(lambda item: map_structure(function, item), value)
    return function(value)


def like(value: Any, items: Iterable[Any]) -> Any:
    """Items in a list or tuple of the kind of `value`, named tuples among them."""
    make = getattr(type(value), "_make", type(value))
    return make(items)


def map_dict(function: Callable[[Any], Any], value: dict[str, Any]) -> dict[str, Any]:
    """Apply `function` to the values of a dict, in the order of its keys: so Keras counts inputs and outputs."""
    made = {key: function(value[key]) for key in sorted(value)}
    return {key: made[key] for key in value}


def leaves(value: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts, in order."""
    found: list[Any] = []
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Any]) -> None:
    if isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for key in sorted(value):
            _collect(value[key], found)
    else:
        found.append(value)


def is_shape(value: Any) -> bool:
    """Whether a value is one shape, not several nested ones."""
    return isinstance(value, (tuple, list)) and all(size is None or _is_size(size) for size in value)


def _is_size(value: Any) -> bool:
    """Whether a value counts: an int, or a size that torch traces, as a number of its own or a tensor without axes.

    Other tensors, real or symbolic, turn to ints too.
    """
    if isinstance(value, int):
        return True
    return hasattr(type(value), "__index__") and (not hasattr(type(value), "dtype") or value.ndim == 0)


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """Apply `function` to each shape of nested lists, tuples and dicts of shapes; None, of what is not given, stays."""
    if shapes is None:
        return None
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return map_dict(lambda item: map_shapes(function, item), shapes)
    return like(shapes, (map_shapes(function, item) for item in shapes))


def count_shapes(shapes: Any) -> int:
    """How many shapes there are in lists, tuples and dicts of shapes."""
    found: list[Any] = []
    map_shapes(found.append, shapes)
    return len(found)
