"""What counts as an array in the data that people give: tensors, arrays, data sets in files, tables, lists."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from .errors import ArgumentError, quote
from .structure import leaves, map_structure

_NUMBERS = (np.ndarray, np.generic, list, tuple, int, float)
_F = TypeVar("_F", bound=Callable[..., Tensor])


def of_arrays_too(function: _F) -> _F:
    """Let a function of a tensor take arrays, numbers and lists of them, as in Keras: they become tensors.

    Args:
        function: A function whose first argument is a tensor. Whatever else it is called on, it is handed on as it is.
    """

    @functools.wraps(function)
    def taking(x: Any, *args: Any, **kwargs: Any) -> Tensor:
        if isinstance(x, _NUMBERS):
            x = torch.as_tensor(x)
        return function(x, *args, **kwargs)

    return taking  # type: ignore[return-value]


def rows_in(batch: Any) -> int:
    """How many rows a batch has: an array, or lists and dicts of them, of which optional inputs may be left out."""
    first = next(leaf for leaf in leaves(batch) if leaf is not None)
    return first.shape[0] if first.ndim else 0


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
    """A nested list of numbers, or of texts, is one array, a list of arrays is several."""
    while isinstance(x, (list, tuple)) and x:
        x = x[0]
    return isinstance(x, (int, float, str, bytes))


def is_text_array(x: Any) -> bool:
    """Whether something is an array of texts, of which torch has no tensors."""
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "USO":
        return False
    return x.dtype.kind != "O" or (x.size > 0 and isinstance(x.flat[0], (str, bytes)))


def with_texts(value: Any) -> Any:
    """Lists of texts as arrays; anything else as it is."""
    if isinstance(value, (list, tuple)) and is_plain_list(value):
        array = np.asarray(value, dtype=object)
        return array if is_text_array(array) else value
    if isinstance(value, dict):
        return {key: with_texts(item) for key, item in value.items()}
    return [with_texts(item) for item in value] if isinstance(value, (list, tuple)) else value


def is_array_like(x: Any) -> bool:
    """Whether something has a shape, a dtype, and rows."""
    return all(hasattr(x, name) for name in ("shape", "dtype", "__getitem__"))


def array_like(x: Any) -> Any:
    """What can be sliced stays what it is, until it is sliced: a tensor, a memory map, a data set in an HDF5 file."""
    return x if isinstance(x, Tensor) or (is_array_like(x) and hasattr(x, "ndim")) else np.asarray(x)


def arrays_in(x: Any, where: str) -> Any:
    """The arrays that people give, nested as they are; None if it is something else, such as what makes batches.

    A list of numbers is one array, other lists and dicts hold several, a table is one; a tensor and a data set stay
    what they are, and so does None in a list.
    """
    x = map_structure(lambda value: without_table(value, where), x)
    if not (isinstance(x, (list, tuple, dict)) or is_array_like(x) or np.isscalar(x)):
        return None
    if is_plain_list(x):
        return np.asarray(x)
    return map_structure(lambda value: None if value is None else array_like(value), x)


def has_samples(data: Any) -> bool:
    """Whether something is a data set of torch that has samples by their numbers."""
    return isinstance(data, Dataset) and not isinstance(data, IterableDataset)


def in_batches(data: Any, batch_size: int, shuffle: bool = False) -> DataLoader[Any] | None:
    """Batches of the samples that a data set of torch has by their numbers; None: `data` is none.

    Args:
        data: Anything. An `IterableDataset` is taken for what makes whole batches, as every iterable.
        batch_size: Rows of a batch; the last one may have fewer.
        shuffle: Whether each pass draws a new order.
    """
    return DataLoader(data, batch_size, shuffle) if has_samples(data) else None


def check_counts(where: str, **counts: Any) -> None:
    """Raise `ArgumentError` where a count is neither a positive integer nor None."""
    for name, value in counts.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1):
            raise ArgumentError(f"{where}: {name}: expected a positive integer or None, got {quote(value)}.")


def tensor_of(x: Any) -> Tensor:
    """What people give to a function on tensors: a tensor as it is, a variable's value, an array or a list as one."""
    if isinstance(x, Tensor):
        return x
    value = getattr(x, "value", None)
    return value if isinstance(value, Tensor) else torch.as_tensor(x)
