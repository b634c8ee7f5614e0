"""What counts as an array in the data that people give: tensors, arrays, data sets in files, tables, lists."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from .errors import ArgumentError, quote


def without_table(x: Any, where: str) -> Any:
    """A table with named columns (pandas, polars) as the array of its values, and one column as `(N, 1)`, as in Keras.

    Which package a table comes from does not matter, and none is imported: it says `to_numpy`.
    """
    if isinstance(x, np.ndarray) or not callable(getattr(x, "to_numpy", None)):
        return x
    array = x.to_numpy()
    if array.dtype == object:
        raise ArgumentError(
            f"{where}: expected a table of numbers, got a {quote(type(x).__name__)} whose values have no common number "
            "type; convert it first: table.astype('float32'), or leave out its columns of text."
        )
    return array[:, None] if array.ndim == 1 else array


def is_plain_list(x: Any) -> bool:
    """A nested list of numbers is one array, a list of arrays is several."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, (int, float))


def is_array_like(x: Any) -> bool:
    """Whether something has a shape, a dtype, and rows."""
    return all(hasattr(x, name) for name in ("shape", "dtype", "__getitem__"))


def array_like(x: Any) -> Any:
    """What can be sliced stays what it is, until it is sliced: a tensor, a memory map, a data set in an HDF5 file."""
    return x if isinstance(x, Tensor) or (is_array_like(x) and hasattr(x, "ndim")) else np.asarray(x)
