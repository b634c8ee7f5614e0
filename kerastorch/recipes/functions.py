"""Functions for what people put into Lambda layers; see `__init__.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..clipping import clip
from ..errors import ArgumentError, quote


@dataclass(frozen=True)
class Recipe:
    """A function with its arguments, which shows as it was made: `sum_over(axis=1)`."""

    name: str
    function: Callable[..., Tensor]
    arguments: dict[str, Any] = field(default_factory=dict)

    def __call__(self, inputs: Any) -> Tensor:
        return self.function(inputs, **self.arguments)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


def _axis(value: Any) -> Any:
    axes = value if isinstance(value, (list, tuple)) else [value]
    if not axes or not all(isinstance(axis, int) and not isinstance(axis, bool) for axis in axes):
        raise ArgumentError(f"axis: expected an integer or a sequence of them, got {quote(value)}.")
    return tuple(axes) if isinstance(value, (list, tuple)) else value


# ---------------------------------------------------------------------------------------------- over an axis


def _sum(x: Tensor, axis: Any, keepdims: bool = False) -> Tensor:
    return x.sum(axis, keepdim=keepdims)


def _mean(x: Tensor, axis: Any, keepdims: bool = False) -> Tensor:
    return x.mean(axis, keepdim=keepdims)


def _max(x: Tensor, axis: Any, keepdims: bool = False) -> Tensor:
    return x.amax(axis, keepdim=keepdims)


def _min(x: Tensor, axis: Any, keepdims: bool = False) -> Tensor:
    return x.amin(axis, keepdim=keepdims)


def _reduced(name: str, function: Callable[..., Tensor], axis: Any, keepdims: bool) -> Recipe:
    options = {"keepdims": True} if keepdims else {}
    return Recipe(name, function, {"axis": _axis(axis), **options})


def sum_over(axis: Any, keepdims: bool = False) -> Recipe:
    """`K.sum(x, axis)`: `(B, T, F)` -> `(B, F)` for axis 1."""
    return _reduced("sum_over", _sum, axis, keepdims)


def mean_over(axis: Any, keepdims: bool = False) -> Recipe:
    """`K.mean(x, axis)`."""
    return _reduced("mean_over", _mean, axis, keepdims)


def max_over(axis: Any, keepdims: bool = False) -> Recipe:
    """`K.max(x, axis)`."""
    return _reduced("max_over", _max, axis, keepdims)


def min_over(axis: Any, keepdims: bool = False) -> Recipe:
    """`K.min(x, axis)`."""
    return _reduced("min_over", _min, axis, keepdims)


def _argmax(x: Tensor, axis: int) -> Tensor:
    return x.argmax(axis)


def argmax(axis: int = -1) -> Recipe:
    """`K.argmax(x, axis)`: integers, which no gradient passes."""
    return Recipe("argmax", _argmax, {"axis": _axis(axis)})


def _softmax(x: Tensor, axis: int) -> Tensor:
    return F.softmax(x, axis)


def softmax(axis: int = -1) -> Recipe:
    """`K.softmax(x, axis)`."""
    return Recipe("softmax", _softmax, {"axis": _axis(axis)})


def _l2_normalize(x: Tensor, axis: int) -> Tensor:
    return x * clip(x.square().sum(axis, keepdim=True), 1e-12, None).rsqrt()


def l2_normalize(axis: int = -1) -> Recipe:
    """`K.l2_normalize(x, axis)`: divided by the root of the sum of squares, which is at least 1e-12."""
    return Recipe("l2_normalize", _l2_normalize, {"axis": _axis(axis)})


# ---------------------------------------------------------------------------------------------- steps and slices


def _step(x: Tensor, index: int) -> Tensor:
    return x[:, index]


def last_step() -> Recipe:
    """`x[:, -1]`: `(B, T, ...)` -> `(B, ...)`."""
    return Recipe("last_step", _last)


def _last(x: Tensor) -> Tensor:
    return x[:, -1]


def step(index: int) -> Recipe:
    """`x[:, index]`: one step."""
    return Recipe("step", _step, {"index": _axis(index)})


def _slice_of(x: Tensor, start: int | None, stop: int | None, stride: int | None, axis: int) -> Tensor:
    place = [slice(None)] * x.ndim
    place[axis] = slice(start, stop, stride)
    return x[tuple(place)]


def slice_of(start: int | None = None, stop: int | None = None, stride: int | None = None, axis: int = 1) -> Recipe:
    """`x[:, start:stop:stride]`, on any axis."""
    if stride is not None and stride < 1:
        raise ArgumentError(f"stride: expected None or 1 and more, got {stride!r}; for -1 use reverse(axis).")
    return Recipe("slice_of", _slice_of, {"start": start, "stop": stop, "stride": stride, "axis": _axis(axis)})


def _reverse(x: Tensor, axis: int) -> Tensor:
    return x.flip(axis)


def reverse(axis: int = 1) -> Recipe:
    """`K.reverse(x, axis)`; on axis 1 the steps from the last to the first."""
    return Recipe("reverse", _reverse, {"axis": _axis(axis)})


# ---------------------------------------------------------------------------------------------- shapes


def _expand_dims(x: Tensor, axis: int) -> Tensor:
    return x.unsqueeze(axis)


def expand_dims(axis: int = -1) -> Recipe:
    """`K.expand_dims(x, axis)`: `(B, T)` -> `(B, T, 1)` for axis -1."""
    return Recipe("expand_dims", _expand_dims, {"axis": _axis(axis)})


def _squeeze(x: Tensor, axis: int) -> Tensor:
    if x.shape[axis] != 1:
        raise ArgumentError(f"squeeze(axis={axis}): expected size 1 there, got shape {tuple(x.shape)}.")
    return x.squeeze(axis)


def squeeze(axis: int) -> Recipe:
    """`K.squeeze(x, axis)`: takes out an axis of size 1."""
    return Recipe("squeeze", _squeeze, {"axis": _axis(axis)})


def _reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.reshape(tuple(shape))


def reshape(shape: Sequence[int]) -> Recipe:
    """`K.reshape(x, shape)`, the batch axis included: `(-1, 5)` joins batch and time."""
    return Recipe("reshape", _reshape, {"shape": _axis(tuple(shape))})


def _permute(x: Tensor, axes: Sequence[int]) -> Tensor:
    return x.permute(*axes)


def permute(axes: Sequence[int]) -> Recipe:
    """`K.permute_dimensions(x, axes)`, the batch axis included: `(0, 2, 1)`."""
    return Recipe("permute", _permute, {"axes": _axis(tuple(axes))})


def _repeat(x: Tensor, count: int, axis: int) -> Tensor:
    return x.repeat_interleave(count, axis)


def repeat_elements(count: int, axis: int) -> Recipe:
    """`K.repeat_elements(x, count, axis)`: each element `count` times, one behind the other."""
    return Recipe("repeat_elements", _repeat, {"count": _axis(count), "axis": _axis(axis)})


# ---------------------------------------------------------------------------------------------- values


def _identity(x: Any) -> Any:
    return x


def identity() -> Recipe:
    """The input itself."""
    return Recipe("identity", _identity)


def _scale(x: Tensor, factor: float, offset: float = 0.0) -> Tensor:
    return x * factor + offset


def scale(factor: float, offset: float = 0.0) -> Recipe:
    """`x * factor + offset`."""
    return Recipe("scale", _scale, {"factor": factor, **({"offset": offset} if offset else {})})


def add(number: float) -> Recipe:
    """`x + number`."""
    return Recipe("add", _add, {"number": number})


def _add(x: Tensor, number: float) -> Tensor:
    return x + number


def _cast(x: Tensor, dtype: str) -> Tensor:
    return x.to(_DTYPES[dtype])


_DTYPES = {
    "float16": torch.float16,
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "int32": torch.int32,
    "int64": torch.int64,
    "bool": torch.bool,
}


def cast(dtype: str) -> Recipe:
    """`K.cast(x, dtype)`."""
    if dtype not in _DTYPES:
        raise ArgumentError(f"dtype: expected one of {', '.join(_DTYPES)}, got {quote(dtype)}.")
    return Recipe("cast", _cast, {"dtype": dtype})


def _one_hot(x: Tensor, classes: int, dtype: str = "float32") -> Tensor:
    numbers = torch.arange(classes, device=x.device)
    return (x.to(torch.int64).unsqueeze(-1) == numbers).to(_DTYPES[dtype])


def one_hot(classes: int, dtype: str = "float32") -> Recipe:
    """`K.one_hot(K.cast(x, "int32"), classes)`: zeros where the number is no class."""
    if dtype not in _DTYPES:
        raise ArgumentError(f"dtype: expected one of {', '.join(_DTYPES)}, got {quote(dtype)}.")
    return Recipe("one_hot", _one_hot, {"classes": _axis(classes), **({"dtype": dtype} if dtype != "float32" else {})})


# ---------------------------------------------------------------------------------------------- several inputs


def _concat(inputs: Sequence[Tensor], axis: int) -> Tensor:
    return torch.cat(list(inputs), axis)


def concat(axis: int = -1) -> Recipe:
    """`K.concatenate(inputs, axis)`."""
    return Recipe("concat", _concat, {"axis": _axis(axis)})


def _stack(inputs: Sequence[Tensor], axis: int) -> Tensor:
    return torch.stack(list(inputs), axis)


def stack(axis: int = 0) -> Recipe:
    """`K.stack(inputs, axis)`."""
    return Recipe("stack", _stack, {"axis": _axis(axis)})


def _pick(inputs: Sequence[Tensor], index: int) -> Tensor:
    return inputs[index]


def pick(index: int) -> Recipe:
    """`inputs[index]`: one of the inputs."""
    return Recipe("pick", _pick, {"index": _axis(index)})


def _multiply(inputs: Sequence[Tensor]) -> Tensor:
    result = inputs[0]
    for other in inputs[1:]:
        result = result * other
    return result


def multiply() -> Recipe:
    """The product of the inputs, broadcast."""
    return Recipe("multiply", _multiply)


def _batch_dot(inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0] @ inputs[1]


def matmul() -> Recipe:
    """`inputs[0] @ inputs[1]`: for each row of the batch the product of two matrices."""
    return Recipe("matmul", _batch_dot)


def absolute_difference() -> Recipe:
    """`K.abs(inputs[0] - inputs[1])`, of siamese networks."""
    return Recipe("absolute_difference", _absolute_difference)


def _absolute_difference(inputs: Sequence[Tensor]) -> Tensor:
    return (inputs[0] - inputs[1]).abs()
