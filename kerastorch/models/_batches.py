"""Where the batches of `predict` come from: arrays, which are sliced, or an iterable that makes batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..arrays import array_like, arrays_in, in_batches, without_table
from ..errors import ArgumentError, ShapeError, counted, quote
from ..structure import leaves, map_structure


class Source(ABC):
    """Batches of inputs.

    Args:
        batches: How many there are, where that is known.
    """

    batches: int | None

    @abstractmethod
    def draw(self, count: int | None) -> Iterator[Any]:
        """The first `count` batches, or all."""

    @abstractmethod
    def rows_of(self, count: int | None) -> int | None:
        """Rows in the first `count` batches, where that is known."""


class Slices(Source):
    """Slices of arrays, which are not copied: a memory map is read batch by batch."""

    def __init__(self, arrays: Any, batch_size: int, where: str) -> None:
        flat = [array for array in leaves(arrays) if array is not None]  # an optional input may be left out
        counts = {array.shape[0] if array.ndim else 0 for array in flat}
        if len(counts) != 1:
            raise ShapeError(f"{where}: the inputs have different numbers of rows: {sorted(counts)}.")
        self.rows = counts.pop()
        if self.rows == 0:
            raise ShapeError(f"{where}: expected at least one row, got an input of shape {tuple(flat[0].shape)}.")
        self.arrays, self.batch_size = arrays, batch_size
        self.batches = -(-self.rows // batch_size)

    def draw(self, count: int | None) -> Iterator[Any]:
        for start in range(0, self.rows_of(count), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield map_structure(lambda array, part=part: None if array is None else array[part], self.arrays)

    def rows_of(self, count: int | None) -> int:
        return self.rows if count is None else min(self.rows, count * self.batch_size)


class Made(Source):
    """Batches that a generator, a `DataLoader` or another iterable makes, as Keras takes them: x, (x,), (x, y) or
    (x, y, sample_weight).
    """

    def __init__(self, iterable: Iterable[Any], where: str) -> None:
        self.iterable, self.where = iterable, where
        try:
            self.batches = len(iterable)  # type: ignore[arg-type]
        except TypeError:  # a generator, or a DataLoader over a stream
            self.batches = None

    def draw(self, count: int | None) -> Iterator[Any]:
        for batch in islice(self.iterable, count):
            inputs = map_structure(lambda value: without_table(value, self.where), self._inputs_of(batch))
            yield map_structure(array_like, inputs)

    def _inputs_of(self, batch: Any) -> Any:
        if not isinstance(batch, (list, tuple)):
            return batch
        if not 1 <= len(batch) <= 3:
            raise ArgumentError(
                f"{self.where}: expected batches x, (x,), (x, y) or (x, y, sample_weight), got "
                f"{counted(len(batch), 'part')}; "
                "several inputs are a tuple inside: ((x1, x2, ...),)."
            )
        return batch[0]

    def rows_of(self, count: int | None) -> int | None:
        return None


def source_of(x: Any, masks: list[Any] | None, batch_size: int | None, usual: int, where: str) -> Source:
    """The batches in what `predict` was given.

    Args:
        x: The arrays, or what makes batches, or a data set of torch, of which they are made here.
        masks: With some, each batch is `[inputs, masks]`.
        batch_size: Rows of each batch.
        usual: Where that is None.
        where: For messages.

    Raises:
        ArgumentError: It is nothing that has batches.
    """
    arrays = arrays_in(x, where)
    if arrays is not None:
        both = arrays if masks is None else [arrays, arrays_in(masks, f"{where}, mask")]
        return Slices(both, batch_size or usual, where)
    if masks is not None:
        raise ArgumentError(
            f"{where}: mask= goes with arrays, got {quote(type(x).__name__)}; call predict_on_batch(x, mask=mask) for "
            "each batch."
        )
    if (loader := in_batches(x, batch_size or usual)) is not None:
        return Made(loader, where)
    if not isinstance(x, Iterable):
        raise ArgumentError(
            f"{where}: expected an array, a list or dict of arrays, or an iterable of batches (a generator, a "
            f"torch DataLoader), got {quote(type(x).__name__)}."
        )
    if batch_size is not None:
        raise ArgumentError(f"{where}: {quote(type(x).__name__)} makes the batches: leave batch_size out.")
    return Made(x, where)
