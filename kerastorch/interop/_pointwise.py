"""Functions of torch that work on each number by itself: arithmetic, comparisons, activations, casts, constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import layers
from ..activations.records import RECORDS
from ..base.graph import SymbolicTensor
from ..errors import UnsupportedError, counted
from ..layers.core.operation import apply
from ._open import as_operand, dtype_of, finite
from ._size import same
from ._value import ORDER, Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Function = Callable[..., Any]

# ---------------------------------------------------------------- several tensors that are broadcast


def aligned(*operands: Any) -> tuple[list[Any], Callable[[SymbolicTensor], Value]]:
    """Tensors of Keras and arrays that broadcast there as the operands do in torch, and how to wrap the result."""
    operands = tuple(map(as_operand, operands))
    values = [item for item in operands if isinstance(item, Value)]
    rank = max(rank_of(item) for item in operands if isinstance(item, (Value, Tensor)))
    places = {rank - value.rank + value.batch for value in values if value.batch is not None}
    rows = [value.rows for value in values if value.batch is not None]
    if len(places) > 1 or any(not same(other, rows[0]) for other in rows):
        raise UnsupportedError("the batch axis of one tensor meets another axis of the other")
    batch = places.pop() if places else None
    fullest = max(values, key=lambda value: (value.rank, value.batch is not None))
    missing = [axis for axis in range(rank - fullest.rank) if axis != batch]
    axes = [*missing, *(axis + rank - fullest.rank for axis in fullest.axes)]
    axes = [axis for axis in axes if axis != batch]
    if batch is not None:
        axes += [axis for axis in range(rank) if axis != batch and axis not in axes]
    made = [_broadcast(item, rank, batch, axes) for item in operands]
    its_rows = rows[0] if rows else 1
    return made, lambda tensor: Value((batch, *axes), tensor, rows=its_rows)


def rank_of(item: Value | Tensor) -> int:
    return item.rank if isinstance(item, Value) else item.ndim


def _broadcast(item: Any, rank: int, batch: int | None, axes: Sequence[int]) -> Any:
    if isinstance(item, Tensor):
        return _array(item, rank, batch, axes)
    if not isinstance(item, Value):
        return int(item) if isinstance(item, int) and not isinstance(item, bool) else item
    shift = rank - item.rank
    own = [axis + shift for axis in item.axes]
    tensor = item.tensor
    if item.batch is None and batch in own:
        tensor = apply("Squeeze", tensor, 1 + own.index(batch))  # raises where it has more than one place
        own.remove(batch)
    wanted = [axis for axis in axes if axis in own]
    if wanted != own:
        tensor = layers.Permute([1 + own.index(axis) for axis in wanted])(tensor)
    if len(wanted) == len(axes):
        return tensor
    if None not in tensor.shape[1:]:
        sizes = dict(zip(wanted, tensor.shape[1:], strict=True))
        return layers.Reshape([sizes.get(axis, 1) for axis in axes])(tensor)
    for place, axis in enumerate(axes):
        if axis not in wanted:
            tensor = apply("ExpandDims", tensor, 1 + place)
    return tensor


def _array(tensor: Tensor, rank: int, batch: int | None, axes: Sequence[int]) -> Any:
    full = tensor.detach().cpu()[(None,) * (rank - tensor.ndim)]
    if batch is not None:
        if full.shape[batch] != 1:
            raise UnsupportedError(
                f"a constant of shape {tuple(tensor.shape)} has {counted(full.shape[batch], 'row')} of the batch: it "
                "must not "
                "depend on the batch size"
            )
        full = full.select(batch, 0)
        axes = [axis - (axis > batch) for axis in axes]
    full = full.permute(*axes) if axes else full
    while full.ndim and full.shape[0] == 1:
        full = full[0]
    if not full.ndim:
        return full.item()
    return full.numpy()


def _binary(operation: str, swap: bool = False) -> Function:
    def function(tracer: Tracer, input: Any, other: Any) -> Value:
        (left, right), wrap = aligned(input, other)
        if swap:
            left, right = right, left
        return wrap(apply(operation, left, right))

    return function


def _multiply(tracer: Tracer, input: Any, other: Any) -> Value:
    value, number = (input, other) if isinstance(input, Value) else (other, input)
    plain = isinstance(number, (int, float)) and not isinstance(number, bool)
    if plain and value.tensor.dtype == torch.get_default_dtype():
        # Keras's Multiply by a bare number says that its result is sparse, and some layers believe it.
        return value.with_tensor(layers.Rescaling(float(number))(value.tensor))
    return _binary("Multiply")(tracer, input, other)


def _scaled(operation: str, swap: bool = False) -> Function:
    def function(tracer: Tracer, input: Any, other: Any, *, alpha: float = 1) -> Value:
        if alpha != 1:
            raise UnsupportedError(f"alpha={alpha}: multiply by it before")
        return _binary(operation, swap)(tracer, input, other)

    return function


def _divide(tracer: Tracer, input: Any, other: Any, *, rounding_mode: str | None = None) -> Value:
    if rounding_mode not in (None, "floor"):
        raise UnsupportedError(f"rounding_mode={rounding_mode!r}: Keras has None and 'floor'")
    return _binary("TrueDivide" if rounding_mode is None else "FloorDivide")(tracer, input, other)


def _where(tracer: Tracer, condition: Any, input: Any, other: Any) -> Value:
    parts, wrap = aligned(condition, input, other)
    return wrap(apply("Where", *parts))


def _masked_fill(tracer: Tracer, input: Value, mask: Any, value: Any) -> Value:
    bounded = finite(value, input.tensor.dtype)
    if bounded is not value:
        # In a softmax the least number does what minus infinity does.
        tracer.notes.append("masked_fill with an infinite number: the largest finite one is in its place")
    value = bounded
    parts, wrap = aligned(mask, input)
    return wrap(apply("Where", parts[0], value, parts[1]))


# ---------------------------------------------------------------- one tensor


def _unary(operation: str, **arguments: Any) -> Function:
    def function(tracer: Tracer, input: Value) -> Value:
        return input.with_tensor(apply(operation, input.tensor, **arguments))

    return function


def _activation(name: str) -> Function:
    def function(tracer: Tracer, input: Value, inplace: bool = False) -> Value:
        return input.with_tensor(layers.Activation(name)(input.tensor))

    return function


def _gelu(tracer: Tracer, input: Value, approximate: str = "none") -> Value:
    return input.with_tensor(apply("Gelu", input.tensor, approximate=approximate == "tanh"))


def _leaky_relu(tracer: Tracer, input: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    return input.with_tensor(layers.LeakyReLU(negative_slope)(input.tensor))


def _elu(tracer: Tracer, input: Value, alpha: float = 1.0, inplace: bool = False) -> Value:
    return input.with_tensor(layers.ELU(alpha)(input.tensor))


def _softplus(tracer: Tracer, input: Value, beta: float = 1, threshold: float = 20) -> Value:
    if beta != 1:
        raise UnsupportedError(f"softplus with beta={beta}: Keras has beta=1")
    return input.with_tensor(layers.Activation("softplus")(input.tensor))


def _shrink(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, lambd: float = 0.5) -> Value:
        return input.with_tensor(apply(operation, input.tensor, threshold=lambd))

    return function


def _threshold(tracer: Tracer, input: Value, threshold: float, value: float, inplace: bool = False) -> Value:
    return input.with_tensor(apply("Threshold", input.tensor, threshold=threshold, default_value=value))


def _along(layer: Callable[[int], Any]) -> Function:
    """A function along one axis: softmax and the like."""

    def function(
        tracer: Tracer, input: Value, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Value:
        if dim is None:
            raise UnsupportedError("dim is not stated")
        if dtype is not None:
            raise UnsupportedError(f"dtype={dtype}: cast before")
        axis = input.axis(dim, "works")
        return input.with_tensor(layer(axis if axis < len(input.order) - 1 else -1)(input.tensor))

    return function


def _log_softmax(axis: int) -> Any:
    return lambda tensor: apply("LogSoftmax", tensor, axis=axis)


def _glu(axis: int) -> Any:
    return lambda tensor: apply("Glu", tensor, axis=axis)


def _clamp(tracer: Tracer, input: Value, min: Any = None, max: Any = None) -> Value:
    tensor = input.tensor
    if isinstance(min, (Value, Tensor)) or isinstance(max, (Value, Tensor)):
        raise UnsupportedError("clamp with tensors: use torch.maximum and torch.minimum")
    tensor = tensor if min is None else apply("Maximum", tensor, min)
    return input.with_tensor(tensor if max is None else apply("Minimum", tensor, max))


def _hardtanh(
    tracer: Tracer, input: Value, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Value:
    return _clamp(tracer, input, min_val, max_val)


def _dropout(tracer: Tracer, input: Value, p: float = 0.5, training: bool = True, inplace: bool = False) -> Value:
    if training:
        raise UnsupportedError(
            "F.dropout with training=True, also in eval(): pass training=self.training, or use nn.Dropout"
        )
    return input.with_tensor(layers.Dropout(p)(input.tensor))


def _same(tracer: Tracer, input: Value, *args: Any, **kwargs: Any) -> Value:
    """Functions that change nothing of the numbers."""
    return input


def _detach(tracer: Tracer, input: Value) -> Value:
    return input if input.fill is not None else input.with_tensor(apply("StopGradient", input.tensor))


# ---------------------------------------------------------------- dtypes and constants


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def cast(input: Value, dtype: torch.dtype) -> Value:
    if (input.row_numbers or input is ORDER) and dtype in (torch.int64, torch.int32):
        return input
    return input if input.tensor.dtype == dtype else input.with_tensor(apply("Cast", input.tensor, _name(dtype)))


def _cast(dtype: torch.dtype) -> Function:
    return lambda tracer, input: cast(input, dtype)


def _to(tracer: Tracer, input: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(input, Tensor):
        return input  # torch casts the constant
    given = [*args, *kwargs.values()]
    dtypes = [item for item in given if isinstance(item, torch.dtype)]
    dtypes += [dtype_of(item) for item in given if isinstance(item, (Value, Tensor))]
    return cast(input, dtypes[0]) if dtypes else input


def _like(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, **options: Any) -> Any:
        if input.parameter is not None:  # a constant; nothing is asked of the parameter but its shape
            like = torch.ones_like if operation == "OnesLike" else torch.zeros_like
            return like(input.parameter[0].detach(), dtype=_dtype(options))
        tensor = apply(operation, input.tensor, dtype=_dtype(options) and _name(_dtype(options)))
        return Value(input.order, tensor, rows=input.rows, fill=float(operation == "OnesLike"))

    return function


def _dtype(options: Mapping[str, Any]) -> Any:
    return options.get("dtype")


_UNARY = {
    "abs": "Absolute", "absolute": "Absolute", "__abs__": "Absolute", "neg": "Negative", "negative": "Negative",
    "__neg__": "Negative", "exp": "Exp", "expm1": "Expm1", "log": "Log", "log1p": "Log1p", "log2": "Log2",
    "log10": "Log10", "sqrt": "Sqrt", "rsqrt": "Rsqrt", "square": "Square", "reciprocal": "Reciprocal", "sin": "Sin",
    "cos": "Cos", "tan": "Tan", "sinh": "Sinh", "cosh": "Cosh", "atan": "Arctan", "sign": "Sign", "floor": "Floor",
    "ceil": "Ceil", "trunc": "Trunc", "round": "Round", "erf": "Erf", "isnan": "Isnan", "isinf": "Isinf",
    "isfinite": "Isfinite", "logical_not": "LogicalNot", "bitwise_not": "LogicalNot", "__invert__": "LogicalNot",
}  # fmt: skip
_BINARY = {
    "pow": "Power", "__pow__": "Power", "maximum": "Maximum", "minimum": "Minimum", "eq": "Equal", "__eq__": "Equal",
    "ne": "NotEqual", "__ne__": "NotEqual", "lt": "Less", "__lt__": "Less", "le": "LessEqual", "__le__": "LessEqual",
    "gt": "Greater", "__gt__": "Greater", "ge": "GreaterEqual", "__ge__": "GreaterEqual", "logical_and": "LogicalAnd",
    "__and__": "LogicalAnd", "logical_or": "LogicalOr", "__or__": "LogicalOr", "logical_xor": "LogicalXor",
    "__xor__": "LogicalXor", "floor_divide": "FloorDivide", "__floordiv__": "FloorDivide", "remainder": "Mod",
    "__mod__": "Mod", "fmod": "Fmod", "atan2": "Arctan2",
}  # fmt: skip
FUNCTIONS: Mapping[str, Function] = {
    **{name: _unary(operation) for name, operation in _UNARY.items()},
    **{name: _binary(operation) for name, operation in _BINARY.items()},
    **{name: _activation(record.name) for record in RECORDS for name in record.traced},
    **dict.fromkeys(("mul", "multiply", "__mul__", "__rmul__"), _multiply),
    **dict.fromkeys(("add", "__add__", "__radd__"), _scaled("Add")),
    **dict.fromkeys(("sub", "subtract", "__sub__"), _scaled("Subtract")),
    **dict.fromkeys(("rsub", "__rsub__"), _scaled("Subtract", swap=True)),
    **dict.fromkeys(("div", "divide", "true_divide", "__truediv__"), _divide),
    **dict.fromkeys(("__rtruediv__", "__rdiv__"), _binary("TrueDivide", swap=True)),
    "__rpow__": _binary("Power", swap=True),
    "where": _where,
    "masked_fill": _masked_fill,
    "gelu": _gelu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "softplus": _softplus,
    "hardshrink": _shrink("HardShrink"),
    "softshrink": _shrink("SoftShrink"),
    **dict.fromkeys(("threshold", "_threshold"), _threshold),
    "softmax": _along(lambda axis: layers.Softmax(axis)),
    "log_softmax": _along(_log_softmax),
    "glu": _along(_glu),
    **dict.fromkeys(("clamp", "clip"), _clamp),
    "hardtanh": _hardtanh,
    "dropout": _dropout,
    **dict.fromkeys(("contiguous", "clone", "cpu", "cuda", "requires_grad_", "pin_memory", "alias", "positive"), _same),
    "detach": _detach,
    **dict.fromkeys(("to", "type_as"), _to),
    "float": _cast(torch.float32),
    "double": _cast(torch.float64),
    "half": _cast(torch.float16),
    "bfloat16": _cast(torch.bfloat16),
    "long": _cast(torch.int64),
    "int": _cast(torch.int32),
    "bool": _cast(torch.bool),
    "zeros_like": _like("ZerosLike"),
    "ones_like": _like("OnesLike"),
}
