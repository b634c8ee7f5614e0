"""Activation functions that torch lacks, or has with another derivative at a kink."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def identity(x: Tensor) -> Tensor:
    """x as it is."""
    return x


def hard_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines: 0 below -3, 1 above 3."""
    return F.relu6(x + 3.0) / 6.0


def hard_sigmoid_fifth(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines with slope 0.2: 0 below -2.5, 1 above 2.5."""
    return (0.2 * x + 0.5).clamp(0.0, 1.0)


def hard_silu(x: Tensor) -> Tensor:
    """x times a sigmoid of three straight lines."""
    return x * F.relu6(x + 3.0) / 6.0


def selu(x: Tensor) -> Tensor:
    """SELU whose derivative at 0 is that of the right side."""
    return torch.where(x < 0, F.selu(x), 1.0507009873554804934193349852946 * x)


def hard_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x where its size is above the threshold, else 0."""
    return torch.where(x.abs() > threshold, x, 0.0)


def soft_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x brought nearer to 0 by the threshold."""
    return torch.where(x > threshold, x - threshold, torch.where(x < -threshold, x + threshold, 0.0))


def squareplus(x: Tensor, b: float = 4) -> Tensor:
    """A smooth relu: (x + sqrt(x * x + b)) / 2."""
    return (x + torch.sqrt(x * x + b)) / 2


def sparse_plus(x: Tensor) -> Tensor:
    """A relu with a parabola between -1 and 1."""
    return torch.where(x <= -1, 0.0, torch.where(x < 1, 0.25 * (x + 1) ** 2, x))


def sparse_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines: 0 below -1, 1 above 1."""
    return 0.5 * (F.hardtanh(x) + 1.0)


def relu_between(
    x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """x above the threshold, at most `max_value`; `negative_slope * (x - threshold)` below."""
    y = F.threshold(x, threshold, 0.0)
    if max_value is not None:
        y = y.clamp(0.0, max_value)
    return y - negative_slope * F.relu(threshold - x)


def divide_or_zero(x: Tensor, y: Tensor) -> Tensor:
    """x / y, and 0 where y is 0."""
    there = y != 0
    return torch.where(there, x / torch.where(there, y, 1), 0)


def sparsemax(x: Tensor, dim: int = -1) -> Tensor:
    """A softmax with zeros, as Keras computes it: the sums of the whole support are added up."""
    ordered = x.sort(dim=dim, descending=True).values.movedim(dim, -1)
    sums = ordered.cumsum(-1)
    support = ordered - (sums - 1) / torch.arange(1, x.shape[dim] + 1, device=x.device) > 0
    least = (torch.where(support, sums, 0).sum(-1, keepdim=True) - 1) / support.sum(-1, keepdim=True)
    return F.relu(x - least.movedim(-1, dim))
