"""Layers without time of their own: Dense, Embedding, Masking, dropout, and what moves axes."""

from __future__ import annotations

from typing import Any

from torch import nn

from ... import layers
from ...base.to_torch import plain
from .. import helpers
from ..builder import Builder, Value, makes_mask, translates
from .activations import activate


@translates(layers.Dense)
def _dense(t: Builder, layer: Any, x: Value) -> Value:
    def make() -> nn.Module:
        units, features = layer.weight.shape
        return plain(nn.Linear, layer, in_features=features, out_features=units, bias=layer.use_bias)

    return activate(t, layer, layer.activation, t.module(layer, layer.name, make, x))


@translates(layers.Embedding)
def _embedding(t: Builder, layer: Any, x: Value) -> Value:
    def make() -> nn.Module:
        return plain(nn.Embedding, layer, num_embeddings=layer.input_dim, embedding_dim=layer.output_dim)

    return t.module(layer, layer.name, make, x)


@makes_mask(layers.Embedding)
def _embedding_mask(layer: Any, x: Any, mask: Any) -> Any:
    return x != 0 if layer.mask_zero else mask if layer._hands_on_mask else None


@translates(layers.Masking)
def _masking(t: Builder, layer: Any, x: Value) -> Value:
    return x.masked_fill(~t.behind[..., None], 0.0)


@makes_mask(layers.Masking)
def _masking_mask(layer: Any, x: Any, mask: Any) -> Any:
    return (x != layer.mask_value).any(-1)


@translates(layers.Dropout)
def _dropout(t: Builder, layer: Any, x: Value) -> Value:
    if not layer._acts():
        return x
    if layer.noise_shape is None:
        return t.module(layer, layer.name, lambda: nn.Dropout(layer.rate), x)
    axes = tuple(axis for axis, size in enumerate(layer.noise_shape) if size == 1)
    return t.module(layer, layer.name, lambda: helpers.SharedDropout(layer.rate, axes), x)


@translates(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D)
def _spatial_dropout(t: Builder, layer: Any, x: Value) -> Value:
    if not layer._acts():
        return x
    rank = type(layer).SPATIAL
    first = 2 if layer.data_format == "channels_first" else 1
    axes = tuple(range(first, first + rank))
    return t.module(layer, layer.name, lambda: helpers.SharedDropout(layer.rate, axes), x)


@translates(layers.GaussianNoise)
def _gaussian_noise(t: Builder, layer: Any, x: Value) -> Value:
    return t.module(layer, layer.name, lambda: helpers.GaussianNoise(layer.stddev), x) if layer._acts() else x


@translates(layers.GaussianDropout)
def _gaussian_dropout(t: Builder, layer: Any, x: Value) -> Value:
    return t.module(layer, layer.name, lambda: helpers.GaussianDropout(layer.rate), x) if layer._acts() else x


@translates(layers.Identity, layers.ActivityRegularization)
def _identity(t: Builder, layer: Any, x: Any) -> Any:
    return x
