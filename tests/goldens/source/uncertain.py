"""Uncertain: a model in plain PyTorch.

From the tests.

Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;
running this file computes a recorded example again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).resolve().parent


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


class FixedMode(nn.Module):
    """Runs a module as in training, or as in evaluation, whatever mode the model is in.

    Args:
        module: The module.
        fixed: Whether it runs as in training.
    """

    def __init__(self, module: nn.Module, fixed: bool) -> None:
        super().__init__()
        self.module = module
        self.fixed = fixed
        self.train()

    def train(self, mode: bool = True) -> FixedMode:
        super().train(self.fixed)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


class Base(nn.Module):
    """x: float32 (B, 5, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(3, 4)
        self.norm = BatchNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.up(x))  # (B, 5, 4)
        return self.norm(x)  # (B, 5, 4)


class Uncertain(nn.Module):
    """x: float32 (B, 5, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.base = FixedMode(Base(), False)
        self.read_dropout = FixedMode(SharedDropout(0.3), True)
        self.read = nn.LSTM(4, 4, batch_first=True)
        self.read.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.score = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.base(x)  # (B, 5, 4)
        x, _ = self.read(self.read_dropout(x))
        x = x[:, -1]  # (B, 4)
        return self.score(x)  # (B, 1)


def load(folder: str | Path = FOLDER) -> Uncertain:
    """The model with its trained weights, in evaluation mode."""
    model = Uncertain()
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)
    return model.eval()


def replay() -> list[tuple[Tensor, Tensor]]:
    """The outputs for the recorded inputs, each beside the recorded one."""
    example = load_file(FOLDER / "example.safetensors")
    with torch.no_grad():
        model = load()
        torch.manual_seed(0)  # dropout acts in evaluation, too
        output = model(example["input_0"])
    return [(output, example["output_0"])]


if __name__ == "__main__":
    for computed, recorded in replay():
        print(f"{tuple(computed.shape)}: largest difference {(computed - recorded).abs().max():.1e}")
