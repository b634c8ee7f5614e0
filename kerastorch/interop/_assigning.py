"""`x[index] = y`: torch changes a tensor, a layer makes another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import layers
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from . import _indexing, _pointwise, _shaping
from ._size import read_as_numbers, unknown
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer

_REASON = "item assignment (x[...] = y) "


class Assigned(Value):
    """A tensor of which places along one axis have been assigned; it is put together when it is asked for.

    A loop assigns step after step, and what is between two steps is mostly not looked at.
    """

    def __init__(self, base: Value, axis: int, parts: dict[int, Value]) -> None:
        super().__init__(base.order, self._joined, rows=base.rows)
        self.base, self.its_axis, self.assigned = base, axis, parts

    def _joined(self) -> SymbolicTensor:
        axis, size = self.its_axis, self.base.tensor.shape[self.its_axis]
        pieces: list[SymbolicTensor] = []
        place = 0
        while place < size:
            if place in self.assigned:
                pieces.append(self.assigned[place].tensor)
                place += 1
                continue
            end = next((other for other in range(place, size) if other in self.assigned), size)
            pieces.append(self.base.tensor[(*[slice(None)] * axis, slice(place, end))])
            place = end
        if len(pieces) == 1:
            return pieces[0]
        return layers.Concatenate(axis if axis < len(self.order) - 1 else -1)(pieces)


def _assign(tracer: Tracer, input: Any, key: Any, value: Any) -> Value:
    if not isinstance(input, Value):
        raise UnsupportedError(
            f"{_REASON}to a constant: make it with x.size(0), as a tensor that has rows of the batch"
        )
    if isinstance(key, Value) and key.tensor.dtype == torch.bool:
        return _where_true(tracer, input, key, value)
    keys: list[Any] = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [item for item in keys if not isinstance(item, (Value, Tensor))]:
        place = keys.index(Ellipsis)
        keys[place : place + 1] = [slice(None)] * (input.rank - len(keys) + 1)
    keys += [slice(None)] * (input.rank - len(keys))
    listed = _indexing.by_list(keys)
    if listed is not None:
        keys[listed[1]] = _in_a_row(listed[2])
    chosen = [dim for dim, item in enumerate(keys) if not _indexing.whole(item)]
    if len(keys) != input.rank or not all(
        isinstance(keys[dim], (int, slice)) or unknown(keys[dim]) or (listed and dim == listed[1]) for dim in chosen
    ):
        raise UnsupportedError(f"{_REASON}is written for places by number, and for a mask: build it with torch.cat")
    for dim in chosen:
        input.axis(dim, "is assigned")
    if not chosen:
        return _like(tracer, input, value)
    if len(chosen) > 1:  # a part of what the first key picks
        part = _indexing.FUNCTIONS["__getitem__"](tracer, input, tuple(keys[: chosen[0] + 1]))
        picked = not isinstance(keys[chosen[0]], (slice, list))
        inner = [*keys[: chosen[0]], *([] if picked else [slice(None)]), *keys[chosen[0] + 1 :]]
        value, keys[chosen[0] + 1 :] = (
            _assign(tracer, part, tuple(inner), value),
            [slice(None)] * (input.rank - chosen[0] - 1),
        )
    return _along_one(tracer, input, keys, chosen[0], value)


def _along_one(tracer: Tracer, input: Value, keys: list[Any], dim: int, value: Any) -> Value:
    axis, item = input.axis(dim, "is assigned"), keys[dim]
    target = _indexing.FUNCTIONS["__getitem__"](tracer, input, tuple(keys))
    filled = _like(tracer, target, value)
    size = input.tensor.shape[axis]
    if size is None:
        return _along_open(tracer, input, keys, dim, filled)
    places: Any = [place % size for place in item] if isinstance(item, list) else range(size)[read_as_numbers(item)]
    if isinstance(places, int):
        filled, places = _shaping.unsqueeze(tracer, filled, dim), range(places, places + 1)
    ordered = filled.arranged(input.axes)
    parts = dict(input.assigned) if isinstance(input, Assigned) and input.its_axis == axis else {}
    base = input.base if parts and isinstance(input, Assigned) else input
    for index, place in enumerate(places):
        one = ordered[(*[slice(None)] * axis, slice(index, index + 1))] if len(places) > 1 else ordered
        parts[place] = Value(input.order, one, rows=input.rows)
    return Assigned(base, axis, parts)


def _along_open(tracer: Tracer, input: Value, keys: list[Any], dim: int, filled: Value) -> Value:
    """Places that are counted from the ends of an axis whose size is not known."""
    if isinstance(keys[dim], list):
        raise UnsupportedError(f"{_REASON}by a list along an axis whose size is not known: build it with torch.cat")
    axis, item = input.axis(dim, "is assigned"), _indexing.without_sizes(input, dim, keys[dim])
    if not isinstance(item, slice):
        filled = _shaping.unsqueeze(tracer, filled, dim)
        item = slice(item, item + 1 or None)
    elif item.step not in (None, 1):
        raise UnsupportedError(f"{_REASON}in steps along an axis whose size is not known: build it with torch.cat")
    before, behind = slice(None, item.start or 0), slice(item.stop, None)
    pieces = [filled.arranged(input.axes)]
    if item.start:
        pieces.insert(0, input.tensor[(*[slice(None)] * axis, before)])
    if item.stop is not None:
        pieces.append(input.tensor[(*[slice(None)] * axis, behind)])
    return input.with_tensor(layers.Concatenate(axis if axis < len(input.order) - 1 else -1)(pieces))


def _in_a_row(places: list[int]) -> list[int] | slice:
    """A list of places as a slice, where it is one."""
    if places and places[0] >= 0 and places == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[-1] + 1)
    return places


def _like(tracer: Tracer, target: Value, value: Any) -> Value:
    """What is assigned, in the sizes and the dtype of what it is assigned to."""
    same = isinstance(value, Value) and value.batch == target.batch and value.rank == target.rank
    if not same or value.arranged(target.axes).shape != target.tensor.shape:
        (zeros, other), wrap = _pointwise.aligned(target.with_tensor(apply("ZerosLike", target.tensor)), value)
        value = wrap(apply("Add", zeros, other))
    return _pointwise.cast(value, target.tensor.dtype)


def _where_true(tracer: Tracer, input: Value, mask: Value, value: Any) -> Value:
    if isinstance(value, Tensor) and not value.ndim:
        value = value.item()
    if isinstance(value, (Value, Tensor)):
        raise UnsupportedError(f"{_REASON}of a tensor where a mask is true: use torch.where")
    while mask.rank < input.rank:
        mask = _shaping.unsqueeze(tracer, mask, mask.rank)
    return _pointwise.FUNCTIONS["masked_fill"](tracer, input, mask, value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {"__setitem__": _assign}
