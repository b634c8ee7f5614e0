"""Functions that pick values by their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, UnsupportedError, counted, quote
from .kit import Kit, axis_of, flat_if_none, integer


def get_item(kit: Kit, x: Any, key: Any) -> Tensor:
    """`x[key]`: integers, slices with any step, None, and one Ellipsis."""
    x = kit.tensor(x)
    parts = expanded(key, x.ndim)
    axis, picked = 0, x
    for part in parts:
        if part is None:
            picked, axis = picked.unsqueeze(axis), axis + 1
        elif isinstance(part, slice):
            picked, axis = _sliced(picked, axis, part), axis + 1
        elif isinstance(part, Tensor):
            if part.ndim:
                raise UnsupportedError("GetItem with a tensor of indices is not supported; use Take.")
            index = part.long().to(x.device)
            index = torch.where(index < 0, index + picked.shape[axis], index)
            picked = picked.index_select(axis, index.reshape(1)).squeeze(axis)
        else:
            picked = picked.select(axis, part)
    return picked


def expanded(key: Any, rank: int) -> list[Any]:
    """The parts of a key, an Ellipsis replaced by as many whole axes as it stands for."""
    parts = list(key) if isinstance(key, (list, tuple)) else [key]
    for part in parts:
        allowed = part is None or part is Ellipsis or isinstance(part, (slice, Tensor))
        if not allowed and (isinstance(part, bool) or not isinstance(part, int)):
            raise ArgumentError(f"GetItem: {quote(part)} is no index: expected an integer, a slice, None or Ellipsis.")
    holes = [at for at, part in enumerate(parts) if part is Ellipsis]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    if len(holes) > 1 or used > rank:
        raise ArgumentError(f"GetItem: {quote(key)} has too many indices for {counted(rank, 'axis', 'axes')}.")
    at = holes[0] if holes else len(parts)
    return [*parts[:at], *[slice(None)] * (rank - used), *parts[at + len(holes) :]]


def _sliced(x: Tensor, axis: int, part: slice) -> Tensor:
    start, stop, step = (
        None if bound is None else integer(bound, "a slice") for bound in (part.start, part.stop, part.step)
    )
    whole: list[Any] = [slice(None)] * axis
    if step is None or step > 0:
        return x[(*whole, slice(start, stop, step))]
    # torch takes no negative steps: turn the part round, then take every step-th value.
    first, last, _ = slice(start, stop, step).indices(x.shape[axis])
    return x[(*whole, slice(last + 1, max(first + 1, last + 1)))].flip(axis)[(*whole, slice(None, None, -step))]


def shape_of_item(shape: tuple[Any, ...], key: Any) -> tuple[Any, ...]:
    """The shape of `x[key]`; as in Keras a slice of an unknown size has an unknown size."""
    left = list(shape)
    found: list[Any] = []
    for part in expanded(key, len(shape)):
        if part is None:
            found.append(1)
            continue
        size = left.pop(0)
        if isinstance(part, slice):
            computed = any(isinstance(bound, Tensor) for bound in (part.start, part.stop, part.step))
            found.append(None if size is None or computed else len(range(*part.indices(size))))
        elif isinstance(part, int) and size is not None and not -size <= part < size:
            raise ArgumentError(f"GetItem: {quote(key)} is out of bounds for shape {shape}.")
    return tuple(found)


def _places(kit: Kit, x: Any, indices: Any, axis: Any) -> tuple[Tensor, int, Tensor]:
    """x and the axis, and the indices from 0 on; on one device."""
    x, at = flat_if_none(kit.tensor(x).to(kit.device), axis)
    places = kit.tensor(indices).to(device=kit.device, dtype=torch.int64)
    return x, at, torch.where(places < 0, places + x.shape[at], places)


def take(kit: Kit, x: Any, indices: Any, axis: Any) -> Tensor:
    x, at, places = _places(kit, x, indices, axis)
    picked = x.index_select(at, places.reshape(-1))
    return picked.unflatten(at, places.shape) if places.ndim else picked.squeeze(at)


def take_along_axis(kit: Kit, x: Any, indices: Any, axis: Any) -> Tensor:
    x, at, places = _places(kit, x, indices, axis)
    return torch.take_along_dim(x, places, at)


def batch_take(kit: Kit, x: Any, indices: Any, axis: Any, batch_dims: int) -> Tensor:
    """For each of the first `batch_dims` axes its own indices."""
    x, at, places = _places(kit, x, indices, axis)
    rows = x.movedim(at, batch_dims).flatten(0, batch_dims - 1)
    flat = places.reshape(rows.shape[0], -1)
    picked = rows[torch.arange(rows.shape[0], device=x.device).unsqueeze(1), flat]
    made = picked.reshape(*places.shape, *picked.shape[2:])  # batch, places, what stood before the axis, and behind it
    before, count = at - batch_dims, places.ndim - batch_dims
    order = [*range(batch_dims), *range(places.ndim, places.ndim + before), *range(batch_dims, places.ndim)]
    return made.permute([*order, *range(batch_dims + count + before, made.ndim)])


def one_hot(kit: Kit, x: Any, num_classes: Any, axis: Any, dtype: Any, sparse: bool) -> Tensor:
    if sparse:
        raise UnsupportedError("OneHot with sparse=True is not supported; make it dense.")
    x = kit.tensor(x)
    at = axis_of(axis, x.ndim + 1)
    classes = torch.arange(integer(num_classes, "num_classes"), device=x.device)
    wide = classes.reshape([-1, *[1] * (x.ndim - at)])
    # A class that is not there has no place: all zeros.
    return (x.long().unsqueeze(at) == wide).to(kit.dtype("float32") if dtype is None else kit.dtype(dtype))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "BatchTake": batch_take,
    "GetItem": get_item,
    "OneHot": one_hot,
    "Take": take,
    "TakeAlongAxis": take_along_axis,
}
