"""The base of generators of one's own."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


class PyDataset(ABC):
    """Batches by their number, as `keras.utils.PyDataset` and Keras 2's `Sequence`; abstract.

    A class of your own has `__getitem__(index)`, which returns a batch, and `__len__`, the number of batches; or
    `num_batches`, which may be None: there is no end. `model.fit` draws the batches in a new order for each epoch,
    unless `shuffle` is False. `model.predict` takes it, and so does
    `torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=4)`, which makes batches in several processes.

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

    @property
    def num_batches(self) -> int | None:
        """How many batches there are: the length; None: there is no end.

        Raises:
            NotImplementedError: The class has no length.
        """
        length = getattr(self, "__len__", None)
        if length is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define __len__, or the property num_batches, which is None where batches "
                "have no end."
            )
        return length()

    def on_epoch_begin(self) -> None:  # noqa: B027 - a hook, which a class need not have
        """Called by training loops before each pass."""

    def on_epoch_end(self) -> None:  # noqa: B027
        """Called by training loops after each pass."""

    def __iter__(self) -> Iterator[Any]:
        try:
            count = self.num_batches
        except NotImplementedError:  # as in Keras: somebody draws some of them by hand
            count = None
        for index in itertools.count() if count is None else range(count):
            yield self[index]
