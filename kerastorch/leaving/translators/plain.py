"""Layers that are a formula of their inputs and parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ... import layers
from ...base.to_torch import plain, with_constants
from ...layers.activations.softmax import HIDDEN, HIDDEN_HALF
from .. import helpers
from ..builder import Builder, Value, translates
from .activations import activate


@translates(layers.PReLU)
def _prelu(t: Builder, layer: Any, x: Value) -> Value:
    return torch.relu(x) - t.parameter(layer, "weight") * torch.relu(-x)


@translates(layers.ThresholdedReLU)
def _thresholded(t: Builder, layer: Any, x: Value) -> Value:
    return t.call(F.threshold, x, layer.theta, 0.0)


@translates(layers.Softmax)
def _softmax(t: Builder, layer: Any, x: Value, mask: Any = None) -> Value:
    if mask is None or (layer.keras2_masks and layer.robust_masking is None):
        return _softmax_over(layer, x)
    hidden = (HIDDEN_HALF if layer._computes_in == torch.float16 else HIDDEN)[layer.robust_masking]
    used: Any = mask if mask.node.meta.get("dtype", torch.bool) == torch.bool else mask > 0.5
    if layer.robust_masking is False:
        return _softmax_over(layer, x + t.call(torch.where, used, 0.0, hidden).to(layer._computes_in))
    made: Any = _softmax_over(layer, torch.where(used, x, hidden))
    return made if layer.robust_masking else made.masked_fill(~used, 0.0)


def _softmax_over(layer: Any, x: Value) -> Value:
    axes = (layer.axis,) if isinstance(layer.axis, int) else layer.axis
    if len(axes) == 1:
        return torch.softmax(x, dim=axes[0])
    return torch.exp(x - torch.logsumexp(x, axes, keepdim=True))


@translates(layers.EinsumDense)
def _einsum_dense(t: Builder, layer: Any, x: Value) -> Value:
    equation = layer.equation if "..." not in layer.equation else None
    y = torch.einsum(equation or layer.equation, x, t.parameter(layer, "weight"))
    if layer.bias_axes is not None:
        y = y + t.parameter(layer, "bias")
    return activate(t, layer, layer.activation, y)


@translates(layers.UnitNormalization)
def _unit(t: Builder, layer: Any, x: Value) -> Value:
    squares = x.square().sum(layer.axis, keepdim=True)
    return x * squares.clamp(min=layer.least_norm**2).rsqrt()


@translates(layers.Normalization)
def _normalization(t: Builder, layer: Any, x: Value) -> Value:
    kept = layer._kept(x.rank)
    shape = [x.shape_known[axis] if axis in kept else 1 for axis in range(x.rank)]
    mean = t.constant(f"{layer.name}_mean", layer.mean.view(shape))
    deviation = t.constant(f"{layer.name}_deviation", layer.variance.view(shape).sqrt().clamp(min=1e-7))
    return mean + x * deviation if layer.invert else (x - mean) / deviation


@translates(layers.Rescaling)
def _rescaling(t: Builder, layer: Any, x: Value) -> Value:
    scale, offset = (
        t.constant(f"{layer.name}_{name}", getattr(layer, f"_{name}")) if isinstance(value, list) else value
        for name, value in (("scale", layer.scale), ("offset", layer.offset))
    )
    y = x * scale
    return y if isinstance(offset, (int, float)) and not offset else y + offset


@translates(layers.AlphaDropout)
def _alpha_dropout(t: Builder, layer: Any, x: Value) -> Value:
    if not layer._acts():
        return x
    axes = tuple(axis for axis, size in enumerate(layer.noise_shape or ()) if size == 1)
    return t.module(layer, layer.name, lambda: helpers.AlphaDropout(layer.rate, axes), x)


@translates(layers.Highway)
def _highway(t: Builder, layer: Any, x: Value) -> Value:
    carry, bias = t.parameter(layer, "weight_carry"), t.parameter(layer, "bias_carry") if layer.use_bias else None
    gate: Any = torch.sigmoid(t.call(F.linear, x, carry, bias))
    weight, bias = t.parameter(layer, "weight"), t.parameter(layer, "bias") if layer.use_bias else None
    new = activate(t, layer, layer.activation, t.call(F.linear, x, weight, bias))
    gate.node.meta["label"] = "gate"
    return gate * new + (1 - gate) * x


@translates(layers.MaxoutDense)
def _maxout(t: Builder, layer: Any, x: Value) -> Value:
    y = torch.einsum("bf,kfu->bku", x, t.parameter(layer, "weight"))
    return (y + t.parameter(layer, "bias") if layer.use_bias else y).amax(1)


@translates(layers.GroupNormalization)
def _group_norm(t: Builder, layer: Any, x: Value, mask: Any = None) -> Value:
    channels = x.shape_known[layer.axis]
    kind = helpers.MaskedGroupNorm if mask is not None and layer.keras2_masks else nn.GroupNorm

    def make() -> nn.Module:
        return plain(
            kind,
            layer,
            with_constants(layer, weight=1, bias=0),
            num_groups=layer._count(channels),
            num_channels=channels,
            eps=layer.epsilon,
            affine=layer.scale or layer.center,
        )

    moved = layer.axis % x.rank != 1
    inputs = [x] if mask is None or kind is nn.GroupNorm else [x, mask.expand_as(x)]
    y = t.module(layer, layer.name, make, *(each.movedim(layer.axis, 1) if moved else each for each in inputs))
    return y.movedim(1, layer.axis) if moved else y
