"""Layers that Keras 3 or a file does not have, made of layers that it has: each function makes what stands for one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from ..base.layer import Layer
from ..base.variables import own_variables
from ..layers import (
    GRU,
    LSTM,
    Add,
    Conv1D,
    Conv2D,
    Dense,
    EinsumDense,
    Flatten,
    Identity,
    Lambda,
    Multiply,
    Permute,
    Reshape,
    SeparableConv1D,
    ThresholdedReLU,
    ZeroPadding1D,
)
from ..layers.convolutional.local import LocallyConnected
from ..layers.core.keras1 import Highway, MaxoutDense
from ..layers.core.operation import Operation
from ..matching.convert import plain_from_cudnn
from ..models import Input, Model
from ..recipes import identity
from ._forms import Entry

_FIRST = {"class_name": "__input__", "config": 0}


def stand_in(entry: Entry) -> Layer | None:
    """What stands for a layer that Keras 3 does not have."""
    make = _ABSENT.get(entry.layer._class_name)
    return None if make is None else make(entry, entry.layer)


def _start(layer: Layer) -> Any:
    """The input of a model that stands for a layer; any batch size is fine."""
    return Input(batch_shape=(None, *layer._in_shape[1:]), dtype=layer.dtype, name=f"{layer.name}_input")


def _operation(layer: Layer, function: str, inputs: Any, /, **arguments: Any) -> Any:
    return Operation(function, arguments, name=f"{layer.name}_{function.lower()}", dtype=layer.dtype)(inputs)


def _common(layer: Layer, part: str) -> dict[str, Any]:
    """The arguments that a part has in common with the whole layer."""
    return {"name": f"{layer.name}_{part}", "dtype": layer.dtype, "trainable": layer.trainable}


def _finished(layer: Layer, x: Any, y: Any) -> Model:
    model = Model(x, y, name=layer.name)
    model.to(layer._on_device)
    return model.train(layer.training)


def _arrays(layer: Layer) -> dict[str, np.ndarray]:
    return {variable.name: variable.numpy() for variable in own_variables(layer)}


# ---------------------------------------------------------------- cuDNN


def _plain_recurrent(entry: Entry, layer: Any) -> Layer:
    cls: Any = LSTM if layer._class_name == "CuDNNLSTM" else GRU
    new = cls.from_config(layer.get_config())
    new.build(layer._in_shape)
    arrays = plain_from_cudnn(layer._class_name, list(_arrays(layer).values()))
    for variable, array in zip(own_variables(new), arrays, strict=True):
        variable.write(torch.from_numpy(np.ascontiguousarray(array)))
    biases = ", its two biases added" if cls is LSTM else ""
    entry.texts.append(f"{layer._class_name} is written as {cls.__name__}{biases}")
    return new.to(device=layer._on_device, dtype=layer.dtype)


# ---------------------------------------------------------------- without weights


def _thresholded(entry: Entry, layer: ThresholdedReLU) -> Model:
    x = _start(layer)
    above = _operation(layer, "Greater", x, x1=_FIRST, x2=layer.theta)
    y = _operation(layer, "Multiply", [x, above], x1=_FIRST, x2={"class_name": "__input__", "config": 1})
    entry.texts.append(f"ThresholdedReLU is written as x * (x > {layer.theta})")
    return _finished(layer, x, y)


def _function(entry: Entry, layer: Lambda) -> Layer | None:
    """A function that returns its input: an Identity, if no mask arrives, which that would hand on."""
    if layer.function != identity() or layer.arguments or layer.mask is not None or entry.masked:
        return None
    entry.texts.append("the recipe identity() is written as the layer Identity")
    return Identity(name=layer.name, dtype=layer.dtype)


# ---------------------------------------------------------------- Keras 1


def _dense_options(layer: Any) -> dict[str, Any]:
    return {
        "kernel_initializer": layer.init,
        "kernel_regularizer": layer.W_regularizer,
        "bias_regularizer": layer.b_regularizer,
        "kernel_constraint": layer.W_constraint,
        "bias_constraint": layer.b_constraint,
        "use_bias": layer.use_bias,
    }


def _highway(entry: Entry, layer: Highway) -> Model:
    arrays, features, options = _arrays(layer), layer._in_shape[-1], _dense_options(layer)
    x = _start(layer)
    transform = Dense(features, activation=layer.activation, **options, **_common(layer, "transform"))
    gate = Dense(features, activation="sigmoid", **options, **_common(layer, "gate"))
    new, share = transform(x), gate(x)
    rest = _operation(layer, "Subtract", share, x1=1.0, x2=_FIRST)
    kept = Multiply(**_common(layer, "kept"))([rest, x])
    y = Add(**_common(layer, "sum"), activity_regularizer=layer.activity_regularizer)(
        [Multiply(**_common(layer, "new"))([share, new]), kept]
    )
    transform.set_weights([arrays[name] for name in ("W", "b") if name in arrays])
    gate.set_weights([arrays[name] for name in ("W_carry", "b_carry") if name in arrays])
    entry.texts.append("Highway is written as the layers that it consists of")
    return _finished(layer, x, y)


def _maxout(entry: Entry, layer: MaxoutDense) -> Model:
    arrays, options = _arrays(layer), _dense_options(layer)
    count, features, units = arrays["W"].shape
    x = _start(layer)
    dense = Dense(count * units, **options, **_common(layer, "linear"))
    parts = Reshape((count, units), **_common(layer, "parts"))(dense(x))
    y = _operation(layer, "Max", parts, x=_FIRST, axis=1)
    kernel = arrays["W"].transpose(1, 0, 2).reshape(features, -1)
    dense.set_weights([kernel, *(arrays[name].reshape(-1) for name in ("b",) if name in arrays)])
    entry.texts.append("MaxoutDense is written as one Dense and the maximum of its parts")
    return _finished(layer, x, y)


# ---------------------------------------------------------------- convolutions


def _causal_separable(entry: Entry, layer: SeparableConv1D) -> Model | None:
    if layer.padding != "causal":
        return None
    config = {**layer.get_config(), "padding": "valid", "name": f"{layer.name}_valid"}
    before = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
    padding = ZeroPadding1D((before, 0), data_format=layer.data_format, **_common(layer, "before"))
    inner = SeparableConv1D.from_config(config)
    x = _start(layer)
    y = inner(padding(x))
    inner.set_weights(layer.get_weights())
    entry.texts.append('padding="causal" is written as zeros in front of a layer with padding="valid"')
    return _finished(layer, x, y)


def _local(entry: Entry, layer: LocallyConnected) -> Model:
    x = _start(layer)
    y, text = _windows(layer, x) if layer.implementation == 1 else _whole(layer, x)
    entry.texts.append(f"{layer._class_name} is written as {text}")
    return _finished(layer, x, y)


def _local_options(layer: LocallyConnected) -> dict[str, Any]:
    keys = ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")
    return {"activation": layer.activation, **{key: getattr(layer, key) for key in keys}}


def _windows(layer: LocallyConnected, x: Any) -> tuple[Any, str]:
    """Each window of the image as the channels of one place, then a matrix for each place."""
    first = layer._channel_axis != -1
    channels, spatial, out = (
        layer._in_shape[layer._channel_axis],
        type(layer).SPATIAL,
        layer._image_out(layer._in_shape),
    )
    size, places = math.prod(layer.kernel_size) * channels, math.prod(out)
    forth = tuple(range(1, spatial + 2))
    if first:
        x = Permute((*forth[1:], 1), **_common(layer, "channels_last"))(x)
    conv: Any = Conv1D if spatial == 1 else Conv2D
    cut = conv(
        size, layer.kernel_size, layer.strides, use_bias=False, **{**_common(layer, "windows"), "trainable": False}
    )
    rows = Reshape((places, size), **_common(layer, "places"))(cut(x))
    bias = "lo" if layer.use_bias else None
    dense = EinsumDense(
        "blf,lfo->blo", (places, layer.filters), bias_axes=bias, **_common(layer, "dense"), **_local_options(layer)
    )
    y = Reshape((*out, layer.filters), **_common(layer, "image"))(dense(rows))
    if first:
        y = Permute((spatial + 1, *forth[:-1]), **_common(layer, "channels_first"))(y)
    cut.set_weights([np.eye(size, dtype="float32").reshape(*layer.kernel_size, channels, size)])
    arrays = _arrays(layer)
    kernel = arrays["kernel"]
    if first:  # there the rows of a window are sorted by channels first
        kernel = np.moveaxis(kernel.reshape(places, channels, -1, layer.filters), 1, 2).reshape(kernel.shape)
    weights = [kernel]
    if layer.use_bias:
        given = arrays["bias"]
        given = np.moveaxis(given.reshape(layer.filters, *out), 0, -1) if first else given
        weights.append(given.reshape(places, layer.filters))
    dense.set_weights(weights)
    return y, "a frozen convolution that cuts the windows out, and an EinsumDense with a matrix for each place"


def _whole(layer: LocallyConnected, x: Any) -> tuple[Any, str]:
    """All values of the image at once, in one matrix that is zero where nothing is connected."""
    out = layer._in_format(layer._image_out(layer._in_shape), layer.filters)
    dense = Dense(math.prod(out), use_bias=layer.use_bias, **_common(layer, "dense"), **_local_options(layer))
    y = Reshape(out, **_common(layer, "image"))(dense(Flatten(**_common(layer, "flat"))(x)))
    weights = [layer._matrix(layer._in_shape).detach().cpu().numpy()]
    if layer.use_bias:
        weights.append(_arrays(layer)["bias"].reshape(-1))
    dense.set_weights(weights)
    return y, "one Dense, in whose training the weights that are zero for lack of a connection move, too"


_ABSENT: Mapping[str, Callable[[Entry, Any], Layer | None]] = {
    "CuDNNLSTM": _plain_recurrent,
    "CuDNNGRU": _plain_recurrent,
    "Lambda": _function,
    "ThresholdedReLU": _thresholded,
    "Highway": _highway,
    "MaxoutDense": _maxout,
    "SeparableConv1D": _causal_separable,
    "LocallyConnected1D": _local,
    "LocallyConnected2D": _local,
}
