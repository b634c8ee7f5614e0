"""Windows whose padding depends on the size of the input, and normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pad_same(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int], value: float = 0.0) -> Tensor:
    """x `(B, C, ...)` padded so that a window gives ceil(size / stride) places; an odd one goes behind."""
    pads: list[int] = []
    for axis in range(len(kernel) - 1, -1, -1):
        size = x.shape[axis + 2]
        places = -(-size // stride[axis])
        total = max((places - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def average_same(x: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    """The mean of each window of x `(B, C, ...)`, over ceil(size / stride) places; padding does not count."""
    dilation = [1] * len(kernel)
    values, there = pad_same(x, kernel, stride, dilation), pad_same(torch.ones_like(x), kernel, stride, dilation)
    if len(kernel) == 1:
        return F.avg_pool1d(values, kernel, stride) / F.avg_pool1d(there, kernel, stride)
    if len(kernel) == 2:
        return F.avg_pool2d(values, kernel, stride) / F.avg_pool2d(there, kernel, stride)
    return F.avg_pool3d(values, kernel, stride) / F.avg_pool3d(there, kernel, stride)


class MaskedGroupNorm(nn.GroupNorm):
    """An nn.GroupNorm whose statistics leave out what is masked."""

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise an input `(B, C, ...)`; what the mask, of its shape, has as False counts in no mean."""
        if mask is None:
            return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        values = input.reshape(input.shape[0], self.num_groups, -1)
        used = mask.to(input.dtype).reshape(values.shape)
        count = used.sum(-1, keepdim=True)
        mean = (values * used).sum(-1, keepdim=True) / count
        variance = (values.square() * used).sum(-1, keepdim=True) / count - mean.square()
        out = ((values - mean) * torch.rsqrt(variance + self.eps)).reshape(input.shape)
        if self.affine:
            shape = [1, -1] + [1] * (input.ndim - 2)
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out


class BatchNorm(nn.Module):
    """Batch normalisation along any axis, whose running variance follows the biased variance of the batches.

    Args:
        num_features: Size of the axis.
        axis: The axis of the features.
        eps: Added to the variance.
        momentum: Weight of a new batch in the running statistics.
        scale: Whether there is a weight.
        center: Whether there is a bias.
        frozen: Whether the running statistics are used, and stay, while training too.
        unbiased: Whether the running variance follows the unbiased variance instead.
    """

    def __init__(
        self,
        num_features: int,
        axis: int = -1,
        eps: float = 1e-3,
        momentum: float = 0.01,
        scale: bool = True,
        center: bool = True,
        frozen: bool = False,
        unbiased: bool = False,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.axis = axis
        self.eps = eps
        self.momentum = momentum
        self.scale = scale
        self.center = center
        self.frozen = frozen
        self.unbiased = unbiased
        self.weight = nn.Parameter(torch.ones(num_features)) if scale else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if center else None
        self.running_mean = nn.Buffer(torch.zeros(num_features))
        self.running_var = nn.Buffer(torch.ones(num_features))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise x; where the mask, x's shape without the last axis, is False, a batch's statistics do not count."""
        mean, var = self.running_mean, self.running_var
        if self.training and not self.frozen:
            mean, var = self.moments(x, mask)
            count = x.numel() // mean.numel()
            new = var * (count / max(count - 1, 1)) if self.unbiased else var
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(new, self.momentum)
        return self.normalised(x, mean, (var + self.eps).rsqrt())

    def moments(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of each feature."""
        axes = list(range(x.ndim))
        axes.pop(self.axis % x.ndim)
        if mask is None:
            var, mean = torch.var_mean(x, axes, correction=0)
            return mean, var
        used = mask[..., None].expand_as(x)
        count = used.sum(axes, keepdim=True, dtype=x.dtype) + 1e-7
        mean = x.where(used, 0).sum(axes, keepdim=True) / count
        var = (x - mean).where(used, 0).square().sum(axes, keepdim=True) / count
        return mean.flatten(), var.flatten()

    def normalised(self, x: Tensor, mean: Tensor, factor: Tensor, shift: Tensor | None = None) -> Tensor:
        """`((x - mean) * factor + shift) * weight + bias`, along the axis of the features."""
        factor = factor if self.weight is None else factor * self.weight
        offset = -mean * factor
        if shift is not None:
            offset = offset + (shift if self.weight is None else shift * self.weight)
        offset = offset if self.bias is None else offset + self.bias
        shape = [1] * x.ndim
        shape[self.axis] = -1
        return torch.addcmul(offset.view(shape), x, factor.view(shape))


class BatchRenorm(BatchNorm):
    """A `BatchNorm` that trains with statistics near the running ones: batch renormalisation (Ioffe 2017).

    Args:
        num_features: Size of the axis.
        axis: The axis of the features.
        eps: Added to the variance.
        momentum: Weight of a new batch in the running statistics.
        renorm_momentum: Likewise in those that training is held near to.
        bounds: Least and largest factor of the deviation, largest shift of the mean; None for no bound.
        scale: Whether there is a weight.
        center: Whether there is a bias.
        frozen: Whether the running statistics are used, and stay, while training too.
    """

    def __init__(
        self,
        num_features: int,
        axis: int = -1,
        eps: float = 1e-3,
        momentum: float = 0.01,
        renorm_momentum: float = 0.01,
        bounds: tuple[float | None, float | None, float | None] = (None, None, None),
        scale: bool = True,
        center: bool = True,
        frozen: bool = False,
    ) -> None:
        super().__init__(num_features, axis, eps, momentum, scale, center, frozen)
        self.renorm_momentum = renorm_momentum
        self.bounds = bounds
        self.moving_stddev = nn.Buffer(torch.zeros(num_features))
        self.renorm_mean = nn.Buffer(torch.zeros(num_features))
        self.renorm_stddev = nn.Buffer(torch.zeros(num_features))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if not self.training or self.frozen:
            return self.normalised(x, self.running_mean, (self.running_var + self.eps).rsqrt())
        mean, var = self.moments(x, mask)
        with torch.no_grad():
            deviation = (var + self.eps).sqrt()
            seen = self.renorm_stddev.clamp(min=self.eps**0.5)  # as long as training has seen little
            least, most, largest = self.bounds
            factor, shift = deviation / seen, (mean - self.renorm_mean) / seen
            factor = factor if least is None and most is None else factor.clamp(least, most)
            shift = shift if largest is None else shift.clamp(-largest, largest)
            self.renorm_mean.lerp_(mean, self.renorm_momentum)
            self.renorm_stddev.lerp_(deviation, self.renorm_momentum)
            self.running_mean.lerp_(mean, self.momentum)
            self.moving_stddev.lerp_(deviation, self.momentum)
            self.running_var.copy_((self.moving_stddev.square() - self.eps).clamp(min=0.0))
        return self.normalised(x, mean, (var + self.eps).rsqrt() * factor, shift)
