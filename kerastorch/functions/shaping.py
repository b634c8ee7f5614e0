"""Functions that arrange values, join them, or make them from a shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ArgumentError, counted, quote
from .kit import Kit, axes_of, axis_of, flat_if_none, integer, integers, several, sizes

_MOST_VALUES = 10_000_000  # of Arange


def reshape(kit: Kit, x: Any, newshape: Any) -> Tensor:
    return kit.tensor(x).reshape(sizes(newshape, "newshape"))


def expand_dims(kit: Kit, x: Any, axis: Any) -> Tensor:
    x = kit.tensor(x)
    axes = integers(axis, "axis")
    for at in sorted(axis_of(item, x.ndim + len(axes)) for item in axes):
        x = x.unsqueeze(at)
    return x


def squeeze(kit: Kit, x: Any, axis: Any) -> Tensor:
    x = kit.tensor(x)
    if axis is None:
        return x.squeeze()
    axes = axes_of(axis, x.ndim)
    if any(x.shape[at] != 1 for at in axes):
        raise ArgumentError(f"Squeeze: axis {quote(axis)} of shape {tuple(x.shape)} is not of size 1.")
    return x.squeeze(axes)


def transpose(kit: Kit, x: Any, axes: Any) -> Tensor:
    x = kit.tensor(x)
    return x.permute(integers(axes, "axes") if axes is not None else list(reversed(range(x.ndim))))


def moveaxis(kit: Kit, x: Any, source: Any, destination: Any) -> Tensor:
    x = kit.tensor(x)
    places = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    return x if places[0] == places[1] else x.movedim(*places)


def swapaxes(kit: Kit, x: Any, axis1: Any, axis2: Any) -> Tensor:
    x = kit.tensor(x)
    first, second = axis_of(axis1, x.ndim), axis_of(axis2, x.ndim)
    return x if first == second else x.transpose(first, second)


def concatenate(kit: Kit, xs: Any, axis: Any) -> Tensor:
    tensors = kit.joined(*map(kit.tensor, several(xs, "Concatenate")))
    if axis is None:
        return torch.cat([x.reshape(-1) for x in tensors])
    return torch.cat(tensors, axis_of(axis, tensors[0].ndim))


def stack(kit: Kit, x: Any, axis: Any) -> Tensor:
    tensors = kit.joined(*map(kit.tensor, several(x, "Stack")))
    return torch.stack(tensors, axis_of(axis, tensors[0].ndim + 1))


def append(kit: Kit, x1: Any, x2: Any, axis: Any) -> Tensor:
    return concatenate(kit, [x1, x2], axis)


def hstack(kit: Kit, xs: Any) -> Tensor:
    return torch.hstack(kit.joined(*map(kit.tensor, several(xs, "Hstack"))))


def vstack(kit: Kit, xs: Any) -> Tensor:
    return torch.vstack(kit.joined(*map(kit.tensor, several(xs, "Vstack"))))


def split(kit: Kit, x: Any, indices_or_sections: Any, axis: Any) -> list[Tensor]:
    x = kit.tensor(x)
    at = axis_of(axis, x.ndim)
    if isinstance(indices_or_sections, int):
        if x.shape[at] % indices_or_sections:
            raise ArgumentError(
                f"Split: axis {at} of shape {tuple(x.shape)} cannot be split into {indices_or_sections} equal parts."
            )
        return list(x.tensor_split(indices_or_sections, at))
    return list(x.tensor_split(integers(indices_or_sections, "indices_or_sections"), at))


def unstack(kit: Kit, x: Any, num: Any, axis: Any) -> list[Tensor]:
    x = kit.tensor(x)
    at = axis_of(axis, x.ndim)
    if num is None:
        return list(x.unbind(at))
    count = integer(num, "num")
    if not x.is_meta and x.shape[at] != count:  # a size that nobody knows yet may be this one
        raise ArgumentError(
            f"Unstack: num is {count}, and axis {at} of shape {tuple(x.shape)} has {x.shape[at]} items."
        )
    return [x.select(at, place) for place in range(count)]


def repeat(kit: Kit, x: Any, repeats: Any, axis: Any) -> Tensor:
    x, at = flat_if_none(kit.tensor(x), axis)
    counts = integers(repeats, "repeats")
    if len(counts) == 1:
        return x.repeat_interleave(counts[0], at)
    total = sum(counts)  # stated, so that it is known on the meta device too
    return x.repeat_interleave(torch.tensor(counts, device=x.device), at, output_size=total)


def tile(kit: Kit, x: Any, repeats: Any) -> Tensor:
    return kit.tensor(x).tile(integers(repeats, "repeats"))


def flip(kit: Kit, x: Any, axis: Any) -> Tensor:
    x = kit.tensor(x)
    return x.flip(axes_of(axis, x.ndim))


def roll(kit: Kit, x: Any, shift: Any, axis: Any) -> Tensor:
    x, shifts = kit.tensor(x), integers(shift, "shift")
    return x.roll(shifts) if axis is None else x.roll(shifts, axes_of(axis, x.ndim))


def pad(kit: Kit, x: Any, constant_values: Any, pad_width: Any, mode: str) -> Tensor:
    x = kit.tensor(x)
    widths = _pad_widths(pad_width, x.ndim)
    if mode == "constant":
        value = 0 if constant_values is None else constant_values
        if isinstance(value, Tensor):
            value = value.item()
        return F.pad(x, [width for pair in reversed(widths) for width in pair], value=value)
    if mode not in ("reflect", "symmetric"):
        raise ArgumentError(f"Pad: mode {quote(mode)} is none of constant, reflect, symmetric.")
    for axis, (before, after) in enumerate(widths):
        size, edge = x.shape[axis], int(mode == "symmetric")
        places = [
            *range(before - edge, -edge, -1), *range(size), *range(size - 2 + edge, size - 2 + edge - after, -1)
        ]  # fmt: skip
        x = x.index_select(axis, torch.tensor(places, device=x.device)) if before or after else x
    return x


def _pad_widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    """One pair for each axis, from pairs, from one pair, or from one number for all."""
    if isinstance(pad_width, Tensor):
        pad_width = pad_width.tolist()
    if isinstance(pad_width, int):
        return [(pad_width, pad_width)] * rank
    pairs = [integers(item, "pad_width") for item in pad_width]
    if len(pairs) == 2 and all(len(pair) == 1 for pair in pairs):
        return [(pairs[0][0], pairs[1][0])] * rank
    pairs = pairs * rank if len(pairs) == 1 else pairs
    return [(pair[0], pair[-1]) for pair in pairs]


def broadcast_to(kit: Kit, x: Any, shape: Any) -> Tensor:
    return kit.tensor(x).broadcast_to(sizes(shape, "shape"))


def _like(value: int) -> Callable[..., Tensor]:
    def compute(kit: Kit, x: Any, dtype: Any) -> Tensor:
        return torch.full_like(kit.tensor(x), value, dtype=None if dtype is None else kit.dtype(dtype))

    return compute


def full_like(kit: Kit, x: Any, fill_value: Any, dtype: Any) -> Tensor:
    x = kit.tensor(x)
    filled = kit.tensor(fill_value).to(device=x.device, dtype=x.dtype if dtype is None else kit.dtype(dtype))
    return filled.broadcast_to(x.shape)


def full(kit: Kit, fill_value: Any, shape: Any, dtype: Any) -> Tensor:
    value = kit.tensor(fill_value)
    value = value if dtype is None else value.to(kit.dtype(dtype))
    return value.broadcast_to(integers(shape, "shape"))


def arange(kit: Kit, start: Any, stop: Any, step: Any, dtype: Any) -> Tensor:
    first, last, by = (0, start, 1) if stop is None else (start, stop, 1)
    by = by if step is None else step
    bounds: list[Any] = [
        bound.item() if isinstance(bound, Tensor) and not bound.is_meta else bound for bound in (first, last, by)
    ]
    if any(isinstance(bound, Tensor) for bound in bounds):
        raise ArgumentError("Arange: how many values there are depends on the values of a tensor.")
    if (bounds[1] - bounds[0]) / bounds[2] > _MOST_VALUES:
        raise ArgumentError(f"Arange: more than {counted(_MOST_VALUES, 'value')}.")
    whole = all(isinstance(bound, int) for bound in bounds)
    chosen = (torch.int32 if whole else kit.floats) if dtype is None else kit.dtype(dtype)
    return torch.arange(*bounds, dtype=chosen, device=kit.device)


def _triangle(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda kit, x, k: function(kit.tensor(x), k)


def diagonal(kit: Kit, x: Any, offset: int, axis1: int, axis2: int) -> Tensor:
    return kit.tensor(x).diagonal(offset, axis1, axis2)


def trace(kit: Kit, x: Any, offset: int, axis1: int, axis2: int) -> Tensor:
    found = diagonal(kit, x, offset, axis1, axis2)
    found = found if found.is_floating_point() or found.dtype == torch.int64 else found.int()
    return found.sum(-1, dtype=found.dtype)


def shape_of(kit: Kit, x: Any) -> Tensor:
    """Sizes stay on the CPU: what takes them there reads them without waiting for a GPU."""
    return torch.tensor(list(kit.tensor(x).shape), dtype=torch.int32, device="cpu")


def rank_of(kit: Kit, x: Any) -> Tensor:
    return torch.tensor(kit.tensor(x).ndim, dtype=torch.int32, device="cpu")


def size_of(kit: Kit, x: Any) -> Tensor:
    return torch.tensor(math.prod(kit.tensor(x).shape), dtype=torch.int32, device="cpu")


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Append": append,
    "Arange": arange,
    "BroadcastTo": broadcast_to,
    "Concatenate": concatenate,
    "Diag": _triangle(torch.diag),
    "Diagonal": diagonal,
    "ExpandDims": expand_dims,
    "Flip": flip,
    "Fliplr": lambda kit, x: flip(kit, x, 1),
    "Flipud": lambda kit, x: flip(kit, x, 0),
    "Full": full,
    "FullLike": full_like,
    "Hstack": hstack,
    "Moveaxis": moveaxis,
    "Ndim": rank_of,
    "OnesLike": _like(1),
    "Pad": pad,
    "Ravel": lambda kit, x: kit.tensor(x).reshape(-1),
    "Repeat": repeat,
    "Reshape": reshape,
    "Roll": roll,
    "Shape": shape_of,
    "Size": size_of,
    "Split": split,
    "Squeeze": squeeze,
    "Stack": stack,
    "Swapaxes": swapaxes,
    "Tile": tile,
    "Trace": trace,
    "Transpose": transpose,
    "Tril": _triangle(torch.tril),
    "Triu": _triangle(torch.triu),
    "Unstack": unstack,
    "Vstack": vstack,
    "ZerosLike": _like(0),
}
