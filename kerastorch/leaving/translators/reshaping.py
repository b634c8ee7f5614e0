"""Layers that move, repeat, pad and cut values."""

from __future__ import annotations

from typing import Any

from torch.nn import functional as F

from ... import layers
from ..builder import Builder, Value, translates


@translates(layers.Flatten)
def _flatten(t: Builder, layer: Any, x: Value) -> Value:
    if x.rank == 1:
        return x.unsqueeze(1)
    if x.rank == 2:
        return x
    return (x.movedim(1, -1) if layer.data_format == "channels_first" else x).flatten(1)


@translates(layers.Reshape)
def _reshape(t: Builder, layer: Any, x: Value) -> Value:
    return x.reshape(x.shape[0], *(-1 if size is None else size for size in layer._resolved(x.shape_known)))


@translates(layers.Permute)
def _permute(t: Builder, layer: Any, x: Value) -> Value:
    if layer.dims == (2, 1):
        return x.transpose(1, 2)
    return x.permute(0, *layer.dims)


@translates(layers.RepeatVector)
def _repeat_vector(t: Builder, layer: Any, x: Value) -> Value:
    return x.unsqueeze(1).repeat(1, layer.n, 1)


@translates(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
def _zero_padding(t: Builder, layer: Any, x: Value) -> Value:
    channels = () if layer.data_format == "channels_first" else (0, 0)
    return t.call(F.pad, x, (*channels, *layer._flat))


@translates(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)
def _cropping(t: Builder, layer: Any, x: Value) -> Value:
    key: list[slice] = [slice(None)] * x.rank
    for axis, (before, behind) in zip(layer._image_axes, layer._added, strict=True):
        key[axis] = slice(-before or None, behind or None)
    while key and key[-1] == slice(None):
        key.pop()
    return x[tuple(key)] if key else x


@translates(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)
def _up_sampling(t: Builder, layer: Any, x: Value) -> Value:
    if getattr(layer, "interpolation", "nearest") == "bilinear":
        moved = x if layer.data_format == "channels_first" else x.movedim(-1, 1)
        factors = list(map(float, layer.size))
        moved = t.call(F.interpolate, moved, scale_factor=factors, mode="bilinear", align_corners=False)
        return moved if layer.data_format == "channels_first" else moved.movedim(1, -1)
    for axis, factor in zip(layer._image_axes, layer._factors, strict=True):
        if factor != 1:
            x = x.repeat_interleave(factor, dim=axis)
    return x
