"""Convolutions."""

from __future__ import annotations

from collections.abc import Mapping

from ...spec import Era
from .form import KERAS2, WEIGHT, Form, keys

_WINDOW = "kernel_size strides padding data_format activation use_bias"
_BIAS = "bias_initializer bias_regularizer bias_constraint"
_DEPTHWISE = "depth_multiplier dilation_rate depthwise_initializer depthwise_regularizer depthwise_constraint"
_POINTWISE = "pointwise_initializer pointwise_regularizer pointwise_constraint"
_NEEDED = ("filters", "kernel_size")
_SINCE_TF: frozenset[Era] = frozenset({"tf.keras", "keras3"})
# tf.keras writes arguments of its base class that these layers do not look at.
_UNUSED = "groups kernel_initializer kernel_regularizer kernel_constraint"

_CONV = Form(keys("filters groups dilation_rate lora_rank lora_alpha", _WINDOW, WEIGHT), _NEEDED)


def _transposed(*eras: Era) -> Form:
    taken = keys("filters output_padding output_size dilation_rate", _WINDOW, WEIGHT)
    return Form(taken, _NEEDED, frozenset(eras), ignored=keys("groups"))


def _separable(eras: frozenset[Era]) -> Form:
    return Form(keys("filters", _WINDOW, _DEPTHWISE, _POINTWISE, _BIAS), _NEEDED, eras, ignored=keys(_UNUSED))


def _depthwise(eras: frozenset[Era]) -> Form:
    return Form(keys(_WINDOW, _DEPTHWISE, _BIAS), ("kernel_size",), eras, ignored=keys(_UNUSED))


_ALL: frozenset[Era] = frozenset({"keras2", "tf.keras", "keras3"})
_LOCAL = Form(keys("filters implementation", _WINDOW, WEIGHT), _NEEDED, KERAS2)
_CLASSES: Mapping[str, Form] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _CONV),
    "Conv1DTranspose": _transposed(*_SINCE_TF),
    "Conv2DTranspose": _transposed(*_ALL),
    "Conv3DTranspose": _transposed(*_ALL),
    "SeparableConv1D": _separable(_ALL),
    "SeparableConv2D": _separable(_ALL),
    "DepthwiseConv1D": _depthwise(_SINCE_TF),
    "DepthwiseConv2D": _depthwise(_ALL),
    "LocallyConnected1D": _LOCAL,
    "LocallyConnected2D": _LOCAL,
}
# Keras's other names for them.
ALIASES: Mapping[str, str] = {
    name.replace("Conv", "Convolution"): name for name in _CLASSES if name.startswith(("Conv", "Separable"))
}
FORMS: Mapping[str, Form] = {**_CLASSES, **{alias: _CLASSES[name] for alias, name in ALIASES.items()}}
