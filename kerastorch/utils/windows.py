"""A series as windows: Keras 3's `timeseries_dataset_from_array`, and Keras 2's `TimeseriesGenerator`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.check import integer
from ..errors import ArgumentError, counted
from .datasets import PyDataset


class TimeseriesDataset:
    """Batches of windows of a series, made when they are asked for; see `timeseries_dataset_from_array`.

    Iterate over it as often as you like; `len()` is the number of batches. `torch.utils.data.DataLoader` is not needed.
    Of `tf.data.Dataset` it has `take` and `skip`, and what changes no batch: `cache`, `prefetch`.
    """

    def __init__(
        self,
        data: Tensor,
        targets: Tensor | None,
        starts: np.ndarray,
        steps: Tensor,
        batch_size: int | None,
        generator: np.random.Generator | None,
    ) -> None:
        self._data, self._targets = data, targets
        self._starts, self._steps = starts, steps
        self._batch_size, self._generator = batch_size, generator
        self._part = slice(None)  # of the batches of a pass

    def __len__(self) -> int:
        return len(range(-(-len(self._starts) // (self._batch_size or 1)))[self._part])

    def take(self, count: int) -> TimeseriesDataset:
        """The first `count` batches of each pass; all of them for -1."""
        return self._cut(slice(None) if count == -1 else slice(integer("count", count, 0)))

    def skip(self, count: int) -> TimeseriesDataset:
        """All batches of each pass but the first `count`; none of them for -1."""
        return self._cut(slice(0) if count == -1 else slice(integer("count", count, 0), None))

    def cache(self, filename: str = "") -> TimeseriesDataset:
        """The same batches; they are in memory already."""
        return self

    def prefetch(self, buffer_size: Any = None) -> TimeseriesDataset:
        """The same batches; making one costs less than handing it over."""
        return self

    def _cut(self, part: slice) -> TimeseriesDataset:
        made = copy.copy(self)
        left = range(-(-len(self._starts) // (self._batch_size or 1)))[self._part][part]
        made._part = slice(left.start, left.stop)
        return made

    def __iter__(self) -> Iterator[Any]:
        starts = self._starts
        if self._generator is not None:
            starts = self._generator.permutation(starts)
        for begin in range(0, len(starts), self._batch_size or 1)[self._part]:
            rows = torch.as_tensor(starts[begin : begin + (self._batch_size or 1)])
            if self._batch_size is None:
                rows = rows[0]
            windows = self._data[rows.unsqueeze(-1) + self._steps]
            yield windows if self._targets is None else (windows, self._targets[rows])


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> TimeseriesDataset:
    """Windows of a series and a target for each, as `keras.utils.timeseries_dataset_from_array`.

    What Keras returns is a `tf.data.Dataset`; this is an iterable of batches of torch tensors, which `model.predict`
    and every torch loop take. With `shuffle` all windows are put in a new order at each pass, where Keras shuffles
    parts of the series; a seed repeats the orders, which are not those of Keras.

    Args:
        data: An array or a tensor `(T, ...)`.
        targets: An array or a tensor; number i belongs to the window that begins at step i. None for windows alone.
        sequence_length: Steps of one window.
        sequence_stride: How far apart windows begin.
        sampling_rate: How far apart the steps of a window are.
        batch_size: Windows in a batch, the last one may have fewer; None: windows come one by one.
        shuffle: Whether windows come in random order.
        seed: For `shuffle`.
        start_index: Steps before it are not used.
        end_index: Steps from it on are not used.

    Returns:
        An iterable of `(B, sequence_length, ...)`, or of pairs of that and `(B, ...)`.

    Raises:
        ArgumentError: An argument has a value that it cannot take.
    """
    series = torch.as_tensor(np.asarray(data)) if not isinstance(data, Tensor) else data
    goals = torch.as_tensor(np.asarray(targets)) if targets is not None and not isinstance(targets, Tensor) else targets
    total = len(series)
    integer("sequence_length", sequence_length, 1)
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if integer(name, value, 1) >= total:
            raise ArgumentError(f"{name}: expected less than the {counted(total, 'step')} of the data, got {value}.")
    first = integer("start_index", start_index or 0, 0)
    if first >= total > 0:
        raise ArgumentError(f"start_index: expected less than the {counted(total, 'step')} of the data, got {first}.")
    last = total if not end_index else integer("end_index", end_index, 1)
    # As in Keras, an end_index lies inside of the data and behind a start_index.
    if end_index and (last >= total or (first and last <= first)):
        raise ArgumentError(
            f"end_index: expected more than start_index={first} and less than the {counted(total, 'step')} of the "
            "data, "
            f"got {last}."
        )
    if batch_size is not None:
        integer("batch_size", batch_size, 1)
    count = last - first - (sequence_length - 1) * sampling_rate
    series = series[first:last]
    if goals is not None:
        count = min(count, len(goals))
        goals = goals[first:last]
    starts = np.arange(0, max(count, 0), sequence_stride)
    generator = np.random.default_rng(np.random.randint(2**31) if seed is None else seed) if shuffle else None
    steps = torch.arange(0, sequence_length * sampling_rate, sampling_rate)
    return TimeseriesDataset(series, goals, starts, steps, batch_size, generator)


class TimeseriesGenerator(PyDataset):
    """Keras 2's batches of windows: each holds the `length` steps before the step of its target.

    Args:
        data: A list or an array `(T, ...)`.
        targets: As many targets as there are steps.
        length: How far a window reaches back.
        sampling_rate: How far apart its steps are.
        stride: How far apart windows are.
        start_index: Steps before it are not used.
        end_index: The last step that is used.
        shuffle: Whether windows are drawn at random, by numpy's global generator.
        reverse: Whether the steps of a window come in reverse order.
        batch_size: Windows in a batch.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ArgumentError(
                f"TimeseriesGenerator: {counted(len(data), 'step')} of data and {counted(len(targets), 'target')}."
            )
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride = sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ArgumentError(
                f"TimeseriesGenerator: start_index + length is {self.start_index}, which is behind end_index, "
                f"{self.end_index}: no step is left to be a target."
            )

    def __len__(self) -> int:
        whole = self.batch_size * self.stride
        return (self.end_index - self.start_index + whole) // whole

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            begin = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(begin, min(begin + self.batch_size * self.stride, self.end_index + 1), self.stride)
        windows = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (windows[:, ::-1] if self.reverse else windows), targets
