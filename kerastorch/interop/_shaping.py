"""Functions of torch that put the same numbers into other axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import layers
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._open import in_rows, lengthened, rows_of
from ._size import Size, has_batch, per_batch, plain, product, same, unknown
from ._value import Joined, Value, one_list

if TYPE_CHECKING:
    from ._protocol import Tracer

Function = Callable[..., Any]


# ---------------------------------------------------------------- axes in another order: in Keras nothing moves


def _transpose(tracer: Tracer, input: Value, dim0: int, dim1: int) -> Value:
    moved = list(range(input.rank))
    one, other = input.dim(dim0), input.dim(dim1)
    moved[one], moved[other] = other, one
    return input.relabelled(moved)


def _permute(tracer: Tracer, input: Value, *dims: Any) -> Value:
    return input.relabelled([input.dim(dim) for dim in one_list(dims)])


def _turned(tracer: Tracer, input: Value) -> Value:
    return input.relabelled(list(range(input.rank))[::-1])


def _matrix_turned(tracer: Tracer, input: Value) -> Value:
    return _transpose(tracer, input, -1, -2)


def _movedim(tracer: Tracer, input: Value, source: Any, destination: Any) -> Value:
    sources = [input.dim(dim) for dim in (source if isinstance(source, (list, tuple)) else [source])]
    places = [input.dim(dim) for dim in (destination if isinstance(destination, (list, tuple)) else [destination])]
    moved = [dim for dim in range(input.rank) if dim not in sources]
    for place, dim in sorted(zip(places, sources, strict=True)):
        moved.insert(place, dim)
    return input.relabelled(moved)


# ---------------------------------------------------------------- axes of one place


def unsqueeze(tracer: Tracer, input: Value, dim: int) -> Value:
    return input.expanded(dim % (input.rank + 1))


def _squeeze(tracer: Tracer, input: Value, dim: Any = None) -> Value:
    if dim is None:
        if input.batch is not None and input.sizes[input.batch] == 1:
            raise UnsupportedError("squeeze() without dim takes the batch axis of one row away too: state dim")
        tracer.notes.append("squeeze() without dim: the model keeps the batch axis, also of one row")
        dim = [item for item in range(input.rank) if item != input.batch]
    dims = [input.dim(item) for item in (dim if isinstance(dim, (list, tuple)) else [dim])]
    if input.batch in dims:
        raise UnsupportedError("squeeze of the batch axis: a Keras model keeps it")
    axes = [input.order.index(item) for item in dims]
    gone = [(item, axis) for item, axis in zip(dims, axes, strict=True) if input.tensor.shape[axis] == 1]
    if not gone:
        return input
    axis = gone[0][1] if len(gone) == 1 else [axis for _, axis in gone]
    return Value(input.without(item for item, _ in gone), apply("Squeeze", input.tensor, axis), rows=input.rows)


# ---------------------------------------------------------------- other sizes


def _reshape(tracer: Tracer, input: Any, *shape: Any) -> Any:
    wanted = one_list(shape)
    if len(wanted) == 1 and isinstance(wanted[0], torch.dtype):
        raise UnsupportedError("view(dtype): use .to(dtype)")
    return reshaped(input, wanted)


def _reshape_as(tracer: Tracer, input: Any, other: Any) -> Any:
    return reshaped(input, other.shape() if isinstance(other, Value) else other.shape)


def _flatten(tracer: Tracer, input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if isinstance(input, Joined):
        if start_dim % input.rank == 0:
            raise UnsupportedError("flatten of a tensor that joins two axes")
        inner = _flatten(tracer, input.value, start_dim % input.rank + 1, end_dim % input.rank + 1)
        return Joined(inner, input.front)
    start, end = input.dim(start_dim), input.dim(end_dim)
    sizes = input.shape()
    if start == 1 and end == input.rank - 1 and input.batch == 0 and input.rank > 2:
        if None in input.tensor.shape[1:]:
            raise UnsupportedError("flatten of an axis whose size is not known")
        return Value((0, 1), layers.Flatten()(input.natural()), rows=input.rows)
    return reshaped(input, [*sizes[:start], product(sizes[start : end + 1]), *sizes[end + 1 :]])


def _unflatten(tracer: Tracer, input: Any, dim: int, sizes: Any) -> Any:
    place, old = dim % input.rank, input.shape()
    parts = list(sizes)
    if (free := _free(parts)) is not None:
        parts[free] = old[place] // product(part for part in parts if unknown(part) or part != -1)
    return reshaped(input, [*old[:place], *parts, *old[place + 1 :]])


def reshaped(input: Any, shape: Sequence[int | Size]) -> Any:
    """torch's reshape, as long as the batch keeps an axis of its own, or is joined with the axis beside it."""
    old, new = input.shape(), list(shape)
    if (free := _free(new)) is not None:
        others = product(size for size in new if unknown(size) or size != -1)
        new[free] = product(old) // others
    if isinstance(input, Joined):
        return _rejoined(input, new)
    batches = [place for place, size in enumerate(new) if per_batch(size, 1) is not None]
    if input.batch is None:
        return Value((None, *range(len(new))), _reshape_rows(input, new))
    if len(batches) != 1:
        raise UnsupportedError(
            f"a view of shape {tuple(map(plain, shape))}, in which the batch has no axis of its own: write its size as "
            "x.size(0), or -1"
        )
    (batch,) = batches
    rest = [*new[:batch], *new[batch + 1 :]]
    axes = [axis for axis in range(len(new)) if axis != batch]
    if same(new[batch], old[input.batch]):
        if not same(product(new[:batch]), product(old[: input.batch])):
            raise UnsupportedError("a view that moves numbers over the batch axis: transpose before")
        tensor = _reshape_rows(input, rest)
        return Value((batch, *axes), tensor, rows=input.rows)
    rows = per_batch(new[batch], plain(old[input.batch]) // plain(input.rows))
    if batch or input.batch or any(map(unknown, rest)) or rows is None or unknown(rows):
        if input.batch in (0, 1) and len(old) > 1 and same(new[0], old[0] * old[1]) and same(input.rows, 1):
            return Joined(reshaped(input, [*old[:2], *new[1:]]), old[:2])
        raise UnsupportedError(
            "a view that joins the batch with an axis of unknown size, or parts it: state that axis's size, or let "
            "the layers work on (batch, time, ...) as it is"
        )
    tensor = apply("Reshape", input.natural(), [-1, *map(int, rest)])
    return Value((batch, *axes), tensor, rows=rows)


def _rejoined(input: Joined, new: list[Any]) -> Any:
    first, second = input.front
    if len(new) > 1 and same(new[0], first) and same(new[1], second):
        return reshaped(input.value, new)
    if same(new[0], first * second):
        return Joined(reshaped(input.value, [first, second, *new[1:]]), input.front)
    raise UnsupportedError(
        f"a view of shape {tuple(map(plain, new))} of a tensor that joins two axes: part them again as they were, "
        f"{(plain(first), plain(second))}"
    )


def _free(sizes: Sequence[Any]) -> int | None:
    """The place of -1."""
    return next((place for place, size in enumerate(sizes) if not unknown(size) and size == -1), None)


def _reshape_rows(input: Value, rest: Sequence[int]) -> SymbolicTensor:
    """Every row of the batch in another shape."""
    open_ones = [place for place, size in enumerate(rest) if unknown(size)]
    if len(open_ones) > 1:
        raise UnsupportedError("a view with two sizes that are not known")
    tensor = input.natural()
    target = [None if unknown(size) else int(size) for size in rest]
    if list(tensor.shape[1:]) == target:
        return tensor
    return layers.Reshape([-1 if size is None else size for size in target])(tensor)


def _expand(tracer: Tracer, input: Any, *sizes: Any) -> Value:
    wanted = one_list(sizes)
    if isinstance(input, Tensor):
        return _rows_of_constant(tracer, input, wanted)
    for _ in range(len(wanted) - input.rank):
        input = _keeping_sizes(input.expanded(0), (1, *input.sizes))
    for dim, size in enumerate(wanted):
        if unknown(size) or int(size) != -1:
            input = _widened(input, dim, size)
    return input


def _keeping_sizes(value: Value, sizes: Sequence[int]) -> Value:
    value.sizes = tuple(sizes)
    return value


def _widened(input: Value, dim: int, size: int | Size) -> Value:
    """An axis of one place with its number `size` times."""
    if dim == input.batch:
        if not same(size, input.size(dim)):
            raise UnsupportedError("expand or repeat of the batch axis")
        return input
    axis = input.order.index(dim)
    sizes = tuple(plain(size) if place == dim else old for place, old in enumerate(input.sizes))
    if has_batch(size) and input.batch is None:
        tensor = apply("Squeeze", input.tensor, axis)
        order = [dim, *(item for item in input.axes if item != dim)]
        return _keeping_sizes(Value(order, tensor), sizes)
    if input.tensor.shape[axis] != 1 or (not unknown(size) and size == 1):
        return input
    if isinstance(size, Size):
        tensor = lengthened(input.tensor, axis, size)
        return _keeping_sizes(Value(input.order, tensor, rows=input.rows), sizes)
    return _keeping_sizes(Value(input.order, apply("Repeat", input.tensor, int(size), axis), rows=input.rows), sizes)


def _rows_of_constant(tracer: Tracer, input: Tensor, wanted: Sequence[int | Size]) -> Value:
    """A constant that is expanded to the batch size, or to one that is not known."""
    if not any(map(has_batch, wanted)):
        return _expand(tracer, _keeping_sizes(in_rows(tracer, input), input.shape), wanted)
    full = input[(None,) * (len(wanted) - input.ndim)]
    batch = next(place for place, size in enumerate(wanted) if has_batch(size))
    if full.shape[batch] != 1:
        raise UnsupportedError("a constant that has rows of the batch")
    expanded = full.select(batch, 0).expand(*(int(size) for place, size in enumerate(wanted) if place != batch))
    order = (batch, *(axis for axis in range(full.ndim) if axis != batch))
    return Value(order, lambda: rows_of(tracer, expanded.cpu().numpy(), input.dtype), fill=_one_number(expanded))


def _one_number(tensor: Tensor) -> float | None:
    return float(tensor.flatten()[0]) if bool((tensor == tensor.flatten()[0]).all()) else None


def _repeat(tracer: Tracer, input: Any, *repeats: Any) -> Value:
    counts = one_list(repeats)
    if isinstance(input, Tensor) and not any(map(has_batch, counts)):
        input = _keeping_sizes(in_rows(tracer, input), input.shape)
    if isinstance(input, Tensor):
        ones = [int(count) if not isinstance(count, Size) else 1 for count in counts]
        return _rows_of_constant(
            tracer, input.repeat(ones), [count if isinstance(count, Size) else -1 for count in counts]
        )
    for _ in range(len(counts) - input.rank):
        input = _keeping_sizes(input.expanded(0), (1, *input.sizes))
    for dim, count in enumerate(counts):
        if not unknown(count) and count == 1:
            continue
        if dim == input.batch:
            raise UnsupportedError("expand or repeat of the batch axis")
        if input.sizes[dim] == 1:
            input = _widened(input, dim, count)
        else:
            tiles = [1] * input.tensor.ndim
            tiles[input.order.index(dim)] = int(count)
            input = Value(input.order, apply("Tile", input.tensor, tiles), rows=input.rows)
    return input


def _repeat_interleave(tracer: Tracer, input: Value, repeats: int, dim: int) -> Value:
    tensor = apply("Repeat", input.tensor, int(repeats), input.axis(dim, "is repeated"))
    return Value(input.order, tensor, rows=input.rows)


FUNCTIONS: Mapping[str, Function] = {
    **dict.fromkeys(("transpose", "swapaxes", "swapdims"), _transpose),
    "permute": _permute,
    **dict.fromkeys(("t", "adjoint", "mT"), _matrix_turned),
    "T": _turned,
    **dict.fromkeys(("movedim", "moveaxis"), _movedim),
    "unsqueeze": unsqueeze,
    "squeeze": _squeeze,
    **dict.fromkeys(("reshape", "view"), _reshape),
    **dict.fromkeys(("view_as", "reshape_as"), _reshape_as),
    "flatten": _flatten,
    "unflatten": _unflatten,
    "expand": _expand,
    "expand_as": lambda tracer, input, other: _expand(tracer, input, other.shape()),
    "repeat": _repeat,
    "tile": _repeat,
    "repeat_interleave": _repeat_interleave,
}
