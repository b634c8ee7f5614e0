"""Tensors of sizes that the model does not know: numbers of steps, positions, constants as long as an input."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .. import layers
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._size import BATCH, Ratio, Size, has_batch, plain, same, symbol, unknown
from ._value import OPEN, Value

if TYPE_CHECKING:
    from ._protocol import Tracer

_RATIOS = {
    "+": "Add", "-": "Subtract", "*": "Multiply", "/": "TrueDivide", "//": "FloorDivide", "%": "Mod", "**": "Power",
}  # fmt: skip


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def ones_along(size: Size, dtype: torch.dtype) -> SymbolicTensor:
    """Ones `(B, size)`.

    Raises:
        UnsupportedError: The size is no sum of sizes that tensors have.
    """
    axes = OPEN.get()
    assert axes is not None
    parts: list[SymbolicTensor] = []
    less = 0
    for names, factor in size.terms.items():
        if not names:
            less = factor
            continue
        if len(names) != 1 or names[0] not in axes.sources or factor < 0:
            raise UnsupportedError(f"a tensor as long as {describe(size)}: the model does not know that size")
        tensor, axis = axes.sources[names[0]]
        item = tuple(slice(None) if place in (0, axis) else 0 for place in range(tensor.ndim))
        column = tensor if tensor.ndim == 2 else tensor[item]
        parts += [apply("OnesLike", column, dtype=name_of(dtype))] * factor
    made = parts[0] if len(parts) == 1 else layers.Concatenate(1)(parts)
    if less < 0:
        return made[:, -less:]
    return apply("Pad", made, pad_width=((0, 0), (0, less)), constant_values=1) if less else made


def describe(size: Any) -> str:
    return f"{plain(size)} (in the example; it is not the same for every input)"


def number_of(item: Any) -> Any:
    """A size or a ratio as numbers `(B,)`, the same in every row; a plain number as it is."""
    if isinstance(item, Ratio):
        left, right = map(number_of, item.operands)
        return apply(_RATIOS[item.operation], _float(left), _float(right))
    if not isinstance(item, Size):
        return item
    if has_batch(item):
        raise UnsupportedError("a number that depends on the batch size, and a Keras model sees every row by itself")
    total: Any = None
    for names, factor in item.terms.items():
        part: Any = factor
        for name in names:
            if isinstance(name, str):
                count = apply("Sum", ones_along(symbol(name, 1), torch.int64), axis=1)
            else:
                sides = [number_of(_of_terms(dict(side))) for side in name[1:]]
                count = apply(_RATIOS[name[0]], *sides)
            part = count if isinstance(part, int) and part == 1 else apply("Multiply", count, part)
        total = (
            part if total is None else apply("Add", *(total, part)[:: 1 if isinstance(total, SymbolicTensor) else -1])
        )
    return total


def _of_terms(terms: dict[tuple[Any, ...], int]) -> Any:
    return Size(0, terms) if set(terms) - {()} else terms.get((), 0)


def _float(item: Any) -> Any:
    return apply("Cast", item, name_of(torch.get_default_dtype())) if isinstance(item, SymbolicTensor) else float(item)


def as_operand(item: Any) -> Any:
    """A size among tensors as a value of no axes."""
    return Value((None,), number_of(item)) if unknown(item) else item


# ---------------------------------------------------------------- constants


def filled_like(tracer: Tracer, sizes: Sequence[Any], number: float, dtype: torch.dtype | None) -> Value:
    """A constant number in a tensor that has the batch axis, or an axis of unknown size, or both."""
    batches = [dim for dim, size in enumerate(sizes) if has_batch(size)]
    if len(batches) > 1 or (batches and not same(sizes[batches[0]], symbol(BATCH, 1))):
        raise UnsupportedError(f"sizes {tuple(map(plain, sizes))}: one of them must be the batch size, x.size(0)")
    batch = batches[0] if batches else None
    axes = [dim for dim in range(len(sizes)) if dim != batch]
    dtype = torch.get_default_dtype() if dtype is None else dtype

    def make() -> SymbolicTensor:
        own = [sizes[axis] for axis in axes]
        value = finite(number, dtype)
        tensor = rows_of(tracer, np.full([1 if unknown(size) else size for size in own], value), dtype)
        for place, size in enumerate(own):
            if unknown(size):
                tensor = lengthened(tensor, 1 + place, size)
        return tensor

    return Value((batch, *axes), make, fill=number)


def finite(number: Any, dtype: torch.dtype) -> Any:
    """The largest finite number for an infinite one, which a config cannot hold."""
    if isinstance(number, float) and math.isinf(number) and dtype.is_floating_point:
        return math.copysign(torch.finfo(dtype).max, number)
    return number


def lengthened(tensor: SymbolicTensor, axis: int, size: Size) -> SymbolicTensor:
    """A tensor with one place on an axis, which gets that many."""
    boolean = tensor.dtype == torch.bool
    zeros = apply("ZerosLike", ones_along(size, tensor.dtype))
    for place in range(1, tensor.ndim):
        if place != axis:
            zeros = apply("ExpandDims", zeros, place)
    return apply("LogicalOr" if boolean else "Add", tensor, zeros)


def rows_of(tracer: Tracer, array: np.ndarray, dtype: torch.dtype) -> SymbolicTensor:
    """A constant in every row of the batch: `(B, *array.shape)`."""
    column = apply("ZerosLike", tracer.ones(dtype))
    plain_array = array.astype(name_of(dtype) if dtype != torch.bfloat16 else "float32")
    if not plain_array.ndim:
        return apply("Add", apply("Squeeze", column, -1), plain_array.item())
    column = layers.Reshape((1,) * plain_array.ndim)(column) if plain_array.ndim > 1 else column
    return apply("LogicalOr" if plain_array.dtype == bool else "Add", column, plain_array)


def in_rows(tracer: Tracer, tensor: Tensor) -> Value:
    """A constant of torch's as a value without a batch axis."""
    array = tensor.detach().cpu().numpy()
    return Value((None, *range(tensor.ndim)), lambda: rows_of(tracer, array, tensor.dtype))


def _filled(number: float) -> Callable[..., Value]:
    def function(tracer: Tracer, *sizes: Any, size: Any = None, **options: Any) -> Value:
        return filled_like(tracer, _sizes(sizes, size), number, options.get("dtype"))

    return function


def _new_filled(number: float) -> Callable[..., Value]:
    def function(tracer: Tracer, input: Any, *sizes: Any, size: Any = None, **options: Any) -> Value:
        return filled_like(tracer, _sizes(sizes, size), number, options.get("dtype") or dtype_of(input))

    return function


def _full(tracer: Tracer, size: Any, fill_value: float, **options: Any) -> Value:
    natural = {bool: torch.bool, int: torch.int64}.get(type(fill_value))
    return filled_like(tracer, size, fill_value, options.get("dtype") or natural)


def _new_full(tracer: Tracer, input: Any, size: Any, fill_value: float, **options: Any) -> Value:
    return filled_like(tracer, size, fill_value, options.get("dtype") or dtype_of(input))


def dtype_of(item: Any) -> torch.dtype:
    if isinstance(item, Value) and item.parameter is not None:
        return item.parameter[0].dtype  # a question about a parameter is no use of it
    return item.tensor.dtype if isinstance(item, Value) else item.dtype


def _sizes(sizes: Sequence[Any], size: Any) -> Sequence[Any]:
    if size is not None:
        return size
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes


def _arange(tracer: Tracer, *bounds: Any, start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Value:
    given = list(bounds)
    if end is not None:
        given = [given[0] if given else start, end]
    first, last, step = (0, given[0], step) if len(given) == 1 else (given[0], given[1], (*given, step)[2])
    if any(not isinstance(bound, (int, Size)) for bound in (first, last)) or not (unknown(step) or step in (1, -1)):
        raise UnsupportedError("arange of sizes with another step than 1 and -1, or of numbers that are no sizes")
    dtype = options.get("dtype") or torch.int64
    if not unknown(first) and same(last, symbol(BATCH, 1)) and not first and step == 1:
        return row_numbers()
    if has_batch(last) or has_batch(first):
        raise UnsupportedError(_NO_ROWS)
    count = (last - first) * step

    def make() -> SymbolicTensor:
        if not unknown(count):
            zeros = apply("ZerosLike", tracer.ones(torch.int64))
            counted = apply("Add", zeros, np.arange(1, 1 + count))
        else:
            counted = apply("Cumsum", ones_along(count, torch.int64), axis=1)
        counted = counted if step == 1 else apply("Negative", counted)
        start = number_of(first - step)
        if unknown(first):
            start = apply("ExpandDims", start, 1)
        counted = apply("Add", counted, start) if unknown(first) or start else counted
        return counted if dtype == torch.int64 else apply("Cast", counted, name_of(dtype))

    return Value((None, 0), make)


_NO_ROWS = "numbers of the rows: a constant must not depend on the batch size"


def row_numbers() -> Value:
    """The numbers of the rows, `arange(x.size(0))`: something for an index alone."""
    return Value((0,), _no_row_numbers, row_numbers=True)


def _no_row_numbers() -> SymbolicTensor:
    raise UnsupportedError(_NO_ROWS)


def _eye(tracer: Tracer, n: Any, m: Any = None, **options: Any) -> Value:
    if m is not None and not same(n, m):
        raise UnsupportedError("eye of two sizes")
    places = _arange(tracer, n).tensor
    dtype = options.get("dtype") or torch.get_default_dtype()

    def make() -> SymbolicTensor:
        equal = apply("Equal", apply("ExpandDims", places, 2), apply("ExpandDims", places, 1))
        return apply("Cast", equal, name_of(dtype))

    return Value((None, 0, 1), make)


def picked(tracer: Tracer, constant: Tensor, axis: int, first: int, count: Size) -> Value:
    """`count` places of a constant along an axis, from one on: an Embedding that is not trained, of their numbers."""
    positions = _arange(tracer, first, count + first).tensor
    flat = constant.detach().movedim(axis, 0).reshape(constant.shape[axis], -1)
    layer = tracer.frozen_table(constant, axis, flat)
    rest = [size for place, size in enumerate(constant.shape) if place != axis]
    tensor = layers.Reshape((-1, *rest))(layer(positions))
    order = [axis, *(place for place in range(constant.ndim) if place != axis)]
    return Value((None, *order), tensor)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("zeros", "empty"), _filled(0.0)),
    "ones": _filled(1.0),
    **dict.fromkeys(("new_zeros", "new_empty"), _new_filled(0.0)),
    "new_ones": _new_filled(1.0),
    "full": _full,
    "new_full": _new_full,
    "arange": _arange,
    "eye": _eye,
}
