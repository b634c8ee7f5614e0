"""Which rows of a batch this process has, and sums over all rows of sums over these.

A batch is divided, so the mean of a loss must be taken over the rows of all. Losses are computed as if the own rows
were all there are; the processes then add their losses, each times its share of the rows. For a mean over rows that is
the mean over all rows. What else a loss is divided by (valid steps, weights) goes through `over_all`.

A batch may have fewer rows than there are processes. Those without a row take part with a row that stands in and counts
for nothing: it makes the same calls, and its share is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor
from torch import distributed as dist

Gradients = dict[Tensor, Tensor]


@dataclass
class Part:
    """The rows of a process in a batch.

    Attributes:
        rows: How many they are.
        of: How many the batch has.
        joins: Whether an optimizer joins the gradients: where `DistributedDataParallel` does not.
    """

    rows: int
    of: int
    joins: bool = False

    @property
    def share(self) -> float:
        """What the loss of this process counts in that of all."""
        return self.rows / self.of


_parts: list[Part | None] = [None]


def current() -> Part | None:
    """The part that this process computes; None: whole batches."""
    return _parts[-1]


def begin(part: Part) -> None:
    """Say which part of a batch comes next."""
    _parts[-1] = part


@contextmanager
def whole() -> Iterator[None]:
    """For a while batches are whole; parts that are begun there end with it."""
    _parts.append(None)
    try:
        yield
    finally:
        _parts.pop()


def own_rows(rows: int) -> int:
    """How many of the rows in a batch count: none, where one stands in."""
    part = current()
    return rows if part is None else part.rows


def over_all(total: Tensor) -> Tensor:
    """A sum over the own rows, as large as it would be if these rows were like the rows of all processes.

    So a loss that is divided by it, and that counts by the share of rows, is divided by the sum over all rows.
    """
    part = current()
    if part is None:
        return total
    summed = total.detach() * (part.rows > 0)
    dist.all_reduce(summed)
    return summed * (max(part.rows, 1) / part.of)


def as_part(total: Tensor) -> Tensor:
    """A sum over the own rows that is to be added to those of the others, not averaged with them."""
    part = current()
    return total if part is None else total * (part.of / max(part.rows, 1))


def of_mean() -> float:
    """What the loss of this process counts where gradients are averaged over the processes, as torch's engine does."""
    part = current()
    return 1.0 if part is None else part.share * dist.get_world_size()


def gradients_joined(grads: Gradients) -> Gradients:
    """Gradients of the loss over all rows from those over the own ones; as they are where somebody else joins them."""
    part = current()
    if part is None or not part.joins:
        return grads
    return {item: _joined(grad, part) for item, grad in grads.items()}


def _joined(grad: Tensor, part: Part) -> Tensor:
    summed = grad.detach() * part.share
    dist.all_reduce(summed)
    return summed


def joining_hook() -> Callable[..., None]:
    """What an optimizer of torch is to call before a step, in whose place ours call `gradients_joined`."""

    def join(optimizer: object, *_: object) -> None:
        part = current()
        if part is None or not part.joins:
            return
        for group in optimizer.param_groups:  # type: ignore[attr-defined]
            for item in group["params"]:
                if item.grad is not None:
                    item.grad = _joined(item.grad, part)

    return join
