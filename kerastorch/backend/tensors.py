"""Keras 2's functions of tensors, where `kerastorch.ops` has another name, order or default for them."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from torch.nn import functional as F

from .. import activations, ops, random
from ..base.graph import SymbolicTensor
from ..dtypes import dtype_name
from ..errors import ArgumentError, ShapeError, counted, quote
from ..ops.computed import computed, floats, tensor, together

__all__ = [
    "all", "any", "arange", "argmax", "argmin", "batch_dot", "batch_flatten", "batch_normalization",
    "bias_add", "categorical_crossentropy", "clip", "concatenate", "cumprod", "cumsum", "dot", "dropout",
    "dtype", "elu", "expand_dims", "flatten", "gather", "hard_sigmoid", "in_top_k", "int_shape",
    "l2_normalize", "max", "mean", "min", "ndim", "one_hot", "permute_dimensions", "print_tensor", "prod",
    "random_bernoulli", "random_binomial", "random_normal", "random_uniform", "relu", "repeat",
    "repeat_elements", "reverse", "shape", "softmax", "sparse_categorical_crossentropy", "spatial_2d_padding",
    "spatial_3d_padding", "squeeze", "stack", "std", "sum", "temporal_padding", "to_dense", "transpose",
    "truncated_normal", "var",
]  # fmt: skip


def _reducing(name: str, axis: int | None = None) -> Callable[..., Any]:
    def made(x: Any, axis: Any = axis, keepdims: bool = False) -> Any:
        return getattr(ops, name)(x, axis=axis, keepdims=keepdims)

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"Keras 2's `K.{name}(x, axis={axis}, keepdims=False)`."
    return made


def _over_axis(name: str, axis: int) -> Callable[..., Any]:
    def made(x: Any, axis: int = axis) -> Any:
        return getattr(ops, name)(x, axis=axis)

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"Keras 2's `K.{name}(x, axis={axis})`."
    return made


all, any, max, mean, min = _reducing("all"), _reducing("any"), _reducing("max"), _reducing("mean"), _reducing("min")
prod, std, sum, var = _reducing("prod"), _reducing("std"), _reducing("sum"), _reducing("var")
argmax, argmin = _over_axis("argmax", -1), _over_axis("argmin", -1)
cumprod, cumsum, softmax = _over_axis("cumprod", 0), _over_axis("cumsum", 0), _over_axis("softmax", -1)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The sizes, None where one is not known; `layer.build` and shape arithmetic take them."""
    return tuple(x.shape)


def shape(x: Any) -> Any:
    """The sizes: a tuple of numbers, in a graph with None where one is not known."""
    return ops.shape(x)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(x.shape)


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return dtype_name(x.dtype) if isinstance(x, SymbolicTensor) else ops.dtype(x)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Tensors one after the other along an axis."""
    return ops.concatenate(list(tensors), axis=axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Tensors beside each other along a new axis."""
    return ops.stack(list(x), axis=axis)


def expand_dims(x: Any, axis: int = -1) -> Any:
    """With a new axis of size 1."""
    return ops.expand_dims(x, axis)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """Numbers at equal distances, up to stop, which is left out."""
    return ops.arange(start, stop, step, dtype)


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Values below and above the bounds become the bounds; None is none."""
    low = float("-inf") if min_value is None else min_value
    return ops.clip(x, low, float("inf") if max_value is None else max_value)


@computed
def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """max(x, 0); or `alpha * (x - threshold)` up to `threshold`, then x, and at most `max_value`."""
    return activations.relu(floats(x), alpha, max_value, threshold)


def squeeze(x: Any, axis: int) -> Any:
    """Without an axis of size 1."""
    return ops.squeeze(x, axis=axis)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """The axes in another order."""
    return ops.transpose(x, axes=tuple(pattern))


def transpose(x: Any) -> Any:
    """All axes in reverse order."""
    return ops.transpose(x)


def reverse(x: Any, axes: Any) -> Any:
    """Backwards along one or more axes."""
    return ops.flip(x, axis=axes if isinstance(axes, int) else tuple(axes))


def gather(reference: Any, indices: Any) -> Any:
    """Rows by their numbers."""
    return ops.take(reference, indices, axis=0)


def one_hot(indices: Any, num_classes: int) -> Any:
    """Class numbers as vectors with a single 1."""
    return ops.one_hot(indices, num_classes)


def repeat(x: Any, n: int) -> Any:
    """`(B, F)` as `(B, n, F)`."""
    if ndim(x) != 2:
        raise ShapeError(f"repeat: expected (batch, features), got shape {int_shape(x)}.")
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Each part along an axis several times."""
    return ops.repeat(x, rep, axis=axis)


def flatten(x: Any) -> Any:
    """All values in a row."""
    return ops.reshape(x, (-1,))


def batch_flatten(x: Any) -> Any:
    """All values of a row in a row: `(B, ...)` as `(B, F)`."""
    sizes = int_shape(x)[1:]
    known = 1
    for size in sizes:
        known = -1 if size is None or known < 0 else known * size
    return ops.reshape(x, (-1, known) if known >= 0 else (int_shape(x)[0] or -1, -1))


def dot(x: Any, y: Any) -> Any:
    """Products summed over the last axis of x and the last but one of y."""
    return ops.dot(x, y)


@computed
def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Products of the rows of two tensors, summed over one axis of each.

    Args:
        x: `(B, ...)`.
        y: `(B, ...)`.
        axes: The axis of both, or one for each; None: the last one of x, and the last but one of y, if there is one.

    Returns:
        `(B, ...)`: the axes of x, then those of y, without the summed ones; at least `(B, 1)`.

    Raises:
        ShapeError: The shapes do not fit.
        ArgumentError: `axes` are none of the tensors.
    """
    first, second = together(tensor(x), tensor(y))
    if first.ndim < 2 or second.ndim < 2:
        raise ShapeError(f"batch_dot: expected two axes or more, got {int_shape(first)} and {int_shape(second)}.")
    if first.shape[0] != second.shape[0]:
        raise ShapeError(f"batch_dot: the batch sizes differ: {int_shape(first)} and {int_shape(second)}.")
    if axes is None:
        axes = (first.ndim - 1, second.ndim - (1 if second.ndim == 2 else 2))
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    if len(pair) != 2 or not builtins.all(isinstance(axis, int) for axis in pair):
        raise ArgumentError(f"batch_dot: axes: expected an integer or two of them, got {quote(axes)}.")
    one, two = pair[0] % first.ndim, pair[1] % second.ndim
    if 0 in (one, two):
        raise ArgumentError(f"batch_dot: axes: expected axes behind the batch axis, got {quote(axes)}.")
    if first.shape[one] != second.shape[two]:
        raise ShapeError(
            f"batch_dot: axis {one} of {int_shape(first)} must be as long as axis {two} of {int_shape(second)}."
        )
    left, right = first.movedim(one, -1), second.movedim(two, 1)
    rows = left.reshape(left.shape[0], -1, left.shape[-1])
    made = rows @ right.reshape(right.shape[0], right.shape[1], -1)
    made = made.reshape(left.shape[0], *left.shape[1:-1], *right.shape[2:])
    return made.unsqueeze(-1) if made.ndim == 1 else made


@computed
def l2_normalize(x: Any, axis: Any = None) -> Any:
    """x over its length along an axis, over that of all values if None."""
    found = floats(x)
    square = ops.sum(ops.square(found), axis=axis, keepdims=True)
    return found * square.clamp(min=1e-12).rsqrt()


@computed
def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """x plus a bias for each feature, or for each place but the batch axis.

    Args:
        x: A tensor.
        bias: `(F,)`, or as many axes as x has behind the batch axis.
        data_format: "channels_first": features come first, behind the batch axis.
    """
    values, added = tensor(x), tensor(bias)
    if added.ndim not in (1, values.ndim - 1):
        raise ShapeError(
            f"bias_add: expected a bias with 1 or {counted(values.ndim - 1, 'axis', 'axes')}, got shape "
            f"{int_shape(added)}."
        )
    if data_format == "channels_first" and values.ndim > 2:
        added = added.movedim(-1, 0) if added.ndim > 1 else added.reshape(-1, *[1] * (values.ndim - 2))
    return values + added


@computed
def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """x less its mean, over its deviation, times gamma plus beta."""
    flat = [None if item is None else tensor(item).reshape(-1) for item in (mean, var, beta, gamma)]
    return ops.batch_normalization(x, flat[0], flat[1], axis, offset=flat[2], scale=flat[3], epsilon=epsilon)


@computed
def elu(x: Any, alpha: float = 1.0) -> Any:
    """x, and `alpha * (exp(x) - 1)` where it is negative."""
    found = floats(x)
    return found.where(found > 0, alpha * F.elu(found))


@computed
def hard_sigmoid(x: Any) -> Any:
    """Keras 2's `clip(0.2 x + 0.5, 0, 1)`; Keras 3's is `ops.hard_sigmoid`."""
    return activations.hard_sigmoid_keras2(floats(x))


def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """The loss of each row."""
    return ops.categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """The loss of each row, for class numbers."""
    return ops.sparse_categorical_crossentropy(target, output, from_logits=from_logits, axis=axis)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether each target is among the k best classes; the order of arguments is Keras 2's."""
    return ops.in_top_k(targets, predictions, k)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """Set a part of the values to 0 and divide the others by what is left; it always acts."""
    return random.dropout(tensor(x), level, noise_shape, seed)


def random_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normally distributed numbers."""
    return random.normal(shape, mean, stddev, dtype, seed)


def random_uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Numbers from minval up to maxval."""
    return random.uniform(shape, minval, maxval, dtype, seed)


def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    """Ones with probability p, else zeros."""
    return ops.cast(random.uniform(shape, seed=seed) < p, dtype or "float32")


def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    """`random_bernoulli`, under its older name."""
    return random_bernoulli(shape, p, dtype, seed)


def truncated_normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: Any = None) -> Any:
    """Normally distributed numbers within two standard deviations."""
    return random.truncated_normal(shape, mean, stddev, dtype, seed)


def _padding(x: Any, pairs: Sequence[Any], data_format: str | None) -> Any:
    rows = [tuple(pair) for pair in pairs]
    around = [(0, 0), (0, 0), *rows] if data_format == "channels_first" else [(0, 0), *rows, (0, 0)]
    return ops.pad(x, around)


def temporal_padding(x: Any, padding: Sequence[int] = (1, 1)) -> Any:
    """Zeros before and behind the steps of `(B, T, F)`."""
    return _padding(x, [padding], None)


def spatial_2d_padding(x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around images."""
    return _padding(x, padding, data_format)


def spatial_3d_padding(x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Zeros around volumes."""
    return _padding(x, padding, data_format)


def to_dense(tensor: Any) -> Any:
    """A tensor as it is: there are no sparse ones here."""
    return tensor


def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """Print a tensor, and return it."""
    print(message, x)
    return x
