"""A small model of torch, and steps of an optimizer on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def net_of_two() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def train(net: nn.Module, optimizer: Any, steps: int, seed: int = 1) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(6, 3, generator=draw, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
    return [weight.detach().clone() for weight in net.parameters()]
