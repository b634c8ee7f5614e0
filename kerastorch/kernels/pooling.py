"""Pooling with Keras's padding, on plain tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import torch_private
from .convolution import padded

_MAXIMA = {2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGES = {2: F.avg_pool2d, 3: F.avg_pool3d}


def pool(
    x: Tensor, *, average: bool, window: tuple[int, ...], strides: tuple[int, ...], padding: str, channel_axis: int
) -> Tensor:
    """The maximum or the mean of each window. What "same" pads with counts neither as a maximum nor in a mean.

    Args:
        x: `(N, ..., C)`, or `(N, C, ...)` with `channel_axis` 1.
        window: One size for each axis of the image.
        strides: Likewise.
        padding: "valid" or "same".

    Returns:
        x's layout. With the channels last it is contiguous: they are moved as a view, and torch's kernels follow.
    """
    row = len(window) == 1
    x = x.movedim(channel_axis, 1)
    if row:  # an image one high: torch's kernels for images take the channels last as they are, its others copy
        x, window, strides = x.unsqueeze(2), (1, *window), (1, *strides)
    sides = [padded(n, k, stride, 1, padding) for n, k, stride in zip(x.shape[2:], window, strides, strict=True)]
    around = [before for before, _ in sides]
    share: Tensor | None = None  # of each window that lies in the image
    # A graph for every size of input cannot ask whether the sides are alike, and torch's own padding takes no size.
    open_sides = padding == "same" and max(strides) > 1 and torch.compiler.is_compiling()
    uneven = open_sides or any(before != behind for before, behind in sides)
    # torch's mean over volumes compares the window with the volume without its padding, and refuses.
    refused = average and len(window) == 3 and any(k > n for k, n in zip(window, x.shape[2:], strict=True))
    if uneven or refused:
        flat = [side for pair in reversed(sides) for side in pair]
        if average:
            share = _AVERAGES[len(window)](F.pad(x.new_ones(1, 1, *x.shape[2:]), flat), window, strides)
        x, around = F.pad(x, flat, value=0.0 if average else _lowest(x.dtype)), [0] * len(window)
    if not average:
        y = _MAXIMA[len(window)](x, window, strides, around)
    else:
        y = _AVERAGES[len(window)](x, window, strides, around, count_include_pad=False)
        y = y if share is None else y / share
    return (y.squeeze(2) if row else y).movedim(1, channel_axis)


_ADAPTIVE = {
    False: (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
    True: (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
}


def adaptive_pool(x: Tensor, *, average: bool, output_size: tuple[int, ...], channel_axis: int) -> Tensor:
    """The maximum or the mean of each of `output_size` windows that cover an image evenly.

    Args:
        x: `(N, ..., C)`, or `(N, C, ...)` with `channel_axis` 1.
        output_size: How many windows there are along each axis of the image.

    Returns:
        x's layout.
    """
    x = x.movedim(channel_axis, 1)
    if torch_private.is_exporting_to_onnx():
        for axis, count in enumerate(output_size, start=2):
            x = _adaptive_along(x.movedim(axis, -1), count, average).movedim(-1, axis)
        return x.movedim(1, channel_axis)
    return _ADAPTIVE[average][len(output_size) - 1](x, output_size).movedim(1, channel_axis)


def _adaptive_along(x: Tensor, count: int, average: bool) -> Tensor:
    """The last axis as the maxima or means of `count` windows, for any size of it. ONNX has no node for it."""
    size = x.shape[-1]
    place, window = torch.arange(size, device=x.device), torch.arange(count, device=x.device).unsqueeze(1)
    inside = (place >= window * size // count) & (place * count < (window + 1) * size)
    if average:
        share = inside.to(x.dtype)
        return x @ (share / share.sum(-1, keepdim=True)).transpose(0, 1)
    return torch.where(inside, x.unsqueeze(-2), _lowest(x.dtype)).amax(-1)


def _lowest(dtype: torch.dtype) -> float:
    return float("-inf") if dtype.is_floating_point else torch.iinfo(dtype).min
