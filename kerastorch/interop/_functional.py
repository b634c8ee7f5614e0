"""Functions of torch that are modules too, or that Keras has as operations of several arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from ..errors import UnsupportedError
from ..layers.core.operation import apply
from ._images import CONVERTERS
from ._settings import Settings
from ._tied import embedding_of
from ._value import ORDER, Value

if TYPE_CHECKING:
    from ._protocol import Tracer

Function = Callable[..., Any]


def _of_images(module_class: type[nn.Module]) -> Function:
    """Pooling: what the module with these arguments does."""
    signature = inspect.signature(module_class.__init__)

    def function(tracer: Tracer, input: Value, *args: Any, **kwargs: Any) -> Value:
        try:
            signature.bind(None, *args, **kwargs)
        except TypeError as error:
            raise UnsupportedError(f"{module_class.__name__}: {error}") from error
        return pooled(input, module_class(*args, **kwargs))

    return function


def pooled(input: Value, module: nn.Module) -> Value:
    """The layer of a module for images that has no weights, with the channels last."""
    if input.batch != 0 or input.rank < 3:
        raise UnsupportedError("its input must have the batch at axis 0, and channels")
    axes = [*range(2, input.rank), 1]
    layer = CONVERTERS[type(module)](module, Settings(data_format="channels_last", rank=input.rank))
    return Value((0, *axes), layer(input.arranged(axes)), rows=input.rows)


def _pad(tracer: Tracer, input: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    if mode != "constant" or min(map(int, pad)) < 0:
        raise UnsupportedError(f"pad with mode={mode!r} or negative amounts: Keras's is written for constants here")
    widths = [(0, 0)] * len(input.order)
    for place in range(len(pad) // 2):
        widths[input.axis(-1 - place, "is padded")] = (int(pad[2 * place]), int(pad[2 * place + 1]))
    return input.with_tensor(apply("Pad", input.tensor, pad_width=widths, constant_values=value))


def _one_hot(tracer: Tracer, input: Value, num_classes: int = -1) -> Value:
    if num_classes < 0:
        raise UnsupportedError("one_hot without num_classes: their number would follow from the numbers")
    tensor = apply("OneHot", input.tensor, num_classes=num_classes, dtype="int64")
    return Value((*input.order, input.rank), tensor, rows=input.rows)


def _topk(tracer: Tracer, input: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    if not largest:
        raise UnsupportedError("topk of the smallest: give it -x")
    moved = input.last(dim)
    values, indices = apply("TopK", moved.tensor, k=int(k))
    return moved.with_tensor(values), moved.with_tensor(apply("Cast", indices, "int64"))


def _sort(tracer: Tracer, input: Value, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    if input is ORDER:
        return ORDER, ORDER  # the order that puts them back
    if input.dim(dim) == input.batch and input.rank == 1:
        return _in_order(tracer, input)
    axis = input.axis(dim, "is sorted")
    values = apply("Sort", input.tensor, axis=axis)
    if descending:
        values = apply("Flip", values, axis=axis)

    def places() -> Any:
        from_the_least = apply("Negative", input.tensor) if descending else input.tensor
        return apply("Cast", apply("Argsort", from_the_least, axis=axis), "int64")

    return input.with_tensor(values), Value(input.order, places)


def _in_order(tracer: Tracer, input: Value) -> tuple[Value, Value]:
    """Rows by a number of each, as packed sequences want them: they stay where they are, and so what is put back does.

    That all is put back is seen where the model is compared with the module on other orders of the rows.
    """
    if input.numbers is None or len(input.numbers.unique()) < 2:
        raise UnsupportedError(
            "sort of one number of each row: whether the rows are put back is not seen on an example in which all are "
            "equal; give it different ones"
        )
    tracer.orders = True
    return input, ORDER


def _argsort(tracer: Tracer, input: Value, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    return _sort(tracer, input, dim, descending, stable)[1]


def _layer_norm(
    tracer: Tracer,
    input: Value,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Value:
    axes = [input.axis(dim, "is normalized") for dim in range(input.rank - len(normalized_shape), input.rank)]
    mean, variance = apply("Moments", input.tensor, axes=axes, keepdims=True)
    centred = apply("Subtract", input.tensor, mean)
    normal = input.with_tensor(apply("Multiply", centred, apply("Rsqrt", apply("Add", variance, eps))))
    for operation, other in (("mul", weight), ("add", bias)):
        if other is not None:
            normal = tracer.functions[operation](tracer, normal, other)
    return normal


def _embedding(
    tracer: Tracer,
    input: Value,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Value:
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise UnsupportedError("embedding with max_norm, scale_grad_by_freq or sparse: Keras has none of them")
    if isinstance(weight, Tensor):
        return Value((*input.order, input.rank), tracer.frozen_table(weight, 0, weight)(input.tensor), rows=input.rows)
    if weight.parameter is None:
        raise UnsupportedError("embedding with a table that is computed: give it a parameter")
    parameter, name = weight.parameter
    if padding_idx is not None:
        tracer.notes.append(f"{name.removesuffix('.weight')}: Keras trains the row padding_idx={padding_idx} too")
    layer = embedding_of(tracer, parameter, name)
    return Value((*input.order, input.rank), layer(input.tensor), rows=input.rows)


FUNCTIONS: Mapping[str, Function] = {
    "max_pool1d": _of_images(nn.MaxPool1d),
    "max_pool2d": _of_images(nn.MaxPool2d),
    "max_pool3d": _of_images(nn.MaxPool3d),
    "avg_pool1d": _of_images(nn.AvgPool1d),
    "avg_pool2d": _of_images(nn.AvgPool2d),
    "avg_pool3d": _of_images(nn.AvgPool3d),
    "adaptive_avg_pool1d": _of_images(nn.AdaptiveAvgPool1d),
    "adaptive_avg_pool2d": _of_images(nn.AdaptiveAvgPool2d),
    "adaptive_max_pool1d": _of_images(nn.AdaptiveMaxPool1d),
    "adaptive_max_pool2d": _of_images(nn.AdaptiveMaxPool2d),
    "pad": _pad,
    "one_hot": _one_hot,
    "topk": _topk,
    "sort": _sort,
    "argsort": _argsort,
    "layer_norm": _layer_norm,
    "embedding": _embedding,
}
