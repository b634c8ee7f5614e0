"""From a batch in the host's memory to tensors on the model's device; on CUDA, ahead of the computation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..arrays import is_text_array, rows_in
from ..structure import leaves, map_structure
from .ids import check_ids

if TYPE_CHECKING:
    from ._protocol import AnyModel


@dataclass(frozen=True)
class Batch:
    """Inputs of one call.

    Args:
        tensors: On the device, or on their way there.
        rows: How many.
        copied: On CUDA, when they have arrived.
    """

    tensors: Any
    rows: int
    copied: torch.cuda.Event | None = None

    def ready(self) -> Any:
        """The tensors, for what is computed from now on."""
        if self.copied is not None:
            tensors = [part for part in leaves(self.tensors) if isinstance(part, Tensor) and part.is_cuda]
            computing = torch.cuda.current_stream(tensors[0].device if tensors else None)
            computing.wait_event(self.copied)
            for tensor in tensors:
                tensor.record_stream(computing)  # its memory was taken in one stream and is used in the other
        return self.tensors


class Transfer(ABC):
    """Takes one batch after the other to the device.

    Args:
        batches: Arrays or tensors, nested as the model's inputs.
        device: Where they are to be.
        dtype: Of the floating ones there; None where the model casts them.
        check: Called with each batch before it goes to a device whose errors name nothing.
    """

    overlaps: bool  # whether the next batch may be asked for before the outputs of this one are read

    def __init__(
        self, batches: Iterator[Any], device: torch.device, dtype: torch.dtype | None, check: Callable[[Any], None]
    ) -> None:
        self.batches, self.device, self.dtype, self.check = batches, device, dtype, check

    @abstractmethod
    def next(self) -> Batch | None:
        """The next batch, or None behind the last one."""

    def _next_on_host(self) -> Any:
        batch = next(self.batches, None)
        return None if batch is None else map_structure(_tensor, batch)

    def _cast(self, tensor: Tensor) -> Tensor:
        return tensor if self.dtype is None or not tensor.is_floating_point() else tensor.to(self.dtype)

    def _moved(self, part: Any, **options: Any) -> Any:
        """A tensor on the device; an array of texts as it is."""
        return self._cast(part.to(self.device, **options)) if isinstance(part, Tensor) else part


class Plain(Transfer):
    """Where the computation is over when a call returns, or there is no stream beside it."""

    overlaps = False

    def next(self) -> Batch | None:
        batch = self._next_on_host()
        if batch is None:
            return None
        return Batch(map_structure(self._moved, batch), rows_in(batch))


class Ahead(Transfer):
    """CUDA: pinned memory and a stream of its own, so that a batch is copied while the one before it is computed."""

    overlaps = True

    def __init__(
        self, batches: Iterator[Any], device: torch.device, dtype: torch.dtype | None, check: Callable[[Any], None]
    ) -> None:
        super().__init__(batches, device, dtype, check)
        self.stream = torch.cuda.Stream(device)
        self.copied: torch.cuda.Event | None = None
        self.sources: Any = None  # pinned memory may not be let go while it is read

    def next(self) -> Batch | None:
        if self.copied is not None:
            self.copied.synchronize()  # whoever makes the batches may fill a pinned buffer of his own once more
        batch = self._next_on_host()
        if batch is None:
            self.sources = None
            return None
        self.check(batch)
        tensors = [part for part in leaves(batch) if isinstance(part, Tensor)]
        for device in {tensor.device for tensor in tensors if tensor.is_cuda}:
            self.stream.wait_stream(torch.cuda.current_stream(device))  # there it was written
        with torch.cuda.device(self.device):  # pinning takes up the current device, which may be another one
            self.sources = map_structure(_pinned, batch)
        self.copied = torch.cuda.Event()
        with torch.cuda.stream(self.stream):
            moved = map_structure(lambda part: self._moved(part, non_blocking=True), self.sources)
            self.copied.record(self.stream)
        return Batch(moved, rows_in(batch), self.copied)


def transfer_to(model: AnyModel, batches: Iterator[Any], has_masks: bool) -> Transfer:
    """The way to the model's device.

    Args:
        model: The model.
        batches: As for `Transfer`.
        has_masks: Whether each batch is the inputs, and their masks behind them.
    """
    kind = Ahead if model._on_device.type == "cuda" else Plain
    dtype = None if model._graph is not None else model.dtype
    return kind(batches, model._on_device, dtype, lambda batch: check_ids(model, batch[0] if has_masks else batch))


def _pinned(part: Any) -> Any:
    return part if not isinstance(part, Tensor) or part.is_cuda else part.pin_memory()


def _tensor(array: Any) -> Any:
    """A tensor on the array's memory; a copy of what torch cannot look at; texts as they are."""
    if array is None or isinstance(array, Tensor) or is_text_array(array):
        return array
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    # A tensor can be written to: what is mapped for reading only is copied, as far as this batch goes.
    return torch.from_numpy(np.require(array, requirements=("C", "W")))
