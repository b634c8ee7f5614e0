"""Functions of torch that put numbers into places that other numbers say: `scatter_add`, `scatter`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer


def _places(input: Value, dim: int, index: Any, dtype: Any) -> tuple[list[int], SymbolicTensor, SymbolicTensor]:
    """torch's axes with `dim` at the end, the tensor so, and of each number of the index a row of ones and zeros."""
    size = input.tensor.shape[input.axis(dim, "is written to")]
    if not isinstance(index, Value) or index.batch != input.batch or index.rank != input.rank:
        raise UnsupportedError("scatter with an index that has not the batch axis where x has it")
    if size is None:
        raise UnsupportedError("scatter along an axis whose size is not known")
    dim = input.dim(dim)
    axes = [*(axis for axis in input.axes if axis != dim), dim]
    tensor, numbers = input.arranged(axes), index.arranged(axes)
    if tensor.shape[1:-1] != numbers.shape[1:-1]:
        raise UnsupportedError("scatter with an index that is shorter than x on other axes than dim")
    return axes, tensor, apply("OneHot", numbers, num_classes=size, dtype=str(dtype).removeprefix("torch."))


def _scatter_add(tracer: Tracer, input: Value, dim: int, index: Any, src: Any) -> Value:
    axes, tensor, hot = _places(input, dim, index, input.tensor.dtype)
    if not isinstance(src, Value) or src.batch != input.batch or src.rank != input.rank:
        raise UnsupportedError("scatter_add of a tensor that has not the batch axis where x has it")
    values = src.arranged(axes)
    if values.shape[1:] != hot.shape[1:-1]:
        raise UnsupportedError("scatter_add of another number of values than the index has")
    sums = apply("Squeeze", apply("Matmul", apply("ExpandDims", values, -2), hot), -2)
    return Value((input.order[0], *axes), apply("Add", tensor, sums), rows=input.rows)


def _scatter(
    tracer: Tracer, input: Value, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: Any = None
) -> Value:
    """One number for all places, or one place in each row: of several with the same number torch says nothing."""
    src = value if src is None else src
    if reduce is not None:
        if reduce == "add" and isinstance(src, Value):
            return _scatter_add(tracer, input, dim, index, src)
        raise UnsupportedError(f"scatter with reduce={reduce!r}: use scatter_add")
    axes, tensor, hot = _places(input, dim, index, "bool")
    there = apply("Any", hot, axis=-2)
    if isinstance(src, (int, float)):
        return Value((input.order[0], *axes), apply("Where", there, src, tensor), rows=input.rows)
    if not isinstance(src, Value) or src.batch != input.batch or src.rank != input.rank:
        raise UnsupportedError("scatter of a tensor that has not the batch axis where x has it")
    values = src.arranged(axes)
    if values.shape[-1] != 1 or hot.shape[-2] != 1:
        raise UnsupportedError("scatter of several values in a row, of which some may have one place: use scatter_add")
    return Value((input.order[0], *axes), apply("Where", there, values, tensor), rows=input.rows)


def _scatter_reduce(
    tracer: Tracer, input: Value, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Value:
    if reduce != "sum" or not include_self:
        raise UnsupportedError(
            f"scatter_reduce with reduce={reduce!r}, include_self={include_self}: it is written for sums"
        )
    return _scatter_add(tracer, input, dim, index, src)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "scatter_add": _scatter_add,
    "scatter": _scatter,
    "scatter_reduce": _scatter_reduce,
}
