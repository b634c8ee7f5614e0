"""nn.MultiheadAttention as a layer with the same weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .. import layers
from ..errors import UnsupportedError
from ._filling import filled
from ._settings import Settings


@torch.no_grad()
def multi_head_attention(module: nn.MultiheadAttention, settings: Settings) -> layers.Layer:
    """The layer for nn.MultiheadAttention."""
    if settings.in_sequential:
        raise UnsupportedError("it takes query, key and value, and an nn.Sequential hands on one tensor")
    if module.bias_k is not None or module.bias_v is not None:
        raise UnsupportedError("add_bias_kv=True: Keras adds no step to keys and values")
    if module.add_zero_attn:
        raise UnsupportedError("add_zero_attn=True: Keras adds no step to keys and values")
    heads, size = module.num_heads, module.head_dim
    parts = ("query", "key", "value")
    if module.in_proj_weight is not None:
        weights = [(module.in_proj_weight, part) for part in module.in_proj_weight.chunk(3)]
    else:
        weights = [(weight, weight) for weight in (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)]
    tensors: dict[str, Tensor] = {}
    for name, (whole, part) in zip(parts, weights, strict=True):
        tensors[f"{name}_dense.weight"] = _like(whole, part.T.unflatten(1, (heads, size)))
    out, bias = module.out_proj, module.in_proj_bias
    tensors["output_dense.weight"] = _like(out.weight, out.weight.T.unflatten(0, (heads, size)))
    if bias is not None:
        for name, part in zip(parts, bias.chunk(3), strict=True):
            tensors[f"{name}_dense.bias"] = _like(bias, part.unflatten(0, (heads, size)))
        tensors["output_dense.bias"] = out.bias
    layer = layers.MultiHeadAttention(heads, size, dropout=module.dropout, use_bias=bias is not None)
    shapes: Any = [(None, None, features) for features in (module.embed_dim, module.vdim, module.kdim)]
    return filled(layer, shapes, tensors)


def _like(parameter: Tensor, values: Tensor) -> Tensor:
    """The values, frozen if the parameter is."""
    return values.detach().clone().requires_grad_(parameter.requires_grad)
