"""Modules around others: a mode of their own, and weights that are normalised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


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


def in_mode(module: nn.Module, training: bool, *args: Any, **kwargs: Any) -> Any:
    """Call a module as in training, or as in evaluation; afterwards it is in the mode in which it was."""
    before = module.training
    module.train(training)
    try:
        return module(*args, **kwargs)
    finally:
        module.train(before)


class ComputesIn(nn.Module):
    """Runs a module with its weights cast to another dtype; they stay, and are trained, in their own.

    Args:
        module: The module.
        precision: What it computes in; its inputs have it.
    """

    def __init__(self, module: nn.Module, precision: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self.precision = precision

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        held = {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}
        cast = {name: value.to(self.precision) for name, value in held.items() if value.is_floating_point()}
        return torch.func.functional_call(self.module, cast, args, kwargs)


class SpectralNorm(nn.Module):
    """Divides the weight of a module by its largest singular value, at each call while training (Miyato et al. 2018).

    The weight itself changes. The value is an estimate: power iteration goes on from a vector that is kept.

    Args:
        module: Has a `weight`.
        size: Of the vector: of the weight's axis of outputs.
        axis: That axis.
        iterations: Steps of the power iteration in a call.
    """

    def __init__(self, module: nn.Module, size: int, axis: int = 0, iterations: int = 1) -> None:
        super().__init__()
        self.module = module
        self.size = size
        self.axis = axis
        self.iterations = iterations
        self.vector = nn.Buffer(torch.randn(1, size))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.normalise(self.module.get_parameter("weight"))
        return self.module(x)

    @torch.no_grad()
    def normalise(self, weight: Tensor) -> None:
        matrix = weight.movedim(self.axis, 0).flatten(1)
        u = v = self.vector
        for _ in range(self.iterations):
            v = u @ matrix
            v = v * v.square().sum().rsqrt().clamp(max=1e7)
            u = v @ matrix.T
            u = u * u.square().sum().rsqrt().clamp(max=1e7)
        size = v @ matrix.T @ u.T
        if weight.count_nonzero():  # a weight of zeros stays, and so does the vector
            weight.div_(size.squeeze())
            self.vector.copy_(u)
