"""LocallyConnected1D and LocallyConnected2D, SpectralNormalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ... import layers
from .. import helpers
from ..builder import TRANSLATORS, Builder, Value, refusal, translates
from .activations import activate

_LOCAL = (layers.LocallyConnected1D, layers.LocallyConnected2D)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
# Layers whose kernel has the outputs last, and the axis of them in the weight of torch's module.
_NORMALISED = {
    **dict.fromkeys((layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D), 0),
    **dict.fromkeys((*_TRANSPOSED, layers.Embedding), 1),
}


@translates(*_LOCAL)
def _local(t: Builder, layer: Any, x: Value) -> Value:
    shape = x.shape_known
    out = tuple(layer._image_out(shape))
    first = layer.data_format == "channels_first"
    if layer.implementation == 1:
        image = x.movedim(1, -1) if first else x
        given = {"channels_first": True} if first else {}
        windows = t.call(helpers.windows_of, image, list(layer.kernel_size), list(layer.strides), **given)
        weight = t.parameter(layer, "weight")
        y = torch.einsum("bpv,pvf->bpf", windows, weight)
        y = y.unflatten(1, out) if len(out) > 1 else y
        y = y.movedim(-1, 1) if first else y
    else:
        where = layer._connections(shape)
        weight = t.parameter(layer, "weight")
        if layer.implementation == 2:
            matrix = weight.reshape(*where.shape) * t.constant(f"{layer.name}_connected", where.to(layer._computes_in))
        else:
            matrix = t.call(helpers.scattered, weight, t.constant(f"{layer.name}_connected", where.T)).T
        y = (x.flatten(1) @ matrix).unflatten(1, layer._in_format(out, layer.filters))
    if layer.use_bias:
        bias = t.parameter(layer, "bias")
        sizes = layer._in_format(out, layer.filters)
        y = y + (bias if tuple(layer.bias.shape) == tuple(sizes) else bias.reshape(*sizes))
    return activate(t, layer, layer.activation, y)


@translates(layers.SpectralNormalization)
def _spectral(t: Builder, layer: Any, x: Value) -> Value:
    inner = layer.layer
    axis = _NORMALISED.get(type(inner))
    if axis is None:
        raise refusal(layer, f"the kernel of a {type(inner).__name__} inside has no translation")
    size = layer.vector_u.shape[1]

    def around(module: nn.Module) -> nn.Module:
        made = helpers.SpectralNorm(module, size, axis, layer.power_iterations).train(layer.training)
        made.vector = layer.vector_u.detach().clone()
        return made

    t.inside, t.around = layer, around
    try:
        return TRANSLATORS[type(inner)](t, inner, x)
    finally:
        t.inside = t.around = None
