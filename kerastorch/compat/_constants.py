"""Constant tensors among the arguments of calls: how each Keras writes them."""

from __future__ import annotations

from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import Constant
from . import forms

_FLOATS = ("float16", "bfloat16", "float32", "float64")
# Whole numbers -> the least and the largest of them.
_INTEGERS = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)} | {"uint8": (0, 255)}


def constant(value: Any, dtype: Any, where: str) -> Any:
    """An array of a file; a single number stays one.

    Raises:
        CorruptFileError: The lists are not those of an array, or the numbers not of the dtype.
        UnsupportedFileError: The dtype is none that is known.
    """
    wrong = f"{where}: {quote(value, 80)} is no constant of dtype {quote(dtype)}"
    leaves = _leaves(value)
    if leaves is None:
        raise CorruptFileError(f"{wrong}: expected numbers, or lists of numbers of one shape.")
    kinds = {type(leaf) for leaf in leaves}
    if dtype in _FLOATS:
        fits = kinds <= {int, float}
    elif dtype in tuple(_INTEGERS):
        least, most = _INTEGERS[dtype]
        fits = kinds <= {int} and all(least <= leaf <= most for leaf in leaves)
    elif dtype == "bool":
        fits = kinds <= {bool}
    else:
        raise UnsupportedFileError(f"{wrong}; known are bool, {', '.join((*_INTEGERS, *_FLOATS))}.")
    if not fits:
        raise CorruptFileError(f"{wrong}: expected numbers of that dtype.")
    return Constant(value, dtype) if isinstance(value, list) else value


def _leaves(value: Any) -> list[Any] | None:
    """The numbers in nested lists of one shape; None if it is something else."""
    leaves = [value]
    while leaves and all(isinstance(item, list) for item in leaves):
        if len({len(item) for item in leaves}) > 1:
            return None
        leaves = [inner for item in leaves for inner in item]
    return leaves if all(isinstance(leaf, (bool, int, float)) for leaf in leaves) else None


def in_lists(value: Any, where: str) -> Any:
    """A value of Keras 2, which says neither that a list is an array nor of which dtype; what is none stays."""
    leaves = _leaves(value) if isinstance(value, list) and value else None
    if not leaves:
        return value
    kinds = {type(leaf) for leaf in leaves}
    return constant(value, "bool" if kinds == {bool} else "int32" if kinds == {int} else "float32", where)


def argument_in_lists(class_name: str, key: str, value: Any, several: bool, where: str) -> Any:
    """An argument of a call in Keras 2, with the arrays in it.

    Args:
        class_name: The class of the layer that is called.
        key: The name of the argument.
        value: Nested lists of numbers, and what else stands in them.
        several: Whether the layer is called on several tensors: then there may be as many masks.
        where: For messages.

    Raises:
        CorruptFileError: The lists are not those of arrays.
    """
    if not isinstance(value, list):
        return value
    if key == "initial_state":
        return [_state(item, forms.STATE_AXES.get(class_name, 2), where) for item in value]
    if key == "constants" or (key == "mask" and several):
        return [in_lists(item, where) for item in value]
    return in_lists(value, where)


def _state(value: Any, axes: int, where: str) -> Any:
    """A state, or a list of them: those of cells inside others."""
    depth, inner = 0, value
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    return [_state(item, axes, where) for item in value] if depth > axes else in_lists(value, where)
