"""Medians, quantiles, and statistics of the values that are numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..functions.kit import axes_of
from .computed import computed, floats, tensor
from .recorded import recorded


def _over(x: Tensor, axis: Any) -> tuple[Tensor, list[int], list[int]]:
    """The reduced axes as one at the end, and the shapes without and with them."""
    axes = axes_of(axis, x.ndim)
    kept = [item for item in range(x.ndim) if item not in axes]
    moved = x.permute(*kept, *axes).reshape([*(x.shape[item] for item in kept), -1])
    return moved, [x.shape[item] for item in kept], [1 if item in axes else x.shape[item] for item in range(x.ndim)]


def _quantile(x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip: bool) -> Tensor:
    found = floats(x)
    moved, short, long = _over(found, axis)
    fractions = floats(q).to(device=found.device, dtype=found.dtype)
    take = torch.nanquantile if skip else torch.quantile
    made = take(moved, fractions.reshape(-1), dim=-1, interpolation=method)
    return made.reshape([*fractions.shape, *(long if keepdims else short)])


@computed
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """Below which value a part of the values lies: `keras.ops.quantile`.

    Args:
        x: A tensor.
        q: Parts from 0 to 1, a number or a tensor, whose axes come first in the result.
        axis: The axes to reduce; all if None.
        method: "linear", "lower", "higher", "midpoint" or "nearest": what is taken between two values.
        keepdims: Whether reduced axes stay with size 1.
    """
    return _quantile(x, q, axis, method, keepdims, False)


@computed
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`quantile` of the values that are numbers: `keras.ops.nanquantile`."""
    return _quantile(x, q, axis, method, keepdims, True)


@computed
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`quantile` with q from 0 to 100: `keras.ops.percentile`."""
    return _quantile(x, floats(q) / 100, axis, method, keepdims, False)


@computed
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """`percentile` of the values that are numbers: `keras.ops.nanpercentile`."""
    return _quantile(x, floats(q) / 100, axis, method, keepdims, True)


@computed
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The value in the middle: `keras.ops.median`."""
    return _quantile(x, 0.5, axis, "linear", keepdims, False)


@computed
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The value in the middle of those that are numbers: `keras.ops.nanmedian`."""
    return _quantile(x, 0.5, axis, "linear", keepdims, True)


def _skipping(name: str, fill: Any) -> Any:
    """A reduction of `kerastorch.ops` with a value in the place of those that are no numbers."""

    def made(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        values = tensor(x)
        if not values.is_floating_point():
            return recorded(name)(values, axis=axis, keepdims=keepdims)
        missing = values.isnan()
        found = recorded(name)(torch.where(missing, fill, values), axis=axis, keepdims=keepdims)
        if name not in ("max", "min"):
            return found
        return torch.where(recorded("all")(missing, axis=axis, keepdims=keepdims), torch.nan, found)

    made.__name__ = made.__qualname__ = f"nan{name}"
    made.__doc__ = f"`{name}` of the values that are numbers: `keras.ops.nan{name}`."
    return computed(made)


nansum, nanprod = _skipping("sum", 0.0), _skipping("prod", 1.0)
nanmax, nanmin = _skipping("max", float("-inf")), _skipping("min", float("inf"))


def _skipping_place(name: str, fill: float) -> Any:
    def made(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        values = floats(x)
        missing = values.isnan()
        found = recorded(name)(torch.where(missing, fill, values), axis=axis, keepdims=keepdims)
        return torch.where(recorded("all")(missing, axis=axis, keepdims=keepdims), -1, found)

    made.__name__ = made.__qualname__ = f"nan{name}"
    made.__doc__ = f"`{name}` of the values that are numbers, -1 where there is none: `keras.ops.nan{name}`."
    return computed(made)


nanargmax, nanargmin = _skipping_place("argmax", float("-inf")), _skipping_place("argmin", float("inf"))


@computed
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean of the values that are numbers: `keras.ops.nanmean`."""
    return torch.nanmean(floats(x), axes_of(axis, tensor(x).ndim), keepdims)


@computed
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The variance of the values that are numbers: `keras.ops.nanvar`."""
    values = floats(x)
    axes = axes_of(axis, values.ndim)
    return torch.nanmean((values - torch.nanmean(values, axes, True)).square(), axes, keepdims)


@computed
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The standard deviation of the values that are numbers: `keras.ops.nanstd`."""
    return nanvar(x, axis, keepdims).sqrt()


def _running(name: str, fill: float) -> Any:
    def made(x: Any, axis: int | None = None, dtype: Any = None) -> Tensor:
        values = tensor(x)
        values = torch.where(values.isnan(), fill, values) if values.is_floating_point() else values
        return recorded(name)(values, axis=axis, dtype=dtype)

    made.__name__ = made.__qualname__ = f"nan{name}"
    made.__doc__ = f"`{name}` of the values that are numbers: `keras.ops.nan{name}`."
    return computed(made)


nancumsum, nancumprod = _running("cumsum", 0.0), _running("cumprod", 1.0)
