"""Functions of torch that make one number of many: sums, means, maxima; and products of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .. import layers
from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._pointwise import FUNCTIONS as _POINTWISE
from ._pointwise import rank_of
from ._size import product, same
from ._tied import kernel_of
from ._value import Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Function = Callable[..., Any]


def _reduced(operation: str, input: Value, dim: Any, keepdim: bool, **arguments: Any) -> Value:
    if dim is None or dim == ():
        raise UnsupportedError(f"{operation.lower()} over all axes: the batch axis stays in a Keras model; state dim")
    dims = [input.dim(item) for item in (dim if isinstance(dim, (list, tuple)) else (dim,))]
    axes = sorted(input.axis(item, "is reduced") for item in dims)
    axis = axes[0] if len(axes) == 1 else axes
    tensor = apply(operation, input.tensor, axis=axis, keepdims=keepdim, **arguments)
    return Value(input.order if keepdim else input.without(dims), tensor, rows=input.rows)


def _reduction(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
        if dtype is not None:
            raise UnsupportedError(f"dtype={dtype}: cast before")
        return _reduced(operation, input, dim, keepdim)

    return function


def _spread(operation: str) -> Function:
    """Standard deviation and variance: torch divides by n - 1 if not told otherwise, Keras by n."""

    def function(
        tracer: Tracer,
        input: Value,
        dim: Any = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float = 1,
    ) -> Value:
        made = _reduced(operation, input, dim, keepdim)
        if not unbiased or not correction:
            return made
        dims = [input.dim(item) for item in (dim if isinstance(dim, (list, tuple)) else (dim,))]
        count = [input.size(item) for item in dims]
        whole = product(count)
        factor = whole / (whole - correction)
        return _POINTWISE["mul"](tracer, made, factor**0.5 if operation == "Std" else factor)

    return function


def _extreme(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, (Value, Tensor)):
            return _POINTWISE[f"{operation.lower()}imum"](tracer, input, dim)
        values = _reduced(operation, input, dim, keepdim)
        places = Value(values.order, lambda: _argument(f"Arg{operation.lower()}", input, dim, keepdim).tensor)
        return values, places

    return function


def _argument(operation: str, input: Value, dim: Any, keepdim: bool) -> Value:
    made = _reduced(operation, input, dim, keepdim)
    return made.with_tensor(apply("Cast", made.tensor, "int64"))


def _position(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, dim: Any = None, keepdim: bool = False) -> Value:
        return _argument(operation, input, dim, keepdim)

    return function


def _cumulative(operation: str) -> Function:
    def function(tracer: Tracer, input: Value, dim: int) -> Value:
        return input.with_tensor(apply(operation, input.tensor, axis=input.axis(dim, "is summed up")))

    return function


def _normalize(tracer: Tracer, input: Value, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Value:
    input.axis(dim, "is normalized")
    norm = _norm(tracer, input, p, dim, True)
    return input.with_tensor(apply("TrueDivide", input.tensor, apply("Maximum", norm.tensor, eps)))


def _norm(tracer: Tracer, input: Value, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Value:
    if p in (None, 2, "fro"):
        made = _reduced("Sum", input.with_tensor(apply("Square", input.tensor)), dim, keepdim)
        return made.with_tensor(apply("Sqrt", made.tensor))
    if isinstance(p, bool) or not isinstance(p, (int, float)):
        raise UnsupportedError(f"norm with p={p!r}: Keras's is written for numbers and 'fro' here")
    sizes = input.with_tensor(apply("Absolute", input.tensor))
    if abs(p) == math.inf:
        return _reduced("Max" if p > 0 else "Min", sizes, dim, keepdim)
    if p == 0:
        some = apply("Cast", apply("NotEqual", input.tensor, 0), str(input.tensor.dtype).removeprefix("torch."))
        return _reduced("Sum", input.with_tensor(some), dim, keepdim)
    if p == 1:
        return _reduced("Sum", sizes, dim, keepdim)
    made = _reduced("Sum", sizes.with_tensor(apply("Power", sizes.tensor, float(p))), dim, keepdim)
    return made.with_tensor(apply("Power", made.tensor, 1 / p))


def _matrix_norm(tracer: Tracer, input: Value, p: Any = None, dim: Any = None, keepdim: bool = False) -> Value:
    """`torch.linalg.norm`, which takes two axes as a matrix."""
    if isinstance(dim, (list, tuple)) and len(dim) == 2 and p not in (None, "fro"):
        raise UnsupportedError(f"linalg.norm of matrices with ord={p!r}: it is written for 'fro' here")
    return _norm(tracer, input, p, dim, keepdim)


# ---------------------------------------------------------------- products

_LETTERS = "abcdefghijklmnopqrstuvwxy"  # z is the batch


def einsum(equation: str, *operands: Any) -> Value:
    """`torch.einsum` of values and constants, with letters for torch's axes."""
    given, arrow, result = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    if "." in equation:
        raise UnsupportedError(f"einsum {equation!r}: ...: name every axis")
    if not arrow:
        letters = given.replace(",", "")
        result = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    batch: str | None = None
    for term, operand in zip(terms, operands, strict=True):
        if isinstance(operand, Value) and operand.batch is not None:
            letter = term[operand.batch]
            if batch not in (None, letter):
                raise UnsupportedError("the batch axis of one tensor meets another axis of the other")
            batch = letter
    rows = next(item.rows for item in operands if isinstance(item, Value) and (item.batch is not None or not batch))
    if batch is not None and batch not in result:
        raise UnsupportedError("it sums over the batch axis, and a Keras model sees every row by itself")
    if any(isinstance(item, Value) and item.batch is not None and not same(item.rows, rows) for item in operands):
        raise UnsupportedError("the batch axis of one tensor meets another axis of the other")
    free = next(letter for letter in "zyxwvutsrqponmlkjihgfedcba" if letter not in equation)
    first = batch or free
    has_rows = any(isinstance(item, Value) and item.once is None for item in operands)
    inputs, tensors = [], []
    for term, operand in zip(terms, operands, strict=True):
        if isinstance(operand, Value):
            if operand.batch is None and batch is not None and batch in term:
                raise UnsupportedError("the batch axis of one tensor meets another axis of the other")
            if operand.once is not None and has_rows:
                inputs.append(term)
                tensors.append(operand.once())
                continue
            inputs.append(first + "".join(term[axis] for axis in operand.axes))
            tensors.append(operand.tensor)
        elif isinstance(operand, Tensor):
            inputs.append(term)
            tensors.append(operand.detach().cpu().numpy())
    kept = [letter for letter in result if letter != batch]
    tensor = apply("Einsum", operands=tensors, subscripts=f"{','.join(inputs)}->{first}{''.join(kept)}")
    order = [result.index(batch) if batch else None, *(result.index(letter) for letter in kept)]
    return Value(order, tensor, rows=rows)


def matmul(tracer: Tracer, input: Any, mat2: Any) -> Value:
    """`torch.matmul`, `bmm`, `mm`, `@`: by the axes that are multiplied, wherever they stand in Keras."""
    if (
        _is_parameter(mat2)
        and mat2.rank <= 2
        and isinstance(input, Value)
        and input.batch not in (None, input.rank - 1)
        and (made := _dense(tracer, input, mat2)) is not None
    ):
        return made
    one, other = rank_of(input), rank_of(mat2)
    leading = _LETTERS[: max(one - 2, other - 2, 0)]
    left = leading[len(leading) - max(one - 2, 0) :] + ("v" if one > 1 else "") + "w"
    right = leading[len(leading) - max(other - 2, 0) :] + "w" + ("x" if other > 1 else "")
    result = leading + ("v" if one > 1 else "") + ("x" if other > 1 else "")
    return einsum(f"{left},{right}->{result}", input, mat2)


def _dense(tracer: Tracer, input: Value, weight: Value) -> Value | None:
    """The product with a trained matrix or vector, which is a Dense; None where that is a weight of another layer."""
    assert weight.parameter is not None
    parameter, name = weight.parameter
    layer = kernel_of(tracer, parameter, name, True, None)
    if layer is None:
        return None
    made = _on_the_last(input, layer)
    if parameter.ndim == 2:
        return made
    return Value(made.without([made.rank - 1]), apply("Squeeze", made.tensor, -1), rows=made.rows)


def _on_the_last(input: Value, layer: layers.Layer) -> Value:
    moved = input.last(-1)
    return moved.with_tensor(layer(moved.tensor))


def _linear(tracer: Tracer, input: Value, weight: Any, bias: Any = None) -> Value:
    layer = None
    if _is_parameter(weight) and weight.rank == 2:
        parameter, name = weight.parameter
        layer = kernel_of(tracer, parameter, name, False, bias.parameter if _is_parameter(bias) else None)
    if layer is not None:
        made, bias = _on_the_last(input, layer), None if layer.use_bias else bias
    else:
        made = matmul(tracer, input, weight.relabelled((1, 0)) if isinstance(weight, Value) else weight.T)
    return made if bias is None else _POINTWISE["add"](tracer, made, bias)


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Value) and value.parameter is not None


def _einsum(tracer: Tracer, equation: str, *operands: Any) -> Value:
    given = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    return einsum(equation, *given)


FUNCTIONS: Mapping[str, Function] = {
    "sum": _reduction("Sum"),
    "mean": _reduction("Mean"),
    "prod": _reduction("Prod"),
    "any": _reduction("Any"),
    "all": _reduction("All"),
    "amax": _reduction("Max"),
    "amin": _reduction("Min"),
    "logsumexp": _reduction("Logsumexp"),
    "std": _spread("Std"),
    "var": _spread("Var"),
    "max": _extreme("Max"),
    "min": _extreme("Min"),
    "argmax": _position("Argmax"),
    "argmin": _position("Argmin"),
    "cumsum": _cumulative("Cumsum"),
    "cumprod": _cumulative("Cumprod"),
    "normalize": _normalize,
    **dict.fromkeys(("norm", "linalg_vector_norm"), _norm),
    "linalg_norm": _matrix_norm,
    **dict.fromkeys(("matmul", "bmm", "mm", "mv", "dot", "__matmul__"), matmul),
    "__rmatmul__": lambda tracer, input, other: matmul(tracer, other, input),
    "linear": _linear,
    "einsum": _einsum,
}
