"""Images made larger by whole factors, with weights that torch has no kernel for.

TensorFlow's functions are the judge (`tf.image.resize` without antialiasing): a new value is a weighted mean of the
values around its place. The weights follow from how far these stand from it, those outside the image count nothing, and
what is left is divided by its sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_TABLE = 1024  # TensorFlow takes bicubic weights from a table, at distances of whole 1/1024


def _keys(distance: Tensor) -> Tensor:
    """Keys's cubic with the parameter -0.5 (torch's bicubic has -0.75)."""
    d = torch.round(distance * _TABLE) / _TABLE
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _mitchell(d: Tensor) -> Tensor:
    """Mitchell and Netravali's cubic with B = C = 1/3."""
    near = ((7 * d - 12) * d * d + 16 / 3) / 6
    far = (((-7 / 3 * d + 12) * d - 20) * d + 32 / 3) / 6
    return torch.where(d < 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _gaussian(d: Tensor) -> Tensor:
    """A bell with the standard deviation 0.5, cut at three of them."""
    return torch.where(d < 1.5, torch.exp(-2 * d * d), torch.zeros_like(d))


def _lanczos(radius: int) -> Callable[[Tensor], Tensor]:
    def weigh(d: Tensor) -> Tensor:
        return torch.where(d <= radius, torch.sinc(d) * torch.sinc(d / radius), torch.zeros_like(d))

    return weigh


# Name in Keras -> weight of a value at a distance, in places of the image.
_WEIGHTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "bicubic": _keys,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
    "gaussian": _gaussian,
    "mitchellcubic": _mitchell,
}


def _weights(name: str, size: int, factor: int, like: Tensor) -> Tensor:
    """What each of `size` values counts in each of `size * factor` new ones; in float32 at least."""
    new = torch.arange(size * factor, device=like.device).unsqueeze(1)
    old = torch.arange(size, device=like.device).unsqueeze(0)
    # A value stands in the middle of its place: (new + 0.5) / factor and old + 0.5, in whole numbers until here.
    twice = ((2 * old + 1) * factor - (2 * new + 1)).abs()
    dtype = torch.promote_types(like.dtype, torch.float32)
    weights = _WEIGHTS[name](twice.to(dtype) / (2 * factor))
    return weights / weights.sum(1, keepdim=True)


def enlarge(x: Tensor, name: str, factors: tuple[int, int], channel_axis: int) -> Tensor:
    """An image with `factors` times its rows and columns.

    Args:
        x: `(N, H, W, C)`, or `(N, C, H, W)` with `channel_axis` 1; floating.
        name: Keras's, of the weights: "bicubic", "lanczos3", "lanczos5", "gaussian", "mitchellcubic".
        factors: Of rows and columns.

    Returns:
        x's layout and dtype.
    """
    x = x.movedim(channel_axis, 1)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    rows, columns = (_weights(name, x.shape[axis], factor, x) for axis, factor in zip((2, 3), factors, strict=True))
    return (rows @ (wide @ columns.T)).to(x.dtype).movedim(1, channel_axis)
