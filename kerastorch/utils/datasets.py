"""The base of generators of one's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


class PyDataset(ABC):
    """Batches by their number, as `keras.utils.PyDataset` and Keras 2's `Sequence`; abstract.

    A class of your own has `__getitem__(index)`, which returns a batch, and `__len__`, the number of batches.
    `model.predict` takes it, and so does `torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=4)`, which
    makes batches in several processes.

    Args:
        workers: Kept, without effect, like the next two: `DataLoader` has `num_workers`.
        use_multiprocessing: As `workers`.
        max_queue_size: As `workers`.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """The batch with this number, from 0 on."""

    @abstractmethod
    def __len__(self) -> int:
        """How many batches there are."""

    @property
    def num_batches(self) -> int:
        """How many batches there are: the length."""
        return len(self)

    def on_epoch_begin(self) -> None:  # noqa: B027 - a hook, which a class need not have
        """Called by training loops before each pass."""

    def on_epoch_end(self) -> None:  # noqa: B027
        """Called by training loops after each pass."""

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
