"""What is in an HDF5 file: said by h5py, and by the reader of kerastorch, in one form that can be compared."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from kerastorch.errors import LoadError
from kerastorch.files import Limits
from kerastorch.files._hdf5 import Group, open_hdf5

# The place of each object -> None for a group, (dtype, shape, bytes) for an array; "place@name" -> an attribute.
Content = dict[str, Any]

REFUSALS = (OSError, KeyError, RuntimeError, ValueError, TypeError, SystemError, UnicodeError, OverflowError)
"""What h5py raises on damaged files."""


def of_h5py(content: bytes) -> Content:
    """What h5py reads; it raises one of REFUSALS where it does not."""
    found: Content = {}

    def walk(item: Any, place: str) -> None:
        found[place] = None if isinstance(item, h5py.Group) else _array(item[()])
        _attributes(found, place, {key: _text(item.attrs[key]) for key in item.attrs})
        for key in item if isinstance(item, h5py.Group) else ():
            walk(item[key], f"{place}/{key}")

    with h5py.File(io.BytesIO(content)) as file:
        walk(file, "")
    return found


def of_ours(content: bytes, limits: Limits | None = None) -> Content:
    """What the reader reads; it raises a LoadError where it does not."""
    found: Content = {}

    def walk(item: Any, place: str) -> None:
        found[place] = None if isinstance(item, Group) else _array(item.read())
        _attributes(found, place, item.attrs)
        for key, child in item.items() if isinstance(item, Group) else ():
            walk(child, f"{place}/{key}")

    walk(open_hdf5(content, "file.h5", limits), "")
    return found


def disagreement(content: bytes, limits: Limits | None = None) -> str | None:
    """How the reader goes wrong with a file that may be damaged.

    Returns:
        None where it reads what h5py reads, "" where it refuses the file, else what is wrong.
    """
    try:
        ours = of_ours(content, limits)
    except LoadError:
        return ""
    try:
        theirs = of_h5py(content)
    except REFUSALS as error:
        return f"it is read, and h5py refuses it: {error}"
    if ours == theirs:
        return None
    return f"other values at {[key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)][:5]}"


def _attributes(found: Content, place: str, attributes: Mapping[str, Any]) -> None:
    for key in attributes:
        value = attributes[key]
        found[f"{place}@{key}"] = _array(value) if isinstance(value, np.ndarray) else value


def _text(value: Any) -> Any:
    """Text as str, and arrays of it as lists, however the file stores them."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [item.decode() if isinstance(item, bytes) else item for item in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


def _array(value: Any) -> tuple[str, tuple[int, ...], bytes]:
    array = np.asarray(value)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array.dtype.name, array.shape, array.tobytes()
