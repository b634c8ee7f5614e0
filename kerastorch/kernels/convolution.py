"""Convolution with Keras's padding, on plain tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """The length of an axis after a convolution; below 1 if the kernel does not fit."""
    return (size - (kernel - 1) * dilation - 1) // stride + 1 if padding == "valid" else -(-size // stride)


def transposed_size(size: int, kernel: int, stride: int, dilation: int, padding: str, extra: int | None) -> int:
    """The length of an axis after a transposed convolution; `extra` is Keras's `output_padding`."""
    covered = (kernel - 1) * dilation + 1
    if padding == "valid":
        return (size - 1) * stride + (max(covered, stride) if extra is None else covered + extra)
    return size * stride if extra is None else (size - 1) * stride + covered % 2 + extra


def padded(size: int, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """How many zeros stand before and behind an axis: "same" puts the larger half behind, "causal" all before."""
    covered = (kernel - 1) * dilation + 1
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return covered - 1, 0
    # With a stride of 1 the size says nothing: so an exported program takes any size.
    total = covered - 1 if stride == 1 else max((-(-size // stride) - 1) * stride + covered - size, 0)
    return total // 2, total - total // 2


def convolve(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    *,
    padding: str,
    channel_axis: int,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """Convolve as Keras does: "same" pads so that the output has ceil(size / stride).

    Args:
        x: `(N, ..., C)`, or `(N, C, ...)` with `channel_axis` 1.
        w: `(filters, C / groups, ...)`.
        b: `(filters,)`.
        padding: "valid", "same" or "causal".

    Returns:
        x's layout, with `filters` channels.
    """
    x, strides, around, dilation, _ = _surrounded(x, w, padding, channel_axis, strides, dilation)
    return _CONVOLUTIONS[w.ndim - 2](x, w, b, strides, around, dilation, groups).movedim(1, channel_axis)


def convolve_gradients(
    grad: Tensor,
    x: Tensor,
    w: Tensor,
    needs: Sequence[bool],
    *,
    padding: str,
    channel_axis: int,
    strides: Sequence[int] | None = None,
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of `convolve`'s x, w and b that are needed, from that of its result."""
    rank, sizes = w.ndim - 2, x.movedim(channel_axis, 1).shape[2:]
    x, strides, around, dilation, before = _surrounded(x, w, padding, channel_axis, strides, dilation)
    of_x, of_w, of_b = torch.ops.aten.convolution_backward(
        grad.movedim(channel_axis, 1), x, w, [len(w)], strides, around, dilation, False, [0] * rank, groups, needs
    )
    if of_x is not None:
        for axis, (start, size) in enumerate(zip(before, sizes, strict=True), 2):
            of_x = of_x.narrow(axis, start, size)
        of_x = of_x.movedim(1, channel_axis)
    return of_x, of_w, of_b


def _surrounded(
    x: Tensor,
    w: Tensor,
    padding: str,
    channel_axis: int,
    strides: Sequence[int] | None,
    dilation: Sequence[int] | None,
) -> tuple[Tensor, Sequence[int], Sequence[int], Sequence[int], Sequence[int]]:
    """The input with channels in front, and with zeros where torch cannot add them; torch's strides, padding, dilation.

    Behind them: how many zeros stand before each axis of that input.
    """
    rank = w.ndim - 2
    x = x.movedim(channel_axis, 1)
    strides = strides or (1,) * rank
    dilation = dilation or (1,) * rank
    sides = [padded(*axis, padding) for axis in zip(x.shape[2:], w.shape[2:], strides, dilation, strict=True)]
    before, none = [first for first, _ in sides], [0] * rank
    if all(first == last for first, last in sides):
        return x, strides, before, dilation, none
    return F.pad(x, [side for pair in reversed(sides) for side in pair]), strides, none, dilation, before


def convolve_transposed(
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    *,
    padding: str,
    channel_axis: int,
    strides: Sequence[int],
    dilation: Sequence[int],
    sizes: Sequence[int],
    groups: int = 1,
) -> Tensor:
    """The gradient of a convolution as a layer: what `convolve` would have made x of.

    Args:
        x: `(N, ..., C)`, or `(N, C, ...)` with `channel_axis` 1.
        w: `(C, filters / groups, ...)`.
        b: `(filters,)`.
        padding: "valid" or "same".
        sizes: Of the output's axes without batch and channels, as `transposed_size` finds them.

    Returns:
        x's layout, with `filters` channels.
    """
    rank = w.ndim - 2
    x = x.movedim(channel_axis, 1)
    too_long = [
        (n - 1) * stride + (k - 1) * rate + 1 - size
        for n, k, stride, rate, size in zip(x.shape[2:], w.shape[2:], strides, dilation, sizes, strict=True)
    ]
    before = [max(rest, 0) // 2 if padding == "same" else 0 for rest in too_long]
    behind = [max(-rest, 0) for rest in too_long]
    y = _TRANSPOSED[rank](x, w, b, strides, before, behind, groups, dilation)
    for axis, size in enumerate(sizes, 2):
        y = y.narrow(axis, 0, size)  # where an odd number of places is cut off, one more goes behind
    return y.movedim(1, channel_axis)
