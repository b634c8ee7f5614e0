"""Batch and layer normalisation."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ... import layers
from ...base.to_torch import plain, with_constants
from ...layers.normalization.batch_normalization import least_epsilon
from .. import helpers
from ..builder import Builder, Value, translates
from .recurrent import filled


@translates(layers.BatchNormalization)
def _batch_norm(t: Builder, layer: Any, x: Value, mask: Any = None) -> Value:
    if layer.renorm:
        return _batch_renorm(t, layer, x, mask)
    least = least_epsilon(layer) if layer.fused else None
    if least is not None:
        mask = None  # TensorFlow's kernel takes none

    def make() -> nn.Module:
        with torch.device("meta"):
            module = helpers.BatchNorm(
                len(layer.running_mean),
                layer.axis,
                layer.epsilon if least is None else least,
                round(1 - layer.momentum, 12),
                layer.scale,
                layer.center,
                not layer.trainable,
                least is not None,
            )
        return filled(module, layer, dict(layer.state_dict(keep_vars=True)))

    return t.module(layer, layer.name, make, x, **({} if mask is None else {"mask": mask}))


def _batch_renorm(t: Builder, layer: Any, x: Value, mask: Any) -> Value:
    clipping = layer.renorm_clipping or {}

    def make() -> nn.Module:
        with torch.device("meta"):
            module = helpers.BatchRenorm(
                len(layer.running_mean),
                layer.axis,
                layer.epsilon,
                round(1 - layer.momentum, 12),
                round(1 - layer.renorm_momentum, 12),
                (clipping.get("rmin"), clipping.get("rmax"), clipping.get("dmax")),
                layer.scale,
                layer.center,
                not layer.trainable,
            )
        return filled(module, layer, dict(layer.state_dict(keep_vars=True)))

    return t.module(layer, layer.name, make, x, **({} if mask is None else {"mask": mask}))


@translates(layers.LayerNormalization)
def _layer_norm(t: Builder, layer: Any, x: Value) -> Value:
    axes = layer._axes(x.rank)
    if layer.rms_scaling:
        return _scaled(t, layer, x, axes)
    last = list(range(x.rank - len(axes), x.rank))
    sizes = [x.shape_known[axis] for axis in axes]

    def make() -> nn.Module:
        tensors = with_constants(layer, weight=1) if layer._has_beta else layer.state_dict(keep_vars=True)
        affine = {"elementwise_affine": layer._has_gamma or layer._has_beta, "bias": layer._has_beta}
        return plain(nn.LayerNorm, layer, dict(tensors), normalized_shape=tuple(sizes), eps=layer.epsilon, **affine)

    y = x if axes == last else x.movedim(tuple(axes), tuple(last))
    y = t.module(layer, layer.name, make, y)
    return y if axes == last else y.movedim(tuple(last), tuple(axes))


def _scaled(t: Builder, layer: Any, x: Value, axes: list[int]) -> Value:
    """rms_scaling=True: a division by the standard deviation, without centring."""
    variance = x.var(tuple(axes), correction=0, keepdim=True)
    sizes = [x.shape_known[axis] if axis in axes else 1 for axis in range(x.rank)]
    weight: Any = t.parameter(layer, "weight")
    plain_shape = sizes[x.rank - len(axes) :] == [x.shape_known[axis] for axis in axes]
    return x * torch.rsqrt(variance + layer.epsilon) * (weight if plain_shape else weight.view(*sizes))


@translates(layers.RMSNormalization)
def _rms_norm(t: Builder, layer: Any, x: Value) -> Value:
    def make() -> nn.Module:
        return type(layer).__dict__["_to_torch"](layer)

    return t.module(layer, layer.name, make, x)
