"""Convolutions and pooling: torch has the channels behind the batch axis, Keras last."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn import functional as F

from ... import layers
from ...base.to_torch import plain
from .. import helpers
from ..builder import Builder, Value, refusal, translates
from .activations import function_of

_MAX = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_AVERAGE = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


def channels_first(x: Value, rank: int) -> Value:
    """x with the channels behind the batch axis; a value that was moved the other way as it was."""
    node = x.node
    there = node.op == "call_method" and node.target == "transpose" and node.args[1:] == (1, 2)
    there = there or (node.op == "call_method" and node.target == "movedim" and node.args[1:] == (1, -1))
    if there and "channels" in node.meta:
        made: Any = node.args[0]
        shape = node.meta["shape"]
        made.meta.setdefault("shape", (shape[0], shape[-1], *shape[1:-1]))
        made.meta.setdefault("layer", node.meta["layer"])
        return type(x)(made, x.tracer)
    return x.transpose(1, 2) if rank == 1 else x.movedim(-1, 1)


def channels_last(x: Value, rank: int) -> Value:
    """The way back."""
    made = x.transpose(1, 2) if rank == 1 else x.movedim(1, -1)
    made.node.meta["channels"] = True
    return made


def _into(layer: Any, x: Value) -> Value:
    return x if layer.data_format == "channels_first" else channels_first(x, type(layer).SPATIAL)


def _out_of(layer: Any, x: Value) -> Value:
    return x if layer.data_format == "channels_first" else channels_last(x, type(layer).SPATIAL)


def _activated(t: Builder, layer: Any, y: Value) -> Value:
    """The activation, and the channels where they belong."""
    found = function_of(layer, layer.activation)
    if found is None:
        return _out_of(layer, y)
    function, options = found
    if "dim" in options or function is F.glu:
        return t.call(function, _out_of(layer, y), **options)  # along Keras's axis
    return _out_of(layer, t.call(function, y, **options))


@translates(layers.Conv1D, layers.Conv2D, layers.Conv3D)
def _convolution(t: Builder, layer: Any, x: Value) -> Value:
    if x.rank != type(layer).SPATIAL + 2:
        raise refusal(layer, "several batch axes have no translation")
    y, window = _window(t, layer, _into(layer, x))

    def make() -> nn.Module:
        return layer._torch_module(layer.weight, layer._own_bias, groups=layer.groups, **window)

    return _activated(t, layer, t.module(layer, layer.name, make, y))


def _window(t: Builder, layer: Any, y: Value) -> tuple[Value, dict[str, Any]]:
    """What a convolution runs over, padded where torch's module cannot, and the module's arguments."""
    window: dict[str, Any] = {"stride": layer.strides, "dilation": layer.dilation_rate, "padding": 0}
    if layer.padding == "causal":
        y = t.call(F.pad, y, ((layer.kernel_size[0] - 1) * layer.dilation_rate[0], 0))
    elif layer.padding == "same" and max(layer.strides) > 1:
        y = t.call(helpers.pad_same, y, *map(list, (layer.kernel_size, layer.strides, layer.dilation_rate)))
    elif layer.padding == "same":
        window["padding"] = "same"
    return y, window


def _channelwise(layer: Any, weight: Any, bias: Any, window: dict[str, Any]) -> nn.Module:
    """A convolution of each channel by itself; the weight is `(C, multiplier, ...)`."""
    return layer._torch_module(weight.flatten(0, 1).unsqueeze(1), bias, groups=weight.shape[0], **window)


@translates(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def _depthwise(t: Builder, layer: Any, x: Value) -> Value:
    y, window = _window(t, layer, _into(layer, x))
    y = t.module(layer, layer.name, lambda: _channelwise(layer, layer.weight, layer._own_bias, window), y)
    return _activated(t, layer, y)


@translates(layers.SeparableConv1D, layers.SeparableConv2D)
def _separable(t: Builder, layer: Any, x: Value) -> Value:
    y, window = _window(t, layer, _into(layer, x))
    first, second = f"{layer.name}_depthwise", f"{layer.name}_pointwise"
    y = t.module((layer, 0), first, lambda: _channelwise(layer, layer.depthwise_weight, None, window), y)
    y = t.module((layer, 1), second, lambda: layer._torch_module(layer.pointwise_weight, layer._own_bias), y)
    return _activated(t, layer, y)


@translates(
    *(layers.AdaptiveMaxPooling1D, layers.AdaptiveMaxPooling2D, layers.AdaptiveMaxPooling3D),
    *(layers.AdaptiveAveragePooling1D, layers.AdaptiveAveragePooling2D, layers.AdaptiveAveragePooling3D),
)
def _adaptive_pooling(t: Builder, layer: Any, x: Value) -> Value:
    y = t.module(layer, layer.name, lambda: type(layer).__dict__["_to_torch"](layer), _into(layer, x))
    return _out_of(layer, y)


@translates(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
def _transposed(t: Builder, layer: Any, x: Value) -> Value:
    y = _into(layer, x)
    sizes, out = layer._image(x.shape_known), layer._image_out(x.shape_known)
    # How much is cut off on both sides together: where no size is stated, it depends on none.
    stated = layer.output_size is not None
    sizes, out = (
        (sizes, out)
        if stated
        else ((100,) * len(sizes), layer._image_out((None, *layer._in_format((100,) * len(sizes), 1))))
    )
    cut = [
        (n - 1) * stride + (k - 1) * rate + 1 - size
        for n, k, stride, rate, size in zip(
            sizes, layer.kernel_size, layer.strides, layer.dilation_rate, out, strict=True
        )
    ]
    same = layer.padding == "same"

    def make() -> nn.Module:
        return plain(
            _TRANSPOSED[type(layer).SPATIAL - 1],
            layer,
            in_channels=layer.weight.shape[0],
            out_channels=layer.filters,
            kernel_size=layer.kernel_size,
            stride=layer.strides,
            padding=tuple(max(size, 0) // 2 if same else 0 for size in cut),
            output_padding=tuple(max(-size, 0) for size in cut),
            dilation=layer.dilation_rate,
            bias=layer.use_bias,
        )

    y = t.module(layer, layer.name, make, y)
    rest = [max(size, 0) - max(size, 0) // 2 * 2 if same else max(size, 0) for size in cut]
    if any(rest):  # an odd place goes behind
        y = y[(slice(None), slice(None), *(slice(None, -size or None) for size in rest))]
    return _activated(t, layer, y)


@translates(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D)
def _max_pooling(t: Builder, layer: Any, x: Value) -> Value:
    y = _into(layer, x)
    if layer.padding == "same":
        y = t.call(
            helpers.pad_same,
            y,
            list(layer.pool_size),
            list(layer.strides),
            [1] * type(layer).SPATIAL,
            value=float("-inf"),
        )
    made = _MAX[type(layer).SPATIAL - 1](layer.pool_size, layer.strides)
    return _out_of(layer, t.module(layer, layer.name, lambda: made, y))


@translates(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D)
def _average_pooling(t: Builder, layer: Any, x: Value) -> Value:
    y = _into(layer, x)
    if layer.padding == "same":
        return _out_of(layer, t.call(helpers.average_same, y, list(layer.pool_size), list(layer.strides)))
    made = _AVERAGE[type(layer).SPATIAL - 1](layer.pool_size, layer.strides)
    return _out_of(layer, t.module(layer, layer.name, lambda: made, y))


@translates(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D)
def _global_max(t: Builder, layer: Any, x: Value) -> Value:
    axes = layer._image_axes
    return x.amax(axes[0] if len(axes) == 1 else axes, **({"keepdim": True} if layer.keepdims else {}))


@translates(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D)
def _global_average(t: Builder, layer: Any, x: Value, mask: Any = None) -> Value:
    axes = layer._image_axes
    axis = axes[0] if len(axes) == 1 else axes
    keep = {"keepdim": True} if layer.keepdims else {}
    if mask is None:
        return x.mean(axis, **keep)
    used = mask[..., None].to(layer.dtype)
    return (x * used).sum(axis, **keep) / used.sum(axis, **keep)
