"""Noise while training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SharedDropout(nn.Module):
    """Dropout with one mask for all positions along some axes, as for all steps of a sequence.

    Args:
        p: Fraction of the values that become zero.
        axes: Along which the mask is the same.
    """

    def __init__(self, p: float, axes: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.p = p
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        shape = list(x.shape)
        for axis in self.axes:
            shape[axis] = 1
        return x * F.dropout(x.new_ones(shape), self.p)


class GaussianNoise(nn.Module):
    """Adds normal noise while training."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stddev * torch.randn_like(x) if self.training else x


class GaussianDropout(nn.Module):
    """Multiplies by normal noise around 1 while training, with the variance of dropout at rate p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.0 + math.sqrt(self.p / (1.0 - self.p)) * torch.randn_like(x)) if self.training else x


class AlphaDropout(nn.Module):
    """Dropout that keeps mean and variance of what SELU makes, with one mask along some axes.

    Args:
        p: Fraction of the values that are dropped.
        axes: Along which the mask is the same.
    """

    def __init__(self, p: float, axes: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.p = p
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        low = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
        shape = [1 if axis in self.axes else size for axis, size in enumerate(x.shape)]
        kept = torch.rand(shape, dtype=x.dtype, device=x.device) >= self.p
        factor = ((1 - self.p) * (1 + self.p * low**2)) ** -0.5
        return torch.where(kept, x, low) * factor - factor * low * self.p
