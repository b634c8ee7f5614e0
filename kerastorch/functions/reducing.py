"""Functions that take values over axes together: sums, means, extremes, orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..clipping import clip
from ..errors import UnsupportedError
from .kit import Kit, axes_of, axis_of, flat_if_none, integer

_COUNTED = (torch.bool, torch.int8, torch.int16, torch.uint8)  # dtypes whose sums are int32


def _widened(x: Tensor) -> Tensor:
    return x.int() if x.dtype in _COUNTED else x


def total(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
    x = _widened(kit.tensor(x))
    axes = axes_of(axis, x.ndim)
    return x.sum(axes, keepdim=keepdims, dtype=x.dtype) if axes else x.clone()


def mean(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
    x = kit.floating(kit.tensor(x))
    axes = axes_of(axis, x.ndim)
    return x.mean(axes, keepdim=keepdims) if axes else x.clone()


def variance(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
    x = kit.floating(kit.tensor(x))
    axes = axes_of(axis, x.ndim)
    return x.var(axes, correction=0, keepdim=keepdims) if axes else torch.zeros_like(x)


def deviation(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
    return variance(kit, x, axis, keepdims).sqrt()


def moments(kit: Kit, x: Any, axes: Any, keepdims: bool, synchronized: bool) -> list[Tensor]:
    if synchronized:
        raise UnsupportedError("Moments with synchronized=True: statistics over several devices are not supported.")
    x = kit.tensor(x)
    if x.dtype not in (torch.float16, torch.bfloat16):
        return [mean(kit, x, axes, keepdims), variance(kit, x, axes, keepdims)]
    most = torch.finfo(torch.float16).max  # Keras keeps both within it, of bfloat16 too
    return [part(kit, x.float(), axes, keepdims).clamp(-most, most).to(x.dtype) for part in (mean, variance)]


def average(kit: Kit, x: Any, weights: Any, axis: Any) -> Tensor:
    if weights is None:
        return mean(kit, x, axis, False)
    x, weights = kit.joined(kit.tensor(x), kit.tensor(weights), floating=True)
    if axis is not None and weights.ndim < x.ndim:  # weights along that axis
        weights = weights.reshape([-1 if at == axis_of(axis, x.ndim) else 1 for at in range(x.ndim)])
        weights = weights.expand(x.shape)
    return total(kit, x * weights, axis, False) / total(kit, weights, axis, False)


def product(kit: Kit, x: Any, axis: Any, keepdims: bool, dtype: Any) -> Tensor:
    x = _widened(kit.tensor(x)) if dtype is None else kit.tensor(x).to(kit.dtype(dtype))
    for at in sorted(axes_of(axis, x.ndim), reverse=True):
        x = x.prod(at, keepdim=keepdims, dtype=x.dtype)
    return x


def _extreme(
    of_values: Callable[..., Tensor], of_two: Callable[..., Tensor], of_booleans: Callable[..., Tensor]
) -> Any:
    def compute(kit: Kit, x: Any, axis: Any, keepdims: bool, initial: Any = None) -> Tensor:
        x = kit.tensor(x)
        axes = axes_of(axis, x.ndim)
        found = x.clone() if not axes else (of_booleans if x.dtype == torch.bool else of_values)(x, axes, keepdims)
        return found if initial is None else of_two(*kit.joined(found, initial)).to(x.dtype)

    return compute


maximum = _extreme(torch.amax, torch.maximum, torch.any)
minimum = _extreme(torch.amin, torch.minimum, torch.all)


def _place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def compute(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
        x = kit.tensor(x)
        x = x.int() if x.dtype == torch.bool else x
        flat, at = flat_if_none(x, axis)
        found = function(flat, at, keepdim=keepdims and axis is not None).int()
        return found.reshape([1] * x.ndim) if keepdims and axis is None else found

    return compute


def _truth(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def compute(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
        x = kit.tensor(x).bool()
        axes = axes_of(axis, x.ndim)
        return function(x, axes, keepdim=keepdims) if axes else x.clone()

    return compute


def _running(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def compute(kit: Kit, x: Any, axis: Any, dtype: Any) -> Tensor:
        x = kit.tensor(x) if dtype is None else kit.tensor(x).to(kit.dtype(dtype))
        x = x.int() if x.dtype == torch.bool else x
        x, at = flat_if_none(x, axis)
        return function(x, at, dtype=x.dtype)

    return compute


def count_nonzero(kit: Kit, x: Any, axis: Any) -> Tensor:
    return total(kit, kit.tensor(x) != 0, axis, False)


def spread(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
    return maximum(kit, x, axis, keepdims) - minimum(kit, x, axis, keepdims)


def logsumexp(kit: Kit, x: Any, axis: Any, keepdims: bool) -> Tensor:
    x = kit.floating(kit.tensor(x))
    return x.logsumexp(axes_of(axis, x.ndim), keepdim=keepdims)


def norm(kit: Kit, x: Any, ord: Any, axis: Any, keepdims: bool) -> Tensor:
    x = kit.floating(kit.tensor(x))
    axes = axes_of(axis, x.ndim)
    if ord is None or (ord == 2 and len(axes) == 1) or (ord == "fro" and len(axes) == 2):
        # As in Keras, the gradient at zero is nan.
        return (x * x).sum(axes, keepdim=keepdims).sqrt()
    if len(axes) == 1 and not isinstance(ord, str):
        return torch.linalg.vector_norm(x, ord, axes, keepdim=keepdims)
    return torch.linalg.matrix_norm(x, ord, axes, keepdim=keepdims)


def normalize(kit: Kit, x: Any, axis: Any, order: Any, epsilon: Any) -> Tensor:
    x = kit.floating(kit.tensor(x))
    least = 1e-7 if epsilon is None else epsilon
    if order == 2:
        return x * clip(total(kit, x * x, axis, True).rsqrt(), None, 1.0 / least)
    return x / clip(norm(kit, x, order, axis, True), least, None)


def top_k(kit: Kit, x: Any, k: Any, sorted: bool) -> list[Tensor]:
    values, places = torch.topk(kit.tensor(x), integer(k, "k"), sorted=sorted)
    return [values, places.int()]


def sort(kit: Kit, x: Any, axis: Any) -> Tensor:
    x, at = flat_if_none(kit.tensor(x), axis)
    return x.sort(dim=at, stable=True).values


def argsort(kit: Kit, x: Any, axis: Any) -> Tensor:
    x, at = flat_if_none(kit.tensor(x), axis)
    return x.argsort(dim=at, stable=True).int()


def difference(kit: Kit, a: Any, n: int, axis: Any) -> Tensor:
    return torch.diff(kit.tensor(a), n, axis_of(axis, kit.tensor(a).ndim))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Sum": total,
    "Mean": mean,
    "Var": variance,
    "Std": deviation,
    "Moments": moments,
    "Average": average,
    "Prod": product,
    "Max": maximum,
    "Amax": maximum,
    "Min": minimum,
    "Amin": minimum,
    "Ptp": spread,
    "Argmax": _place(torch.argmax),
    "Argmin": _place(torch.argmin),
    "All": _truth(torch.all),
    "Any": _truth(torch.any),
    "Cumsum": _running(torch.cumsum),
    "Cumprod": _running(torch.cumprod),
    "CountNonzero": count_nonzero,
    "Logsumexp": logsumexp,
    "Norm": norm,
    "Normalize": normalize,
    "TopK": top_k,
    "Sort": sort,
    "Argsort": argsort,
    "Diff": difference,
}
