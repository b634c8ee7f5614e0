"""From torch's modules for rows, images and volumes to layers with the same numbers; `_convert` puts them to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from torch import nn

from .. import layers
from ..errors import UnsupportedError
from ._settings import Settings


def _tuple(value: Any, rank: int) -> tuple[int, ...]:
    """One number for each axis."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def _pooling(make: Any, rank: int) -> Callable[[Any, Settings], layers.Layer]:
    average = make in (layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)

    def convert(module: Any, settings: Settings) -> layers.Layer:
        window, strides, around = (_tuple(value, rank) for value in (module.kernel_size, module.stride, module.padding))
        for option in ("ceil_mode", "return_indices", "divisor_override"):
            if getattr(module, option, None):
                raise UnsupportedError(f"{option}={getattr(module, option)}: Keras's pooling has no such option")
        if any(rate != 1 for rate in _tuple(getattr(module, "dilation", 1), rank)):
            raise UnsupportedError(f"dilation={module.dilation}: Keras's pooling has no dilation")
        same = any(around)
        if same and (
            any(stride != 1 for stride in strides) or any(k != 2 * p + 1 for k, p in zip(window, around, strict=True))
        ):
            raise UnsupportedError(
                f"padding={module.padding}: Keras's \"same\" is torch's padding only for strides of 1 and windows of "
                "2 * padding + 1; pad before with a layer of its own"
            )
        if same and average and module.count_include_pad:
            raise UnsupportedError("count_include_pad=True: Keras's means leave out the padding")
        return make(window, strides, "same" if same else "valid", settings.data_format)

    return convert


def _adaptive(whole: Any, make: Any, rank: int) -> Callable[[Any, Settings], layers.Layer]:
    def convert(module: Any, settings: Settings) -> layers.Layer:
        sizes = _tuple(module.output_size, rank)
        if None in sizes:
            raise UnsupportedError(f"output_size={module.output_size}: Keras's adaptive pooling needs every size")
        if getattr(module, "return_indices", False):
            raise UnsupportedError("return_indices=True: Keras's pooling has no such option")
        # One value is what every Keras has a layer for.
        return whole(settings.data_format, keepdims=True) if set(sizes) == {1} else make(sizes, settings.data_format)

    return convert


def _upsample(module: nn.Upsample, settings: Settings) -> layers.Layer:
    if module.scale_factor is None or module.recompute_scale_factor:
        raise UnsupportedError("a size, or recompute_scale_factor: Keras's UpSampling takes factors; give scale_factor")
    # One number does not tell how many axes there are: where nobody knows, images are what it most often stands for.
    factors = _tuple(module.scale_factor, 2 if settings.rank is None else settings.rank - 2)
    if any(factor != int(factor) or factor < 1 for factor in factors):
        raise UnsupportedError(f"scale_factor={module.scale_factor}: Keras's UpSampling takes whole numbers")
    size = tuple(map(int, factors))
    if len(size) not in (2, 3):
        raise UnsupportedError("rows (one scale_factor): Keras's UpSampling1D has the channels last")
    if module.mode == "nearest" and any(Fraction(float(np.float32(1 / n))) < Fraction(1, n) for n in size):
        raise UnsupportedError(
            f'mode="nearest" with scale_factor={module.scale_factor}: torch divides by a rounded factor and misses '
            'some places; "nearest-exact" does not'
        )
    if module.mode in ("nearest", "nearest-exact"):
        make: Any = layers.UpSampling2D if len(size) == 2 else layers.UpSampling3D
        return make(size, settings.data_format)
    if module.mode == "bilinear" and not module.align_corners:
        return layers.UpSampling2D(size, settings.data_format, "bilinear")
    corners = ", align_corners=True" if module.align_corners else ""
    raise UnsupportedError(f'mode="{module.mode}"{corners}: Keras\'s UpSampling has no such interpolation')


def _zero_pad(make: Any) -> Callable[[Any, Settings], layers.Layer]:
    def convert(module: Any, settings: Settings) -> layers.Layer:
        if any(side < 0 for side in module.padding):
            raise UnsupportedError(f"padding={module.padding}: it takes places away; Keras has Cropping for that")
        pairs = list(zip(module.padding[::2], module.padding[1::2], strict=True))[::-1]
        return make(pairs[0] if len(pairs) == 1 else tuple(pairs), settings.data_format)

    return convert


def _dropout(make: Any) -> Callable[[Any, Settings], layers.Layer]:
    return lambda module, settings: make(module.p, settings.data_format)


CONVERTERS: Mapping[type[nn.Module], Callable[[Any, Settings], layers.Layer]] = {
    nn.MaxPool1d: _pooling(layers.MaxPooling1D, 1),
    nn.MaxPool2d: _pooling(layers.MaxPooling2D, 2),
    nn.MaxPool3d: _pooling(layers.MaxPooling3D, 3),
    nn.AvgPool1d: _pooling(layers.AveragePooling1D, 1),
    nn.AvgPool2d: _pooling(layers.AveragePooling2D, 2),
    nn.AvgPool3d: _pooling(layers.AveragePooling3D, 3),
    nn.AdaptiveMaxPool1d: _adaptive(layers.GlobalMaxPooling1D, layers.AdaptiveMaxPooling1D, 1),
    nn.AdaptiveMaxPool2d: _adaptive(layers.GlobalMaxPooling2D, layers.AdaptiveMaxPooling2D, 2),
    nn.AdaptiveMaxPool3d: _adaptive(layers.GlobalMaxPooling3D, layers.AdaptiveMaxPooling3D, 3),
    nn.AdaptiveAvgPool1d: _adaptive(layers.GlobalAveragePooling1D, layers.AdaptiveAveragePooling1D, 1),
    nn.AdaptiveAvgPool2d: _adaptive(layers.GlobalAveragePooling2D, layers.AdaptiveAveragePooling2D, 2),
    nn.AdaptiveAvgPool3d: _adaptive(layers.GlobalAveragePooling3D, layers.AdaptiveAveragePooling3D, 3),
    nn.Upsample: _upsample,
    nn.UpsamplingNearest2d: _upsample,
    nn.ZeroPad1d: _zero_pad(layers.ZeroPadding1D),
    nn.ZeroPad2d: _zero_pad(layers.ZeroPadding2D),
    nn.ZeroPad3d: _zero_pad(layers.ZeroPadding3D),
    nn.Dropout2d: _dropout(layers.SpatialDropout2D),
    nn.Dropout3d: _dropout(layers.SpatialDropout3D),
}
