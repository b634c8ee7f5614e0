"""Operations that pick values by their places, or put them in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .. import helpers
from ..builder import GraphValue, Value
from .reducing import integers_of


def _get_item(n: Any, x: Value, key: Any) -> Any:
    parts = tuple(key) if isinstance(key, (list, tuple)) else (key,)
    bounds = [end for part in parts if isinstance(part, slice) for end in (part.start, part.stop, part.step)]
    others = [part for part in parts if not isinstance(part, slice) and part is not Ellipsis]
    forwards = all(part.step is None or part.step > 0 for part in parts if isinstance(part, slice))
    if forwards and all(end is None or isinstance(end, int) for end in (*bounds, *others)):
        return x[parts[0] if len(parts) == 1 else parts]
    x, places = _picked(n, x, _without_hole(parts, x.rank))
    for axis in reversed(places):
        x = x.squeeze(axis)
    return x


def _without_hole(parts: tuple[Any, ...], rank: int) -> list[Any]:
    """A key with whole axes for its Ellipsis and for what it leaves out."""
    used = sum(part is not None and part is not Ellipsis for part in parts)
    hole = [slice(None)] * (rank - used)
    at = parts.index(Ellipsis) if any(part is Ellipsis for part in parts) else len(parts)
    return [*parts[:at], *hole, *parts[at + 1 :]]


def _picked(n: Any, x: Value, parts: list[Any]) -> tuple[Value, list[int]]:
    """x with each part of a key applied, and the axes of size 1 that numbers have left."""
    ones: list[int] = []
    for axis, part in enumerate(parts):
        if part is None:
            x = x.unsqueeze(axis)
        elif isinstance(part, slice):
            ends: list[Any] = [end.item() if isinstance(end, GraphValue) else end for end in (part.start, part.stop)]
            if part.step is not None and part.step < 0:
                x = n.t.call(helpers.steps_back, x, axis, *ends, part.step)
            elif any(end is not None for end in (*ends, part.step)):
                x = x[(*[slice(None)] * axis, slice(ends[0], ends[1], part.step))]
        else:
            ones.append(axis)
            place = n.cast(part, torch.int64).reshape(1) % x.shape[axis] if isinstance(part, GraphValue) else None
            x = x.narrow(axis, part, 1) if place is None else x.index_select(axis, place)
    return x, ones


def _take(n: Any, x: Value, indices: Any, axis: Any) -> Any:
    x, at = (x.flatten(), 0) if axis is None else (x, axis)
    if isinstance(indices, int):
        return x.select(at, indices)
    if not isinstance(indices, GraphValue):
        raise n.refused("with these places has no translation")
    size = x.shape[at]
    places = n.cast(indices, torch.int64) % size  # negative ones count from the end
    if indices.rank == 0:
        return x.index_select(at, places.reshape(1)).squeeze(at)
    if indices.rank == 1:
        return x.index_select(at, places)
    return x.index_select(at, places.flatten()).unflatten(at, indices.shape)


def _take_along_axis(n: Any, x: Value, indices: Value, axis: Any) -> Any:
    x, at = (x.flatten(), 0) if axis is None else (x, axis)
    return torch.take_along_dim(x, n.cast(indices, torch.int64) % x.shape[at], dim=at)


def _one_hot(n: Any, x: Value, num_classes: Any, axis: int, dtype: Any, sparse: bool) -> Any:
    (count,) = integers_of(n, num_classes)
    wanted = torch.float32 if dtype is None else n.dtype(dtype)
    at = axis % (x.rank + 1)
    classes = n.t.constant(f"{n.layer.name}_classes", torch.arange(count).reshape([-1, *[1] * (x.rank - at)]))
    return (x.unsqueeze(at) == classes).to(wanted)


def _ordered(n: Any, x: Value, axis: Any, places: bool) -> Any:
    x, at = (x.flatten(), 0) if axis is None else (x, axis)
    if places:
        return x.argsort(dim=at, stable=True).to(torch.int32)
    return n.t.call(torch.sort, x, dim=at, stable=True, returns=("values", "places"))[0]


def _top_k(n: Any, x: Value, k: Any, sorted: bool) -> Any:
    found = n.t.call(torch.topk, x, *integers_of(n, k), returns=("values", "places"))
    return [found[0], found[1].to(torch.int32)]


def _batch_take(n: Any, x: Value, indices: Value, axis: int, batch_dims: int) -> Any:
    return n.t.call(helpers.take_in_rows, x, indices, axis % x.rank, batch_dims)


PICKED: dict[str, Callable[..., Any]] = {
    "Argsort": lambda n, x, axis: _ordered(n, x, axis, True),
    "BatchTake": _batch_take,
    "GetItem": _get_item,
    "OneHot": _one_hot,
    "Sort": lambda n, x, axis: _ordered(n, x, axis, False),
    "Take": _take,
    "TakeAlongAxis": _take_along_axis,
    "TopK": _top_k,
}
