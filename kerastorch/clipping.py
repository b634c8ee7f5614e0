"""Keras's `clip`, with its derivative: 1 at the bounds themselves, in every version of torch.

`Tensor.clamp` gave that until torch 2.13; from 2.14 on it gives 0 there. TensorFlow's clip passes the gradient on at
its bounds, and points that lie on one are common: 0.2 x + 0.5 is 0 at -2.5 and 1 at 2.5.
"""

from __future__ import annotations

import torch
from torch import Tensor

Bound = float | Tensor | None

# As numbers: "2.14.0a0+git" is 2.14 as well.
_CLAMP_PASSES_AT_BOUNDS = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 14)


def clip(x: Tensor, low: Bound, high: Bound) -> Tensor:
    """min(max(x, low), high); where x is not a number it stays so.

    Args:
        x: a tensor of any shape and dtype.
        low: a number, a tensor that broadcasts with x, or None for no bound.
        high: likewise.
    """
    if _CLAMP_PASSES_AT_BOUNDS and (low is not None or high is not None):
        return x.clamp(low, high)  # type: ignore[arg-type]  # torch's stubs take two numbers or two tensors
    y = x if low is None else torch.where(x < low, low, x)
    return y if high is None else torch.where(y > high, high, y)
