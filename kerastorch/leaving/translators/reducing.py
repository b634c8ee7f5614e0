"""Operations that take values over axes together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..builder import Value

_COUNTED = (torch.bool, torch.int8, torch.int16, torch.uint8)  # dtypes whose sums are int32


def axes_of(x: Value, axis: Any) -> Any:
    """Axes as torch takes them: a number, or several."""
    if axis is None:
        return tuple(range(x.rank))
    found = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    return found[0] if len(found) == 1 else found


def integers_of(n: Any, value: Any) -> list[int]:
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(item, int) for item in found):
        raise n.refused("with computed sizes has no translation")
    return found


def _keep(keepdims: bool) -> dict[str, bool]:
    return {"keepdim": True} if keepdims else {}


def _sum(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
    x = n.cast(x, torch.int32) if n.dtype_of(x) in _COUNTED else x
    dtype = n.dtype_of(x)
    whole = {} if dtype.is_floating_point or dtype == torch.int64 else {"dtype": dtype}  # torch would make int64
    return x.sum(axes_of(x, axis), **_keep(keepdims), **whole)


def _mean(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
    x = n.floating(x)
    return x.mean(axes_of(x, axis), **_keep(keepdims))


def _var(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
    x = n.floating(x)
    return x.var(axes_of(x, axis), correction=0, **_keep(keepdims))


def _std(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
    return _var(n, x, axis, keepdims).sqrt()


def _moments(n: Any, x: Value, axes: Any, keepdims: bool, synchronized: bool) -> Any:
    return [_mean(n, x, axes, keepdims), _var(n, x, axes, keepdims)]


def _extreme(method: str, of_booleans: str, of_two: Callable[..., Any]) -> Callable[..., Any]:
    def compute(n: Any, x: Value, axis: Any, keepdims: bool, initial: Any = None) -> Any:
        name = of_booleans if n.dtype_of(x) == torch.bool else method
        made = getattr(x, name)(axes_of(x, axis), **_keep(keepdims))
        if initial is None:
            return made
        made.node.meta["dtype"] = n.dtype_of(x)
        return of_two(*n.joined(made, initial, tensors=True))

    return compute


_MAX, _MIN = _extreme("amax", "any", torch.maximum), _extreme("amin", "all", torch.minimum)


def _spread(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
    return _MAX(n, x, axis, keepdims) - _MIN(n, x, axis, keepdims)


def _truth(method: str) -> Callable[..., Any]:
    def compute(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
        return getattr(n.cast(x, torch.bool), method)(axes_of(x, axis), **_keep(keepdims))

    return compute


def _place(method: str) -> Callable[..., Any]:
    def compute(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
        x = n.cast(x, torch.int32) if n.dtype_of(x) == torch.bool else x
        if axis is None:
            found = getattr(x.flatten(), method)(0).to(torch.int32)
            return found.reshape(*[1] * x.rank) if keepdims else found
        return getattr(x, method)(axis, **_keep(keepdims)).to(torch.int32)

    return compute


def _running(method: str) -> Callable[..., Any]:
    def compute(n: Any, x: Value, axis: Any, dtype: Any) -> Any:
        wanted = n.dtype_of(x) if dtype is None else n.dtype(dtype)
        wanted = torch.int32 if wanted == torch.bool else wanted
        x = n.cast(x, wanted)
        whole = {} if wanted.is_floating_point else {"dtype": wanted}
        return getattr(x.flatten() if axis is None else x, method)(0 if axis is None else axis, **whole)

    return compute


def _product(n: Any, x: Value, axis: Any, keepdims: bool, dtype: Any) -> Any:
    wanted = n.dtype_of(x) if dtype is None else n.dtype(dtype)
    x = n.cast(x, torch.int32 if wanted in _COUNTED and dtype is None else wanted)
    wanted = n.dtype_of(x)
    axes = axes_of(x, axis)
    places = sorted(at % x.rank for at in (axes if isinstance(axes, tuple) else (axes,)))
    for at in reversed(places):
        x = x.prod(at, **_keep(keepdims), **({} if wanted.is_floating_point else {"dtype": wanted}))
    return x


def _average(n: Any, x: Value, weights: Any, axis: Any) -> Any:
    if weights is None:
        return _mean(n, x, axis, False)
    x, weights = n.joined(x, weights, floating=True, tensors=True)
    if axis is not None and weights.rank < x.rank:
        sizes = [-1 if at == axis % x.rank else 1 for at in range(x.rank)]
        weights = weights.reshape(*sizes).expand_as(x)
        weights.node.meta["label"] = "weights"
    axes = axes_of(x, axis)
    return (x * weights).sum(axes) / weights.sum(axes)


def _logsumexp(n: Any, x: Value, axis: Any, keepdims: bool) -> Any:
    x = n.floating(x)
    return x.logsumexp(axes_of(x, axis), **_keep(keepdims))


def _norm(n: Any, x: Value, ord: Any, axis: Any, keepdims: bool) -> Any:
    x, axes = n.floating(x), axes_of(x, axis)
    count = len(axes) if isinstance(axes, tuple) else 1
    if ord is None or (ord == 2 and count == 1) or (ord == "fro" and count == 2):
        return x.square().sum(axes, **_keep(keepdims)).sqrt()
    function = torch.linalg.vector_norm if count == 1 and not isinstance(ord, str) else torch.linalg.matrix_norm
    return n.t.call(function, x, ord, axes, **_keep(keepdims))


def _normalize(n: Any, x: Value, axis: Any, order: Any, epsilon: Any) -> Any:
    x, least = n.floating(x), 1e-7 if epsilon is None else epsilon
    if order == 2:
        return x * x.square().sum(axes_of(x, axis), keepdim=True).rsqrt().clamp(max=1 / least)
    return x / _norm(n, x, order, axis, True).clamp(min=least)


REDUCED: dict[str, Callable[..., Any]] = {
    "All": _truth("all"),
    "Amax": _MAX,
    "Amin": _MIN,
    "Any": _truth("any"),
    "Argmax": _place("argmax"),
    "Argmin": _place("argmin"),
    "Average": _average,
    "CountNonzero": lambda n, x, axis: (x != 0).sum(axes_of(x, axis), dtype=torch.int32),
    "Cumprod": _running("cumprod"),
    "Cumsum": _running("cumsum"),
    "Logsumexp": _logsumexp,
    "Max": _MAX,
    "Mean": _mean,
    "Min": _MIN,
    "Moments": _moments,
    "Norm": _norm,
    "Normalize": _normalize,
    "Prod": _product,
    "Ptp": _spread,
    "Std": _std,
    "Sum": _sum,
    "Trace": lambda n, x, offset, axis1, axis2: x.diagonal(offset, axis1, axis2).sum(-1),
    "Var": _var,
}
