"""Where the batches of `fit` and `evaluate` come from: arrays, loaders, generators; splits, weights, order."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from ..arrays import arrays_in, in_batches
from ..errors import ArgumentError, ShapeError, counted, quote
from ..structure import leaves, map_structure
from ..utils.datasets import PyDataset
from .rows import bytes_of_row, part_of, take

Triple = tuple[Any, Any, Any]
_GATHERED = 2**18  # bytes of shuffled rows that are gathered at once: what stays in a processor's cache


class Sharing(Protocol):
    """What several processes say of batches that they divide; see `several.py`."""

    def rows_of(self, which: Any, rows: int) -> Any: ...

    def took(self, rows: int) -> int: ...

    @property
    def is_first(self) -> bool: ...

    def same(self, order: Tensor) -> Tensor: ...

    def batch_of_first(self, batch: Triple | None) -> Triple | None: ...


class Batches(ABC):
    """Batches `(x, y, sample_weight)`.

    Attributes:
        count: How many there are in a pass, where that is known.
        several: The processes that have a part of each batch; None: there is one.
    """

    count: int | None = None
    several: Sharing | None = None

    @abstractmethod
    def one_pass(self) -> Iterator[Triple]:
        """All batches once."""

    def began(self) -> None:  # noqa: B027 - most have nothing to do then
        """An epoch begins."""

    def ended(self) -> None:  # noqa: B027
        """An epoch has ended."""


class OfArrays(Batches):
    """Rows of arrays, in order or shuffled; the last batch may be smaller.

    Args:
        arrays: `(x, y, sample_weight)`, of the same number of rows.
        batch_size: Rows of a batch.
        shuffle: True: rows in an order drawn anew for each pass; "batch": batches; False: as they come.
        where: For messages.
    """

    def __init__(self, arrays: Triple, batch_size: int, shuffle: Any, where: str) -> None:
        self.arrays, self.batch_size, self.shuffle = arrays, batch_size, shuffle
        self.rows = rows_of(arrays, where)
        self.count = -(-self.rows // batch_size)

    def one_pass(self) -> Iterator[Triple]:
        starts = range(0, self.rows, self.batch_size)
        if self.shuffle == "batch":
            for at in self._same(torch.randperm(len(starts))).tolist():
                yield self._rows(slice(starts[at], starts[at] + self.batch_size))
            return
        order = self._same(torch.randperm(self.rows)) if self.shuffle else None
        if order is None or self.several is not None:
            for start in starts:
                part = slice(start, start + self.batch_size)
                yield self._rows(part if order is None else order[part])
            return
        # Rows of several batches are gathered at once, so that small batches cost views alone.
        together = self.batch_size * max(1, _GATHERED // (self.batch_size * self._row_bytes()))
        for start in range(0, self.rows, together):
            which = order[start : start + together]
            gathered = self._rows(which)
            for first in range(0, len(which), self.batch_size):
                part = slice(first, first + self.batch_size)
                yield map_structure(lambda array, part=part: take(array, part), gathered)

    def _row_bytes(self) -> int:
        """How much memory the largest array takes for a row."""
        return max(bytes_of_row(array) for array in leaves(self.arrays) if array is not None) or 1

    def _same(self, order: Tensor) -> Tensor:
        return order if self.several is None else self.several.same(order)

    def _rows(self, which: slice | Tensor) -> Triple:
        if self.several is not None:
            which = self.several.rows_of(which, self.rows)
        return map_structure(lambda array: take(array, which), self.arrays)


class OfIterable(Batches):
    """Batches that somebody else makes: a `DataLoader`, a `PyDataset`, a generator.

    Args:
        iterable: Yields `(x, y)` or `(x, y, sample_weight)`.
        class_weight: See `Model.fit`.
        where: For messages.
        shuffle: Whether the batches of a `PyDataset` come in an order drawn anew for each pass; others have their own.
    """

    def __init__(self, iterable: Any, class_weight: Any, where: str, shuffle: Any = False) -> None:
        self.iterable, self.class_weight, self.where, self._passes = iterable, class_weight, where, 0
        self.shuffle = shuffle
        if isinstance(iterable, PyDataset):
            self.count = iterable.num_batches
            return
        try:
            self.count = len(iterable)
        except TypeError:
            self.count = None

    def one_pass(self) -> Iterator[Triple]:
        if self.several is None:
            yield from self._drawn()
        elif isinstance(getattr(self.iterable, "sampler", None), DistributedSampler):
            yield from self._own(self.several)
        else:
            yield from self._divided(self.several)

    def _divided(self, several: Sharing) -> Iterator[Triple]:
        """The first process draws, so that all have parts of the same batches, whatever is random in them."""
        drawn = iter(self._drawn() if several.is_first else ())
        while (batch := several.batch_of_first(next(drawn, None))) is not None:
            count = rows_of(batch, self.where)
            which = several.rows_of(slice(0, count), count)
            yield map_structure(lambda array, which=which: take(array, which), batch)

    def _own(self, several: Sharing) -> Iterator[Triple]:
        """Every process draws rows of its own, as `DistributedSampler` has them; one may have a batch more."""
        self.iterable.sampler.set_epoch(self._passes)
        self._passes += 1
        drawn, last = iter(self._drawn()), None
        while True:
            batch = next(drawn, None)
            if not several.took(0 if batch is None else rows_of(batch, self.where)):
                return
            if batch is None and last is None:
                raise ArgumentError(f"{self.where}: a process has no rows: use fewer processes, or a batch for each.")
            last = batch if batch is not None else map_structure(lambda array: take(array, slice(0, 1)), last)
            yield last  # type: ignore[misc]

    def _drawn(self) -> Iterator[Triple]:
        for batch in self._made():
            yield self._triple(batch)

    def _made(self) -> Iterable[Any]:
        if isinstance(self.iterable, PyDataset):
            count = self.iterable.num_batches  # which may change from pass to pass
            if self.shuffle and count is not None:
                return (self.iterable[at] for at in torch.randperm(count).tolist())
            return iter(self.iterable)
        if hasattr(self.iterable, "__iter__"):
            return iter(self.iterable)
        return (self.iterable[at] for at in range(self.count or 0))

    def _triple(self, batch: Any) -> Triple:
        if not isinstance(batch, (list, tuple)):
            batch = (batch,)
        if len(batch) > 3:
            raise ArgumentError(
                f"{self.where}: expected batches (x, y) or (x, y, sample_weight), got {counted(len(batch), 'part')}; "
                "several "
                "inputs are a tuple inside: ((x1, x2, ...), y)."
            )
        x, y, weight = (*batch, None, None)[:3]
        x, y, weight = (_arrays(part, self.where) for part in (x, y, weight))
        return x, y, weigh_classes(y, weight, self.class_weight, self.where)

    def began(self) -> None:
        if callable(getattr(self.iterable, "on_epoch_begin", None)):
            self.iterable.on_epoch_begin()

    def ended(self) -> None:
        if callable(getattr(self.iterable, "on_epoch_end", None)):
            self.iterable.on_epoch_end()


class Epochs:
    """Epochs of a number of batches. The next one goes on where the last one has stopped; one in which the data end is
    shorter, as in Keras.

    Args:
        batches: Where they come from.
        steps: Batches of an epoch; None: one pass.
        where: For messages.
    """

    def __init__(self, batches: Batches, steps: int | None, where: str) -> None:
        self.batches, self.where = batches, where
        self.steps = steps
        self._pass: Iterator[Triple] | None = None
        self._seen = self.drawn = 0

    @property
    def length(self) -> int | None:
        """Batches of an epoch, where that is known."""
        return self.steps if self.steps is not None else self.batches.count

    def epoch(self) -> Iterator[Triple]:
        """The batches of the next epoch; `drawn` counts them."""
        self.drawn = 0
        for batch in self._next():
            self.drawn += 1
            yield batch

    def _next(self) -> Iterator[Triple]:
        self.batches.began()
        if self.steps is None:
            yield from self.batches.one_pass()
            self.batches.ended()
            return
        self._pass = self._pass or self.batches.one_pass()
        for done in range(self.steps):
            batch = next(self._pass, None)
            if batch is None:
                warnings.warn(
                    f"{self.where}: the data ended after {done} of {counted(self.steps, 'batch', 'batches')} of an "
                    "epoch.",
                    stacklevel=2,
                )
                self.restart()
                break
            self._seen += 1
            yield batch
        if self.batches.count and self._seen >= self.batches.count:
            self.restart()
        self.batches.ended()

    def restart(self) -> None:
        """The next epoch begins a new pass."""
        self._pass, self._seen = None, 0


def batches_of(
    x: Any, y: Any, sample_weight: Any, batch_size: int | None, usual: int, shuffle: Any, class_weight: Any, where: str
) -> Batches:
    """The batches in what `fit` or `evaluate` was given.

    Raises:
        ArgumentError: It is nothing that has batches, or arguments contradict each other.
    """
    arrays = arrays_in(x, where)
    if arrays is not None:
        y, weight = _arrays(y, where), _arrays(sample_weight, where)
        weight = weigh_classes(y, weight, class_weight, where)
        return OfArrays((arrays, y, weight), batch_size or usual, shuffle, where)
    if not isinstance(x, Iterable) and not hasattr(x, "__getitem__"):
        raise ArgumentError(
            f"{where}: expected arrays, or an iterable of batches (a DataLoader, a generator), got "
            f"{quote(type(x).__name__)}."
        )
    loader = in_batches(x, batch_size or usual, bool(shuffle))
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", None if loader else batch_size)):
        if value is not None:
            raise ArgumentError(f"{where}: {quote(type(x).__name__)} makes whole batches: leave {name} out.")
    return OfIterable(x if loader is None else loader, class_weight, where, shuffle)


def _arrays(part: Any, where: str) -> Any:
    """The arrays of a part, or None where there is none.

    Raises:
        ArgumentError: It is something else.
    """
    found = arrays_in(part, where)
    if found is None and part is not None:
        raise ArgumentError(f"{where}: expected an array, or a list or dict of them, got {quote(type(part).__name__)}.")
    return found


def rows_of(arrays: Triple, where: str) -> int:
    """How many rows the arrays have.

    Raises:
        ShapeError: They differ, or there is none.
    """
    counts = {}
    for name, part in zip(("x", "y", "sample_weight"), arrays, strict=True):
        for array in leaves(part):
            if array is not None:
                counts.setdefault(array.shape[0] if array.ndim else 0, name)
    if len(counts) != 1:
        found = ", ".join(f"{name} {count}" for count, name in counts.items())
        raise ShapeError(f"{where}: the arrays have different numbers of rows: {found}.")
    rows = next(iter(counts))
    if rows == 0:
        raise ShapeError(f"{where}: expected at least one row.")
    return rows


def weigh_classes(y: Any, weight: Any, class_weight: Mapping[int, float] | None, where: str) -> Any:
    """Weights of samples by their classes.

    Args:
        y: Labels that are numbers of classes, `(N,)` or `(N, 1)`, or one-hot `(N, C)`.
        weight: The weights given for samples; with `class_weight` there may be none.
        class_weight: Class -> weight; 1 for others.
        where: For messages.
    """
    if class_weight is None:
        return weight
    if weight is not None:
        raise ArgumentError(f"{where}: give class_weight or sample_weight, not both.")
    if y is None or isinstance(y, (list, tuple, dict)):
        raise ArgumentError(f"{where}: class_weight needs the labels of one output, got {quote(type(y).__name__)}.")
    labels = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] != 1 else labels[..., 0]
    if labels.ndim != 1:
        raise ArgumentError(f"{where}: class_weight needs one label for each sample, got shape {tuple(y.shape)}.")
    classes = np.round(labels).astype("int64")
    return np.asarray([class_weight.get(int(label), 1.0) for label in classes], dtype="float32")


def split(arrays: Triple, share: float, where: str) -> tuple[Triple, Triple]:
    """The first rows, and the last `share` of them, as Keras splits before it shuffles.

    Raises:
        ArgumentError: The data are no arrays, or one part would be empty.
    """
    if not 0 < share < 1:
        raise ArgumentError(f"{where}: validation_split is {quote(share)}, expected a number between 0 and 1.")
    if arrays_in(arrays[0], where) is None:
        raise ArgumentError(
            f"{where}: validation_split needs arrays, got {quote(type(arrays[0]).__name__)}: give validation_data."
        )
    found: Any = tuple(_arrays(part, where) for part in arrays)
    rows = rows_of(found, where)
    at = int(np.floor(rows * (1.0 - share)))
    if at in (0, rows):
        raise ArgumentError(f"{where}: validation_split {share} of {counted(rows, 'row')} leaves one part empty.")
    first = map_structure(lambda array: part_of(array, 0, at), found)
    return first, map_structure(lambda array: part_of(array, at, rows), found)
