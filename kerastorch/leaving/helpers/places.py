"""Sizes as tensors, and values picked by their places."""

from __future__ import annotations

import torch
from torch import Tensor


def sizes_of(x: Tensor) -> Tensor:
    """The shape of x as a tensor."""
    return torch.tensor(x.shape, dtype=torch.int32, device=x.device)


def steps_back(x: Tensor, axis: int, start: int | None, stop: int | None, step: int) -> Tensor:
    """`x[start:stop:step]` along an axis, for a negative step, which torch's slices lack."""
    places = list(range(x.shape[axis])[start:stop:step])
    return x.index_select(axis, torch.tensor(places, dtype=torch.int64, device=x.device))


def mirrored(x: Tensor, axis: int, before: int, behind: int, edge: bool = False) -> Tensor:
    """x with its own values, turned round, at both ends of an axis; with `edge` the outermost ones too."""
    ends = x.flip(axis)
    size, skip = x.shape[axis], 0 if edge else 1
    front, back = ends.narrow(axis, size - before - skip, before), ends.narrow(axis, skip, behind)
    return torch.cat([front, x, back], dim=axis)


def take_in_rows(x: Tensor, places: Tensor, axis: int, batch_dims: int) -> Tensor:
    """Values along an axis; for each row of the first `batch_dims` axes by places of its own."""
    places = places.long() % x.shape[axis]
    rows = x.movedim(axis, batch_dims).flatten(0, batch_dims - 1)
    flat = places.reshape(rows.shape[0], -1)
    picked = rows[torch.arange(rows.shape[0], device=x.device)[:, None], flat]
    picked = picked.reshape(*places.shape, *picked.shape[2:])
    # Batch, places, what stood before the axis, what stood behind it.
    before, count = axis - batch_dims, places.ndim - batch_dims
    order = [*range(batch_dims), *range(places.ndim, places.ndim + before), *range(batch_dims, places.ndim)]
    return picked.permute([*order, *range(batch_dims + count + before, picked.ndim)])
