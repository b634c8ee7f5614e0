"""Rows of arrays, wherever these are: in memory, on a device, in a file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Of which torch takes rows.
_DTYPES = {np.dtype(name) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?")}


def take(array: Any, which: slice | Tensor) -> Any:
    """Rows of an array, a tensor, or a data set in a file, which takes rows in rising order only."""
    if array is None or isinstance(which, slice):
        return None if array is None else array[which]
    if isinstance(array, Tensor):
        return array.index_select(0, which.to(array.device))
    rows = which.numpy()
    if isinstance(array, np.ndarray):
        found = _viewed(array)
        if found is None:
            return array[rows]
        found = found.index_select(0, which)
        return found.float() if found.dtype == torch.float64 else found  # Keras's floatx, as of every array
    rising = np.argsort(rows)
    found = np.asarray(array[rows[rising]])
    result = np.empty_like(found)
    result[rising] = found
    return result


def _viewed(array: np.ndarray) -> Tensor | None:
    """An array as a tensor of the same memory, from which rows are taken several times as fast; None where torch makes
    none: of texts, of memory that it may not write to, or that it cannot step through.
    """
    if array.dtype not in _DTYPES or not array.flags.writeable:
        return None
    try:
        return torch.from_numpy(array)
    except ValueError:  # rows that run backwards, or lie at places between those of whole numbers
        return None


def bytes_of_row(array: Any) -> int:
    """How much memory a row of an array takes."""
    return math.prod(array.shape[1:]) * getattr(array.dtype, "itemsize", 8)


class _Rows:
    """Some rows of a data set in a file, which stay there until a batch of them is taken.

    Args:
        data: What has the rows; slices of it are in memory.
        start, stop: Which rows.
    """

    def __init__(self, data: Any, start: int, stop: int) -> None:
        self.data, self.start = data, start
        self.shape, self.dtype, self.ndim = (stop - start, *data.shape[1:]), data.dtype, data.ndim

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            first, last, _ = which.indices(self.shape[0])
            return self.data[slice(self.start + first, self.start + last)]
        return self.data[np.asarray(which) + self.start]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)


def part_of(array: Any, start: int, stop: int) -> Any:
    """Rows of an array: of one in memory a view, of one in a file what reads them when they are needed."""
    in_memory = array is None or isinstance(array, (Tensor, np.ndarray))
    return take(array, slice(start, stop)) if in_memory else _Rows(array, start, stop)
