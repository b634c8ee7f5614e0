"""Functions of torch that join tensors, part them, and pick places out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .. import layers
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._open import in_rows, lengthened, picked, row_numbers
from ._reads import READS
from ._size import BATCH, Size, from_the_end, has_batch, read_as_numbers, same, symbol, unknown
from ._value import OPEN, ORDER, ROWS, OneRow, Value, one_list

if TYPE_CHECKING:
    from ._protocol import Tracer

Function = Callable[..., Any]

# ---------------------------------------------------------------- joining and parting


def _cat(tracer: Tracer, tensors: Sequence[Any], dim: int = 0) -> Value:
    parts, first = _alike(tracer, tensors)
    axis = first.axis(dim, "joins")
    return first.with_tensor(layers.Concatenate(axis if axis < len(first.order) - 1 else -1)(parts))


def _stack(tracer: Tracer, tensors: Sequence[Any], dim: int = 0) -> Value:
    parts, first = _alike(tracer, tensors)
    dim %= first.rank + 1
    order = [old + (old >= dim) if old is not None else None for old in first.order]
    place = 1 + sum(axis is not None and axis < dim for axis in order[1:])
    tensor = apply("Stack", parts, axis=place)
    return Value([*order[:place], dim, *order[place:]], tensor, rows=first.rows)


def _alike(tracer: Tracer, tensors: Sequence[Any]) -> tuple[list[SymbolicTensor], Value]:
    given = [item for item in tensors if isinstance(item, Value)]
    first = next((item for item in given if item.batch is not None), given[0])
    values = []
    for item in tensors:
        if first.batch is None and isinstance(item, Tensor):
            item = in_rows(tracer, item)  # constants beside parameters
        if isinstance(item, Value) and item.batch == first.batch and item.rank == first.rank:
            values.append(item)
        else:
            raise UnsupportedError(
                "cat or stack of a tensor that has the batch axis and one that has it elsewhere, or not at all: "
                "expand the second to (x.size(0), ...)"
            )
    if any(not same(value.rows, first.rows) for value in values):
        raise UnsupportedError("cat or stack of tensors with different numbers of rows")
    return [value.arranged(first.axes) for value in values], first


def _cut(input: Value, dim: int, sections: Sequence[int]) -> list[Value]:
    axis = input.axis(dim, "is cut")
    bounds = np.cumsum(sections)[:-1].tolist()
    parts = apply("Split", input.tensor, bounds, axis=axis) if bounds else [input.tensor]
    return [Value(input.order, part, rows=input.rows) for part in parts]


def _known_size(input: Value, dim: int) -> int:
    size = input.tensor.shape[input.axis(dim, "is cut")]
    if size is None:
        raise UnsupportedError("chunk, split or unbind of an axis whose size is not known")
    return size


def _chunk(tracer: Tracer, input: Value, chunks: int, dim: int = 0) -> list[Value]:
    size = _known_size(input, dim)
    return _split(tracer, input, -(-size // chunks), dim)


def _split(tracer: Tracer, input: Value, split_size: Any, dim: int = 0) -> list[Value]:
    if isinstance(split_size, (list, tuple)):
        return _cut(input, dim, split_size)
    size = _known_size(input, dim)
    sections = [min(split_size, size - start) for start in range(0, size, split_size)]
    return _cut(input, dim, sections)


def _unbind(tracer: Tracer, input: Value, dim: int = 0) -> list[Value]:
    if input.parts is not None and input.dim(dim) == 0:
        return [_part(input, index) for index in range(len(input.parts()))]
    size = _known_size(input, dim)
    return [_select(tracer, input, dim, index) for index in range(size)]


def _part(input: Value, index: int) -> Value:
    assert input.parts is not None
    return Value(input.without([0]), input.parts()[index], rows=input.rows)


# ---------------------------------------------------------------- indices


def _select(tracer: Tracer, input: Value, dim: int, index: int) -> Value:
    return _getitem(tracer, input, (*[slice(None)] * input.dim(dim), index))


def _narrow(tracer: Tracer, input: Value, dim: int, start: int, length: int) -> Value:
    return _getitem(tracer, input, (*[slice(None)] * input.dim(dim), slice(start, start + length)))


def _getitem(tracer: Tracer, input: Any, key: Any) -> Value:
    keys = list(key) if isinstance(key, tuple) else [key]
    if isinstance(input, Tensor):
        return _of_constant(tracer, input, keys)
    keys = [_row_numbers_in(input, item) for item in keys]
    if any(item is ORDER for item in keys):
        if keys.index(ORDER) == input.batch and all(item is ORDER or whole(item) for item in keys):
            return input
        raise UnsupportedError("rows in another order, in another way than x[order]")
    if any(isinstance(item, (Value, Tensor, list)) for item in keys):
        if sum(item is Ellipsis for item in keys) == 1:
            place = next(place for place, item in enumerate(keys) if item is Ellipsis)
            rest = [slice(None)] * (input.rank - sum(item is not None for item in keys) + 1)
            keys = [*keys[:place], *rest, *keys[place + 1 :]]
        chosen = by_list(keys)
        return _place_of_each_row(tracer, input, keys) if chosen is None else _listed(tracer, input, *chosen)
    used = sum(item is not None and item is not Ellipsis for item in keys)
    rest = [slice(None)] * (input.rank - used)
    place = keys.index(Ellipsis) if Ellipsis in keys else len(keys)
    keys = [*keys[:place], *rest, *keys[place + 1 :]]
    per_axis = [item for item in keys if item is not None]
    if input.parts is not None and isinstance(per_axis[0], int) and all(whole(item) for item in per_axis[1:]):
        made = _part(input, per_axis[0])
    else:
        made = _sliced(input, per_axis)
    place = 0
    for item in keys:
        if item is None:
            made = made.expanded(place)
        place += not _picks(item)
    return made


def by_list(keys: Sequence[Any]) -> tuple[list[Any], int, list[int]] | None:
    """`x[:, [0, 2]]`: places of one axis in a list, or a constant of integers or booleans, beside numbers and slices.

    Returns:
        The keys with all places in its place, its place among them, and the places; None if it is something else.
    """
    listed = [place for place, key in enumerate(keys) if isinstance(key, (list, Tensor, Value))]
    if len(listed) != 1 or isinstance(keys[listed[0]], Value):
        return None
    (place,) = listed
    if isinstance(keys[place], list) and not all(map(_picks, keys[place])):
        return None
    places = torch.as_tensor(read_as_numbers(keys[place]))
    if places.ndim != 1 or places.is_floating_point() or places.is_complex():
        return None
    numbered = [other for other, key in enumerate(keys) if other == place or _picks(key)]
    if len(numbered) > 1 and numbered[-1] - numbered[0] >= len(numbered):
        return None  # torch puts the axis in front
    places = places.nonzero()[:, 0] if places.dtype == torch.bool else places
    return [*keys[:place], slice(None), *keys[place + 1 :]], place, places.tolist()


def _listed(tracer: Tracer, input: Value, keys: list[Any], place: int, places: list[int]) -> Value:
    left, dim = _getitem(tracer, input, tuple(keys)), sum(not _picks(key) for key in keys[:place])
    size = left.tensor.shape[left.axis(dim, "is picked from")]
    if size is not None:
        places = [number % size for number in places]
    elif any(number < 0 for number in places):  # counted from an end that is elsewhere for every input
        return _stack(tracer, [_select(tracer, left, dim, number) for number in places], dim)
    return _index_select(tracer, left, dim, torch.tensor(places))


def _row_numbers_in(input: Value, key: Any) -> Any:
    """`range(len(x))`, also as a list, as what `arange(x.size(0))` is."""
    if not isinstance(key, (range, list)) or input.batch is None or list(key) != list(range(len(key))):
        return key
    reads = READS.get()
    read = [place for place, read in enumerate(reads or ()) if read.symbols == {BATCH} and read.holds is None]
    if len(key) != input.sizes[input.batch] or reads is None or not read:
        return list(key)
    del reads[read[-1]]  # Python has made row numbers of it, and nothing else
    return row_numbers()


def _place_of_each_row(tracer: Tracer, input: Value, keys: list[Any]) -> Value:
    """`x[arange(B), places]`: of each row the place that a number says."""
    keys = [*keys, *[slice(None)] * (input.rank - len(keys))]
    if _names_every_row(input, keys):
        return _getitem(tracer, input, tuple(slice(None) if isinstance(key, Value) else key for key in keys))
    picked = [dim for dim, key in enumerate(keys) if not isinstance(key, slice)]
    by_number = [dim for dim in picked if not isinstance(keys[dim], int)]
    if (
        len(keys) != input.rank
        or len(by_number) != 2
        or not all(isinstance(keys[dim], Value) and keys[dim].order == (0,) for dim in by_number)
        or sum(keys[dim].row_numbers for dim in by_number) != 1
    ):
        raise UnsupportedError(
            "x[index] with a tensor or a list, in another way than x[arange(x.size(0)), places, ...]: use "
            "torch.gather, index_select or a mask"
        )
    (row,) = (dim for dim in by_number if keys[dim].row_numbers)
    (dim,) = (dim for dim in by_number if dim != row)
    if row != input.batch or (min(picked) and max(picked) == min(picked) + len(picked) - 1):
        raise UnsupportedError("x[arange, places] with the batch axis elsewhere: transpose before")
    rest = [axis for axis in range(input.rank) if axis not in by_number]
    tensor, index = input.arranged([dim, *rest]), apply("ExpandDims", keys[dim].tensor, 1)
    for place, axis in enumerate(rest, 2):
        index, size = apply("ExpandDims", index, -1), input.size(axis)
        index = lengthened(index, place, size) if isinstance(size, Size) else apply("Repeat", index, size, place)
    made = Value((0, *range(1, 1 + len(rest))), apply("Squeeze", apply("TakeAlongAxis", tensor, index, axis=1), 1))
    made.sizes = tuple(input.sizes[axis] for axis in (row, *rest))
    return _sliced(made, [slice(None), *(keys[axis] for axis in rest)])


def _names_every_row(input: Value, keys: list[Any]) -> bool:
    """`x[arange(B), -1]`: numbers and slices beside all rows, with the axes where `x[:, -1]` has them."""
    rows = [dim for dim, key in enumerate(keys) if isinstance(key, Value) and key.row_numbers]
    others = [key for key in keys if not isinstance(key, Value)]
    if (
        rows != [input.batch]
        or len(others) + 1 != len(keys)
        or not all(_picks(key) or isinstance(key, slice) for key in others)
    ):
        return False
    numbered = [dim for dim, key in enumerate(keys) if not isinstance(key, slice)]
    together = numbered[-1] - numbered[0] == len(numbered) - 1
    return together or not any(isinstance(key, slice) for key in keys[: rows[0]])


def _of_constant(tracer: Tracer, constant: Tensor, keys: list[Any]) -> Value:
    """`table[:, :T]`: as many places of a constant as there are steps."""
    if any(isinstance(key, (Value, Tensor, list)) for key in keys):
        raise UnsupportedError("x[index] of a constant by a tensor: use nn.Embedding")
    open_ones = [key for key in keys if isinstance(key, slice) and (unknown(key.start) or unknown(key.stop))]
    place = next((place for place, key in enumerate(keys) if key is open_ones[0]), 0) if open_ones else 0
    before = keys[:place]
    if len(open_ones) != 1 or None in before or Ellipsis in before:
        raise UnsupportedError("x[index] of a constant, with a size that is not known, in another way than x[:, :T]")
    (key,) = open_ones
    if unknown(key.start) or key.step not in (None, 1) or has_batch(key.stop):
        raise UnsupportedError("x[index] of a constant, with a size that is not known, in another way than x[:, :T]")
    first = key.start or 0
    axis = sum(not isinstance(item, int) for item in before)
    left = constant[(*before, slice(None), *keys[place + 1 :])]
    return picked(tracer, left, axis, first, key.stop - first)


def whole(key: Any) -> bool:
    return isinstance(key, slice) and key.start in (None, 0) and key.stop is None and key.step in (None, 1)


def _all_rows(key: Any) -> bool:
    """`x[:len(x)]`."""
    return (
        isinstance(key, slice)
        and unknown(key.stop)
        and same(key.stop, symbol(BATCH, 1))
        and whole(slice(key.start, None, key.step))
    )


def _sliced(input: Value, per_axis: Sequence[Any]) -> Value:
    if input.batch is not None and _all_rows(per_axis[input.batch]):
        per_axis = [slice(None) if axis == input.batch else key for axis, key in enumerate(per_axis)]
    if all(map(whole, per_axis)):
        return input
    if input.batch is not None and not whole(per_axis[input.batch]):
        others = [key for axis, key in enumerate(per_axis) if axis != input.batch]
        if _picks(per_axis[input.batch]) and all(map(whole, others)):
            return OneRow(input)
        raise UnsupportedError(ROWS)
    item = [slice(None), *(without_sizes(input, axis, per_axis[axis]) for axis in input.axes)]
    # The first or last step alone, as a slice of an open axis: one place, and not a size that is not known.
    single = [place for place, size in enumerate(input.tensor.shape) if size is None and _at_an_end(item[place])]
    for place in single:
        item[place] = item[place].start or 0
    kept = [place for place, key in enumerate(item) if isinstance(key, slice) or place in single]
    while item and whole(item[-1]):
        item.pop()
    tensor = input.tensor[tuple(item)] if item else input.tensor
    for place in single:
        tensor = apply("ExpandDims", tensor, kept.index(place))
    gone = [axis for axis in input.axes if _picks(per_axis[axis])]
    return Value(input.without(gone), tensor, rows=input.rows)


def _picks(key: Any) -> bool:
    """Whether it is an index of one place, whose axis is gone then."""
    return isinstance(key, int) or unknown(key)


def _at_an_end(key: Any) -> bool:
    """Whether a slice is the first place or the last."""
    if not isinstance(key, slice) or key.step not in (None, 1):
        return False
    return (key.start in (None, 0) and key.stop == 1) or (key.start == -1 and key.stop is None)


def without_sizes(input: Value, axis: int, key: Any) -> Any:
    """A key without sizes; what is counted from an unknown size is counted from the end."""
    size = input.size(axis) if input.sizes else None
    if not isinstance(key, slice):
        return int(from_the_end(key, size))
    start = None if key.start is None else from_the_end(key.start, size)
    stop = None if key.stop is None or (unknown(size) and same(key.stop, size)) else from_the_end(key.stop, size)
    made = slice(*(None if part is None else int(part) for part in (start, stop, key.step)))
    if isinstance(size, Size) and made.step in (None, 1) and (axes := OPEN.get()) is not None:
        places: list[Any] = [made.start or 0, size if made.stop is None else made.stop]
        begin, end = (size + place if isinstance(place, int) and place < 0 else place for place in places)
        count = end - begin
        if isinstance(count, Size) and count.value >= 0:
            axes.sizes.setdefault(count.value, count)  # so an axis of this size in the example is known
    return made


def _index_select(tracer: Tracer, input: Value, dim: int, index: Any) -> Value:
    if index is ORDER and input.dim(dim) == input.batch:
        return input
    if isinstance(index, Value):
        raise UnsupportedError("index_select with an index that is computed: use torch.gather")
    axis = input.axis(dim, "is picked from")
    return input.with_tensor(apply("Take", input.tensor, index.cpu().numpy(), axis=axis))


def _gather(tracer: Tracer, input: Value, dim: int, index: Value) -> Value:
    axis = input.axis(dim, "is picked from")
    if not isinstance(index, Value) or index.batch != input.batch or index.rank != input.rank:
        raise UnsupportedError("gather with an index that has not the batch axis where x has it")
    sizes = zip(index.arranged(input.axes).shape, input.tensor.shape, strict=True)
    if any(one != other for place, (one, other) in enumerate(sizes) if place not in (0, axis)):
        raise UnsupportedError("gather with an index that is shorter than x on other axes than dim")
    return input.with_tensor(apply("TakeAlongAxis", input.tensor, index.arranged(input.axes), axis=axis))


def _unfold(
    tracer: Tracer, input: Value, dimension: Any = None, size: Any = None, step: Any = None, **images: Any
) -> Value:
    """Windows along an axis, each in a new last axis: `x.unfold(1, 3, 1)`; not `F.unfold`, which is for images."""
    if images or not all(isinstance(number, int) for number in (dimension, size, step)):
        raise UnsupportedError("unfold in another way than x.unfold(dimension, size, step)")
    axis = input.axis(dimension, "is cut into windows")
    length = input.tensor.shape[axis]
    if length is not None:
        places = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
        order = [*input.order[: axis + 1], input.rank, *input.order[axis + 1 :]]
        return Value(order, apply("Take", input.tensor, places, axis=axis), rows=input.rows)
    before = [slice(None)] * input.dim(dimension)
    # The last window ends with the last place, however many there are.
    keys = [slice(first, first - size + 1 or None, step) for first in range(size)]
    return _stack(tracer, [_getitem(tracer, input, (*before, key)) for key in keys], -1)


def _flip(tracer: Tracer, input: Value, *dims: Any) -> Value:
    axes = [input.axis(dim, "is turned round") for dim in one_list(dims)]
    return input.with_tensor(apply("Flip", input.tensor, axis=axes[0] if len(axes) == 1 else axes))


def _roll(tracer: Tracer, input: Value, shifts: Any, dims: Any) -> Value:
    for shift, dim in zip(one_list([shifts]), one_list([dims]), strict=True):
        input = input.with_tensor(apply("Roll", input.tensor, shift, axis=input.axis(dim, "is rolled")))
    return input


def _tri(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, diagonal: int = 0) -> Value:
        if input.axes[-2:] != sorted(input.axes)[-2:]:
            input = Value((input.order[0], *sorted(input.axes)), input.natural(), rows=input.rows)
        return input.with_tensor(apply(operation, input.tensor, k=diagonal))

    return function


FUNCTIONS: Mapping[str, Function] = {
    **dict.fromkeys(("cat", "concat", "concatenate"), _cat),
    "stack": _stack,
    "chunk": _chunk,
    "split": _split,
    "unbind": _unbind,
    "select": _select,
    "narrow": _narrow,
    "__getitem__": _getitem,
    "index_select": _index_select,
    "gather": _gather,
    "unfold": _unfold,
    "flip": _flip,
    "roll": _roll,
    "tril": _tri("Tril"),
    "triu": _tri("Triu"),
}
