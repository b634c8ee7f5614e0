"""Elementwise operations and segments beyond those that files hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ArgumentError, quote
from .computed import computed, floats, tensor, together


def _one(name: str, function: Callable[[Tensor], Tensor], floating: bool = True) -> Any:
    def made(x: Any) -> Tensor:
        return function(floats(x) if floating else tensor(x))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`keras.ops.{name}`, value by value."
    return computed(made)


def _two(name: str, function: Callable[[Tensor, Tensor], Tensor], floating: bool = False) -> Any:
    def made(x1: Any, x2: Any) -> Tensor:
        return function(*together(x1, x2, floating=floating))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`keras.ops.{name}`, value by value."
    return computed(made)


def _shift(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> Any:
    def made(x: Any, y: Any) -> Tensor:
        return function(*together(x, y))

    made.__name__ = made.__qualname__ = name
    made.__doc__ = f"`keras.ops.{name}`, value by value."
    return computed(made)


angle = _one("angle", torch.angle)
erfc = _one("erfc", torch.erfc)
erfinv = _one("erfinv", torch.erfinv)
hard_swish = _one("hard_swish", F.hardswish)
i0 = _one("i0", torch.special.i0)
imag = _one("imag", lambda x: x.imag if x.is_complex() else torch.zeros_like(x), floating=False)
isneginf = _one("isneginf", torch.isneginf, floating=False)
isposinf = _one("isposinf", torch.isposinf, floating=False)
isreal = _one("isreal", torch.isreal, floating=False)
signbit = _one("signbit", torch.signbit, floating=False)
sinc = _one("sinc", torch.sinc)
swish = _one("swish", F.silu)
fmax = _two("fmax", torch.fmax)
fmin = _two("fmin", torch.fmin)
gcd = _two("gcd", torch.gcd)
heaviside = _two("heaviside", torch.heaviside, floating=True)
kron = _two("kron", torch.kron)
lcm = _two("lcm", torch.lcm)
logaddexp2 = _two("logaddexp2", torch.logaddexp2, floating=True)
nextafter = _two("nextafter", torch.nextafter, floating=True)
vdot = _two("vdot", lambda x1, x2: (x1.reshape(-1).conj() * x2.reshape(-1)).sum().to(x1.dtype))
bitwise_left_shift = _shift("bitwise_left_shift", torch.bitwise_left_shift)
bitwise_right_shift = _shift("bitwise_right_shift", torch.bitwise_right_shift)
left_shift = _shift("left_shift", torch.bitwise_left_shift)
right_shift = _shift("right_shift", torch.bitwise_right_shift)


@computed
def ldexp(x1: Any, x2: Any) -> Tensor:
    """x1 times 2 to the power of x2: `keras.ops.ldexp`."""
    x1 = floats(x1)
    return x1 * torch.pow(torch.tensor(2.0, dtype=x1.dtype, device=x1.device), tensor(x2))


@computed
def polar(abs_: Any, angle: Any) -> Tensor:
    """Complex numbers from their sizes and angles: `keras.ops.polar`."""
    return torch.polar(*together(abs_, angle, floating=True))


@computed
def allclose(x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether all values lie close to each other, as a tensor with one bool: `keras.ops.allclose`."""
    first, second = together(x1, x2)
    return torch.isclose(first, second, rtol=rtol, atol=atol, equal_nan=equal_nan).all()


@computed
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each value of x1 is among those of x2: `keras.ops.isin`."""
    return torch.isin(*together(x1, x2), assume_unique=assume_unique, invert=invert)


@computed
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Tensor:
    """Products of vectors in space: `keras.ops.cross`.

    Args:
        x1: Vectors of 2 or 3 values.
        x2: The same.
        axisa: Their axis in x1.
        axisb: Their axis in x2.
        axisc: Their axis in the result, which has none where all vectors have 2 values.
        axis: All three.
    """
    first, second = together(x1, x2)
    if axis is not None:
        axisa = axisb = axisc = axis
    first, second = first.movedim(axisa, -1), second.movedim(axisb, -1)
    flat = first.shape[-1] == 2 and second.shape[-1] == 2
    first, second = (F.pad(item, (0, 3 - item.shape[-1])) for item in (first, second))
    found = torch.linalg.cross(*torch.broadcast_tensors(first, second))
    return found[..., 2] if flat else found.movedim(-1, axisc)


@computed
def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """A plane of a tensor turned by k right angles: `keras.ops.rot90`."""
    return torch.rot90(tensor(array), k, list(axes))


@computed
def diagflat(x: Any, k: int = 0) -> Tensor:
    """All values on a diagonal of a matrix: `keras.ops.diagflat`."""
    return torch.diagflat(tensor(x), k)


@computed
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of a vector as the columns of a matrix: `keras.ops.vander`."""
    found = torch.linalg.vander(tensor(x), N=N)
    return found if increasing else found.flip(-1)


@computed
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The area below a line through points: `keras.ops.trapezoid`."""
    found = floats(y)
    return torch.trapezoid(found, dx=dx, dim=axis) if x is None else torch.trapezoid(found, floats(x), dim=axis)


@computed
def argpartition(x: Any, kth: int, axis: int = -1) -> Tensor:
    """The order that puts the kth value in its place, smaller ones before it: `keras.ops.argpartition`."""
    return tensor(x).argsort(dim=axis, stable=True).to(torch.int32)


@computed
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Tensor:
    """Where values go in a sorted vector: `keras.ops.searchsorted`."""
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side: expected 'left' or 'right', got {quote(side)}.")
    return torch.searchsorted(*together(sorted_sequence, values), right=side == "right", out_int32=True)


@computed
def digitize(x: Any, bins: Any) -> Tensor:
    """The interval of each value: `keras.ops.digitize`."""
    return torch.bucketize(*together(x, bins), right=True, out_int32=True)


@computed
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Tensor:
    """How often each whole number is there, row by row: `keras.ops.bincount`.

    Args:
        x: `(..., T)`, whole numbers from 0 on.
        weights: What each one counts, in the shape of x.
        minlength: The least size of the result's last axis.
        sparse: False: there are no sparse tensors here.
    """
    if sparse:
        raise ArgumentError("bincount: sparse=True is not supported; the result is dense.")
    numbers = tensor(x).long()
    size = max(minlength, int(numbers.max()) + 1 if numbers.numel() else 0)
    counted = torch.ones_like(numbers, dtype=torch.int32) if weights is None else tensor(weights)
    found = torch.zeros(*numbers.shape[:-1], size, dtype=counted.dtype, device=numbers.device)
    return found.scatter_add(-1, numbers, counted)


@computed
def histogram(x: Any, bins: int = 10, range: tuple[float, float] | None = None) -> tuple[Tensor, Tensor]:
    """How many values lie in each of `bins` intervals, and their bounds: `keras.ops.histogram`."""
    values = floats(x).reshape(-1)
    least, most = (values.min(), values.max()) if range is None else (float(range[0]), float(range[1]))
    least, most = float(least), float(most)
    if least == most:
        least, most = least - 0.5, most + 0.5
    bounds = torch.linspace(least, most, bins + 1, dtype=values.dtype, device=values.device)
    inside = values[(values >= least) & (values <= most)]
    places = (torch.bucketize(inside, bounds, right=True) - 1).clamp(0, bins - 1)
    return torch.bincount(places, minlength=bins).to(values.dtype), bounds


@computed
def corrcoef(x: Any) -> Tensor:
    """How much rows go together, from -1 to 1: `keras.ops.corrcoef`."""
    return torch.corrcoef(floats(x))


@computed
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Tensor:
    """Products of two vectors at all distances: `keras.ops.correlate`."""
    first, second = together(x1, x2, floating=True)
    pads = {"valid": 0, "same": len(second) // 2, "full": len(second) - 1}
    if mode not in pads:
        raise ArgumentError(f"correlate: mode: expected one of {list(pads)}, got {quote(mode)}.")
    turned = len(second) > len(first)
    if turned:
        first, second = second, first
    pads = {"valid": (0, 0), "same": (len(second) // 2, (len(second) - 1) // 2), "full": (len(second) - 1,) * 2}
    found = F.conv1d(F.pad(first, pads[mode])[None, None], second[None, None])[0, 0]
    return found.flip(0) if turned else found


# ---------------------------------------------------------------- segments


def _segments(name: str, way: str) -> Any:
    def made(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Tensor:
        values = tensor(data)
        numbers = tensor(segment_ids).long().to(values.device)
        count = int(numbers.max()) + 1 if num_segments is None else int(num_segments)
        # Rows of a segment that is not there go into one more, which is dropped.
        numbers = torch.where((numbers < 0) | (numbers >= count), count, numbers)
        low, high = _bounds(values.dtype)
        begin = {"sum": 0, "prod": 1, "amax": low, "amin": high}[way]
        found = torch.full((count + 1, *values.shape[1:]), begin, dtype=values.dtype, device=values.device)
        index = numbers.reshape(-1, *[1] * (values.ndim - 1)).expand_as(values)
        return found.scatter_reduce(0, index, values, way)[:count]

    made.__name__ = made.__qualname__ = name
    made.__doc__ = (
        f"Rows of equal segment numbers together: `keras.ops.{name}`.\n\n"
        "    Args:\n        data: `(T, ...)`.\n        segment_ids: `(T,)`; rows with a number that is not there count "
        "nowhere.\n        num_segments: The size of the result; the largest number plus 1 if None.\n"
        "        sorted: Whether the numbers are in order; without effect.\n    "
    )
    return computed(made)


def _bounds(dtype: torch.dtype) -> tuple[Any, Any]:
    if dtype.is_floating_point:
        return float("-inf"), float("inf")
    limits = torch.iinfo(dtype)
    return limits.min, limits.max


segment_sum, segment_prod = _segments("segment_sum", "sum"), _segments("segment_prod", "prod")
segment_max, segment_min = _segments("segment_max", "amax"), _segments("segment_min", "amin")


@computed
def in_top_k(targets: Any, predictions: Any, k: int) -> Tensor:
    """Whether each target is among the k best classes: `keras.ops.in_top_k`.

    Args:
        targets: `(B,)`, class numbers.
        predictions: `(B, classes)`.
        k: How many; classes that are as good as the last of them count, too.

    Returns:
        `(B,)`, bool.
    """
    numbers, scores = tensor(targets).long(), floats(predictions)
    known = (numbers >= 0) & (numbers < scores.shape[-1])
    own = scores.gather(-1, torch.where(known, numbers, 0).unsqueeze(-1))
    better = (scores > own).sum(-1)
    return known & own.squeeze(-1).isfinite() & (better < k)


@computed
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Each value once, in order: `keras.ops.unique`.

    Args:
        x: A tensor.
        sorted: Without effect: values come in order.
        return_index: Whether the first place of each value is returned, too.
        return_inverse: Whether the place of each value in the result is.
        return_counts: Whether the counts are.
        axis: What is compared lies across this axis; single values if None.
        size: The result has this size: it is cut, or filled with `fill_value`.
        fill_value: The least value if None.
    """
    values = tensor(x)
    found, inverse, counts = torch.unique(values, sorted=True, return_inverse=True, return_counts=True, dim=axis)
    at = 0 if axis is None else axis
    flat = inverse.reshape(-1)
    places = torch.arange(len(flat), device=flat.device)
    first = torch.full((found.shape[at],), len(flat), device=flat.device).scatter_reduce(0, flat, places, "amin")
    if size is not None:
        missing = size - found.shape[at]
        if missing > 0:
            fill = found.amin() if fill_value is None else fill_value
            shape = list(found.shape)
            shape[at] = missing
            found = torch.cat([found, torch.full(shape, fill, dtype=found.dtype, device=found.device)], at)
            first, counts = F.pad(first, (0, missing)), F.pad(counts, (0, missing))
        found, first, counts = found.narrow(at, 0, size), first[:size], counts[:size]
    chosen = ((return_index, first), (return_inverse, inverse), (return_counts, counts))
    more = [item.to(torch.int32) for wanted, item in chosen if wanted]
    return (found, *more) if more else found
