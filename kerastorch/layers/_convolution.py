"""Convolution with Keras's padding, on plain tensors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """The length of an axis after a convolution, `padding` "valid" or "same"; below 1 if the kernel does not fit."""
    return -(-size // stride) if padding == "same" else (size - (kernel - 1) * dilation - 1) // stride + 1


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
    """Convolve as Keras does: "same" pads so that the output has ceil(size / stride), the larger half behind.

    Args:
        x: `(N, ..., C)`, or `(N, C, ...)` with `channel_axis` 1.
        w: `(filters, C / groups, ...)`.
        b: `(filters,)`.

    Returns:
        x's layout, with `filters` channels.
    """
    rank = w.ndim - 2
    x = x.movedim(channel_axis, 1)
    strides = strides or (1,) * rank
    dilation = dilation or (1,) * rank
    around = [0] * rank
    if padding == "same":
        sizes = zip(x.shape[2:], w.shape[2:], strides, dilation, strict=True)
        totals = [max((-(-n // stride) - 1) * stride + (k - 1) * rate + 1 - n, 0) for n, k, stride, rate in sizes]
        if any(total % 2 for total in totals):
            x = F.pad(x, [side for total in reversed(totals) for side in (total // 2, total - total // 2)])
        else:
            around = [total // 2 for total in totals]
    return _CONVOLUTIONS[rank](x, w, b, strides, around, dilation, groups).movedim(1, channel_axis)
