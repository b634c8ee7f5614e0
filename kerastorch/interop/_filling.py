"""Tensors of torch's modules into layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from .. import layers

_L = TypeVar("_L", bound=layers.Layer)


def filled(layer: _L, input_shape: tuple[int | None, ...], tensors: Mapping[str, Tensor | None]) -> _L:
    """Build the layer where the tensors are, in their dtype, and copy them in by name; None: it has no such."""
    present = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    build_like(layer, input_shape, present)
    fill(layer, present)
    return layer


def build_like(layer: layers.Layer, input_shape: tuple[int | None, ...], tensors: Mapping[str, Tensor]) -> None:
    for like in list(tensors.values())[:1]:
        layer.to(device=like.device, dtype=like.dtype)
    layer.build(input_shape)


@torch.no_grad()
def fill(layer: layers.Layer, tensors: Mapping[str, Tensor]) -> None:
    """Copy the tensors into the layer's parameters and buffers of the same names; freeze what is frozen."""
    own = layer.state_dict(keep_vars=True)
    for name, tensor in tensors.items():
        own[name].copy_(tensor)
        if isinstance(own[name], nn.Parameter):
            own[name].requires_grad_(tensor.requires_grad)
    frozen = bool(tensors) and not any(tensor.requires_grad for tensor in tensors.values())
    # In training, a BatchNormalization that is not trainable uses its moving statistics, torch's never does.
    if frozen and not isinstance(layer, layers.BatchNormalization):
        layer.trainable = False
