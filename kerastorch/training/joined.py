"""Metrics of several processes: what each has summed over its rows, summed over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..distributed import Processes
from ..errors import UnsupportedError, quote
from ..metrics import Metric
from .measured import Measured

_FIRST = "only_first_replica"


@contextmanager
def joined(metrics: Iterable[Metric], processes: Processes) -> Iterator[None]:
    """For a while the metrics have the sums over all processes; all must ask at once.

    Sums of float64 are added, so that what comes out is what one process would have summed, but for their last bits.

    Raises:
        UnsupportedError: A metric keeps its numbers where they cannot be found.
    """
    parts = _parts(metrics)
    sums = [(part, item) for part in parts for item in part._sums()]
    counts = [(part, name) for part in parts for name in part._counted]
    held = [item.detach().clone() for _, item in sums], [getattr(part, name) for part, name in counts]
    flat = [_weighed(item, processes).double().reshape(-1) for _, item in sums]
    device = flat[0].device if flat else torch.device("cpu")
    numbers = torch.tensor(held[1], dtype=torch.float64, device=device)
    total = processes.sum(torch.cat([*(item.to(device) for item in flat), numbers]))
    with torch.no_grad():
        at = 0
        for _, item in sums:
            item.copy_(total[at : at + item.numel()].reshape(item.shape))
            at += item.numel()
        for (part, name), value in zip(counts, total[at:].tolist(), strict=True):
            setattr(part, name, round(value))
        try:
            yield
        finally:
            for (_, item), value in zip(sums, held[0], strict=True):
                item.copy_(value)
            for (part, name), value in zip(counts, held[1], strict=True):
                setattr(part, name, value)


def _weighed(item: Tensor, processes: Processes) -> Tensor:
    """A tensor as it is to be added: a mean is a sum of shares, and what only the first has is nobody else's."""
    kind = getattr(item, "aggregation", "sum")
    if kind == "mean":
        return item.detach() / processes.count
    return item.detach() * (kind != _FIRST or processes.is_first)


@contextmanager
def uncounted(metrics: Iterable[Metric]) -> Iterator[None]:
    """For a while metrics take in nothing: where a row stands in for none, which yet shows what sums there are."""
    metrics = list(metrics)
    before = {id(item): item.detach().clone() for part in _parts(metrics) for item in part._sums()}
    yield
    with torch.no_grad():
        for part in _parts(metrics):
            for item in part._sums():
                item.copy_(before.get(id(item), torch.zeros_like(item)))


def _parts(metrics: Iterable[Metric]) -> list[Metric]:
    found: dict[int, Metric] = {}
    for metric in metrics:
        own = metric.metrics if isinstance(metric, Measured) else [metric]
        found |= {id(part): part for item in own for part in item._parts()}
    return list(found.values())


def check_joinable(metrics: Iterable[Any]) -> None:
    """Raise where a metric has taken batches in and keeps nothing that could be joined.

    Raises:
        UnsupportedError: There is one.
    """
    for metric in metrics:
        for item in metric.metrics if isinstance(metric, Measured) else [metric]:
            if not any(part._sums() or part._counted for part in item._parts()):
                raise UnsupportedError(
                    f"The metric {quote(item.name)} keeps its numbers in attributes of its own, which several "
                    "processes cannot join: keep them in variables (self.add_variable), or train in one process."
                )
