"""Constant tensors of graphs: buffers of the layer or model that uses them, which stand in no file of weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_PREFIX = "_constant_"


def hold(module: nn.Module, tensor: Tensor) -> str:
    """Keep a tensor in a buffer, so that it follows the module to its device; returns the buffer's name.

    On the meta device it keeps its values: no file of weights holds them.
    """
    name = f"{_PREFIX}{len(held_by(module))}"
    default = torch.get_default_device()
    device = tensor.device if default.type == "meta" else default
    module.register_buffer(name, tensor.to(device), persistent=False)
    return name


def held_by(module: nn.Module) -> dict[str, Tensor]:
    """The constants by their names, in the order in which they came."""
    return {name: value for name, value in module._buffers.items() if name.startswith(_PREFIX) and value is not None}


def move(module: nn.Module, device: torch.device) -> None:
    """Bring the constants of a module, and not what it holds else, to a device."""
    for name, value in held_by(module).items():
        module._buffers[name] = value.to(device)
