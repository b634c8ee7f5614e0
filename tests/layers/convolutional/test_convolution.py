"""Convolutions: sizes, paddings, formats, what is refused, and torch's protocols. Numbers: tests/parity."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import BFLOAT16, assert_close
from torch.nn import functional as F

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.kernels.convolution import convolve, convolve_transposed, output_size, padded, transposed_size
from kerastorch.weights import convolution, depthwise

CONVOLUTIONS: list[tuple[str, dict[str, Any]]] = [
    ("Conv1D", {"filters": 4, "kernel_size": 3}),
    ("Conv2D", {"filters": 4, "kernel_size": 3}),
    ("Conv3D", {"filters": 4, "kernel_size": 3}),
    ("Conv1DTranspose", {"filters": 4, "kernel_size": 3}),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3}),
    ("Conv3DTranspose", {"filters": 4, "kernel_size": 3}),
    ("DepthwiseConv1D", {"kernel_size": 3}),
    ("DepthwiseConv2D", {"kernel_size": 3}),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3}),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3}),
    ("LocallyConnected1D", {"filters": 4, "kernel_size": 3}),
    ("LocallyConnected2D", {"filters": 4, "kernel_size": 3}),
]
each = pytest.mark.parametrize(("name", "config"), CONVOLUTIONS, ids=[name for name, _ in CONVOLUTIONS])


def make(name: str, config: dict[str, Any], **more: Any) -> Any:
    return getattr(layers, name)(**{**config, **more})


def image(layer: Any, size: int = 6, channels: int = 2) -> tuple[int, ...]:
    return (3, *[size] * type(layer).SPATIAL, channels)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_sizes_and_zeros_agree(padding: str) -> None:
    for size in range(1, 8):
        for kernel in range(1, 5):
            for stride, dilation in ((1, 1), (2, 1), (3, 1), (1, 2)):
                before, behind = padded(size, kernel, stride, dilation, padding)
                covered = (kernel - 1) * dilation + 1
                if size + before + behind < covered:
                    assert padding == "valid"
                    continue
                found = (size + before + behind - covered) // stride + 1
                assert found == output_size(size, kernel, stride, dilation, padding)
                assert before <= behind or padding == "causal"


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("extra", [None, 0, 1])
def test_transposed_is_the_gradient_of_the_convolution(padding: str, extra: int | None) -> None:
    for kernel, stride, dilation in ((1, 2, 1), (2, 2, 1), (3, 2, 1), (4, 3, 1), (2, 3, 1), (3, 1, 2)):
        if extra is not None and extra >= stride:
            continue
        x = torch.randn(2, 5, 3, dtype=torch.float64)
        w = torch.randn(3, 4, kernel, dtype=torch.float64)
        size = transposed_size(5, kernel, stride, dilation, padding, extra)
        if output_size(size, kernel, stride, dilation, padding) != 5:
            continue  # an even kernel without output_padding: TensorFlow refuses it
        window = {"strides": (stride,), "dilation": (dilation,), "padding": padding, "channel_axis": -1}
        source = torch.zeros(2, size, 4, dtype=torch.float64, requires_grad=True)
        (convolve(source, w, **window) * x).sum().backward()
        # 1e-12: float64 rounding of at most 12 products.
        assert_close(convolve_transposed(x, w, None, sizes=(size,), **window), source.grad)


@pytest.mark.parametrize("map_", [convolution, depthwise], ids=repr)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_maps_are_bitwise(map_: Any, rank: int) -> None:
    kernel = torch.randn(*range(2, 2 + rank), 5, 6)
    (there,) = map_.forward((kernel,))
    assert there.shape == ((6, 5) if map_ is convolution else (5, 6)) + kernel.shape[:rank]
    assert torch.equal(map_.inverse((there,))[0], kernel)


def test_the_state_dict_is_torchs_own() -> None:
    layer = layers.Conv2D(4, (3, 2), groups=2, data_format="channels_first")
    layer.build((None, 6, 5, 5))
    module = torch.nn.Conv2d(6, 4, (3, 2), groups=2)
    module.load_state_dict(layer.state_dict())
    x = torch.randn(2, 6, 5, 5)
    assert_close(layer(x), module(x))


def test_causal_looks_at_nothing_that_comes_later() -> None:
    for layer in (
        layers.Conv1D(3, 3, padding="causal", dilation_rate=2),
        layers.SeparableConv1D(3, 4, padding="causal"),
    ):
        x = torch.randn(2, 9, 4, requires_grad=True)
        layer(x)[:, 4].sum().backward()
        assert x.grad is not None
        assert x.grad[:, :5].abs().sum() > 0
        assert not x.grad[:, 5:].any()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_same_begins_at_the_first_place_where_the_window_is_smaller_than_the_step(rank: int) -> None:
    layer = make(f"Conv{rank}D", {"filters": 2, "kernel_size": 1, "strides": 3, "padding": "same", "use_bias": False})
    x = torch.randn(2, *[6] * rank, 4)
    y = layer(x)
    every_third = (slice(None), *[slice(None, None, 3)] * rank)
    assert_close(y, x[every_third] @ torch.tensor(layer.get_weights()[0]).reshape(4, 2))


@each
def test_shapes_where_sizes_are_unknown(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    unknown = (None, *[None] * type(layer).SPATIAL, 2)
    if "Local" in name:
        with pytest.raises(ShapeError, match="the size of axis 1 must be known"):
            layer.build(unknown)
        return
    layer.build(unknown)
    out = 2 if "Depthwise" in name else 4
    assert layer.compute_output_shape(unknown) == (*unknown[:-1], out)
    for size in (5, 6):
        x = torch.randn(image(layer, size))
        assert layer(x).shape == layer.compute_output_shape(tuple(x.shape))


@each
def test_images_without_channels_are_refused(name: str, config: dict[str, Any]) -> None:
    """torch would give images without channels again, or an error of its own; Keras's backends all refuse them."""
    layer = make(name, config)
    with pytest.raises(ShapeError, match=r"the output would be empty|expected images of at least one place"):
        make(name, config)(torch.zeros(2, *[0] * type(layer).SPATIAL, 2))
    with pytest.raises(ShapeError, match="expected at least one channel, got 0"):
        layer(torch.zeros(*image(layer)[:-1], 0))


@each
def test_wrong_inputs(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config)
    good = image(layer)
    meaning = re.escape(layer._meaning)
    with pytest.raises(ShapeError, match=rf"expected input of shape {meaning} .*One channel\? Pass x\.unsqueeze\(-1\)"):
        layer(torch.zeros(good[:-1]))
    with pytest.raises(ShapeError, match="A sequence of them\\? Wrap the layer in TimeDistributed"):
        layer(torch.zeros(*good, 1))
    with pytest.raises(ShapeError, match="the size of axis -1 must be known"):
        layer.build((*good[:-1], None))
    with pytest.raises(ShapeError, match="takes one input, got 2"):
        layer.build([good, good])
    layer.build((None, *good[1:]))
    with pytest.raises(ShapeError, match="expected 2 channels, got 5"):
        layer(torch.zeros(*good[:-1], 5))
    with pytest.raises(ArgumentError, match=r"the input is torch\.float64, the weights are torch\.float32"):
        layer(torch.zeros(good, dtype=torch.float64))
    if "Transpose" not in name:
        with pytest.raises(ShapeError, match=r"the output would be empty for input .* does not fit into it"):
            layer(torch.zeros(image(layer, 2)))


@pytest.mark.parametrize(
    ("make_layer", "message"),
    [
        (lambda: layers.Conv1D(0, 3), "filters: expected an integer >= 1, got 0"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), r"kernel_size: expected an integer or 2 of them, got 3"),
        (lambda: layers.Conv2D(4, 0), r"kernel_size\[0\]: expected an integer >= 1"),
        (lambda: layers.Conv2D(4, 3, strides=(1, 0)), r"strides\[1\]: expected an integer >= 1"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), r"padding: expected one of \['valid', 'same'\], got 'causal'"),
        (lambda: layers.DepthwiseConv1D(3, padding="causal"), "padding: expected one of"),
        (lambda: layers.Conv1D(4, 3, data_format="NCW"), "data_format: expected one of"),
        (lambda: layers.Conv1D(4, 3, groups=3), "expected filters to be a multiple of groups, got filters=4"),
        (
            lambda: layers.Conv1D(4, 3, strides=2, dilation_rate=2),
            "strides above 1 and a dilation_rate above 1 exclude",
        ),
        (
            lambda: layers.Conv1DTranspose(4, 3, strides=2, dilation_rate=2),
            "strides above 1 and a dilation_rate above 1",
        ),
        (lambda: layers.Conv1DTranspose(4, 3, strides=2, output_padding=2), "output_padding must be below strides"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier: expected an integer >= 1"),
        (lambda: layers.LocallyConnected1D(4, 3, padding="same"), 'implementation=1 has padding="valid" only'),
        (lambda: layers.LocallyConnected1D(4, 3, implementation=4), r"implementation: expected one of \[1, 2, 3\]"),
        (lambda: layers.Conv1D(4, 3, kernel_size_=2), "Conv1D has no argument 'kernel_size_'"),
    ],
)
def test_wrong_arguments(make_layer: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_layer()


def test_what_is_not_here_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="lora_rank=2 is not supported: LoRA's two extra matrices"):
        layers.Conv2D(4, 3, lora_rank=2)
    with pytest.raises(ShapeError, match="expected a number of channels that is a multiple of groups=2, got 3"):
        layers.Conv1D(4, 3, groups=2).build((None, 9, 3))
    layer = layers.LocallyConnected1D(4, 3)
    layer.build((None, 9, 3))
    with pytest.raises(ShapeError, match=r"each place has weights of its own; built for \(9,\) places, got \(8,\)"):
        layer(torch.zeros(2, 8, 3))


@each
def test_names_and_positions(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config, padding="VALID", data_format=None)
    written = json.loads(json.dumps(layer.get_config()))
    assert (written["padding"], written["data_format"]) == ("valid", "channels_last")
    assert written["kernel_size"] == [3] * type(layer).SPATIAL
    assert type(layer).from_config(written).get_config() == layer.get_config()
    if "filters" in config:
        assert type(layer)(5, 2).kernel_size == (2,) * type(layer).SPATIAL


def test_keras_other_names() -> None:
    assert layers.Convolution1D is layers.Conv1D
    assert layers.Convolution3DTranspose is layers.Conv3DTranspose
    assert layers.SeparableConvolution2D is layers.SeparableConv2D
    config = {
        "class_name": "Sequential",
        "config": {
            "layers": [
                {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 9, 4], "name": "i"}},
                {"class_name": "Convolution1D", "config": {"name": "c", "filters": 3, "kernel_size": [2]}},
            ]
        },
    }
    model = kt.model_from_json(json.dumps({**config, "keras_version": "2.2.4", "backend": "tensorflow"}))
    assert type(model.layers[-1]) is layers.Conv1D


def test_an_argument_of_a_base_class_that_tf_keras_writes_says_nothing() -> None:
    unused = {
        "groups": 1,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {}},
        "kernel_constraint": None,
    }
    written = {"name": "c", "kernel_size": [2], "filters": 3, **unused}
    config = {
        "class_name": "Sequential",
        "config": {
            "layers": [
                {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 9, 4], "name": "i"}},
                {"class_name": "SeparableConv1D", "config": written},
            ]
        },
    }
    model = kt.model_from_json(json.dumps({**config, "keras_version": "2.15.0"}))
    assert model.output_shape == (None, 8, 3)


@pytest.mark.parametrize("name", ["Conv1D", "SeparableConv1D", "DepthwiseConv1D", "Conv1DTranspose"])
def test_a_mask_ends_at_a_convolution(name: str) -> None:
    config = {"kernel_size": 3, **({} if "Depth" in name else {"filters": 4})}
    model = Sequential([Input((6, 2)), layers.Masking(), make(name, config, padding="same"), layers.LSTM(3)])
    x = torch.randn(3, 6, 2)
    x[:, 4:] = 0
    masking, layer, lstm = model.layers[-3:]
    assert hasattr(masking(x), "_keras_mask")
    assert not hasattr(layer(masking(x)), "_keras_mask")
    assert_close(model(x), lstm(layer(x)))


def test_penalties_and_constraints() -> None:
    layer = layers.SeparableConv1D(
        4, 3, depthwise_regularizer="l2", pointwise_regularizer="l1", bias_regularizer="l2", activity_regularizer="l1",
        depthwise_constraint="non_neg", pointwise_constraint=kt.constraints.MaxNorm(0.1, axis=[0, 1]),
    )  # fmt: skip
    x = torch.randn(2, 8, 3)
    y = layer(x)
    assert len(layer.losses) == 4
    assert_close(layer.losses[0], 0.01 * y.abs().sum() / 2)
    layer.apply_constraints()
    depthwise_kernel, pointwise_kernel, _ = layer.get_weights()
    assert depthwise_kernel.min() >= 0
    norms = np.sqrt((pointwise_kernel**2).sum(axis=(0, 1)))
    assert_close(np.maximum(norms, 0.1), np.full(norms.shape, 0.1))


def test_half_precision_by_a_policy() -> None:
    layer = layers.Conv1D(4, 3, dtype="mixed_bfloat16")
    x = torch.randn(2, 8, 3)
    y = layer(x)
    assert (y.dtype, layer.weight.dtype) == (torch.bfloat16, torch.float32)
    exact = layers.Conv1D(4, 3)
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    assert_close(y.float(), exact(x), BFLOAT16)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_export_takes_any_batch_and_any_length(padding: str) -> None:
    model = Sequential([Input((None, 4)), layers.Conv1D(3, 3, padding=padding), layers.Activation("relu")])
    x = torch.randn(2, 9, 4)
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time", min=4)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch, 1: time},))
    for shape in ((3, 7, 4), (5, 12, 4)):
        other = torch.randn(shape)
        assert_close(program.module()(other), model(other))


@each
def test_compile(name: str, config: dict[str, Any]) -> None:
    layer = make(name, config, activation="tanh")
    x = torch.randn(image(layer))
    expected = layer(x)
    torch._dynamo.reset()  # it compiles a function anew a few times only
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    assert_close(compiled(x), expected)


def test_a_functional_model_of_images() -> None:
    x = Input((8, 9, 3))
    y = layers.Conv2D(4, 3, strides=2, padding="same")(x)
    z = layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=(1, 0))(y)
    model = Model(x, [y, z])
    assert model.output_shape == [(None, 4, 5, 4), (None, 8, 9, 3)]
    first, second = model(torch.randn(2, 8, 9, 3))
    assert (tuple(first.shape), tuple(second.shape)) == ((2, 4, 5, 4), (2, 8, 9, 3))


def test_locally_connected_in_each_implementation() -> None:
    """The three hold the same numbers in other places."""
    one = layers.LocallyConnected1D(3, 2, strides=2)
    x = torch.randn(4, 7, 2)
    expected = one(x)
    kernel, bias = one.get_weights()
    dense = np.random.default_rng(0).normal(size=(7, 2, 3, 3)).astype("f4")  # what is not connected says nothing
    sparse = []
    for place in range(3):
        block = kernel[place].reshape(2, 2, 3)
        dense[2 * place : 2 * place + 2, :, place] = block
        sparse += [block[..., out].ravel() for out in range(3)]
    for implementation, weights in ((2, dense), (3, np.concatenate(sparse))):
        layer = layers.LocallyConnected1D(3, 2, strides=2, implementation=implementation)
        layer.build(x.shape)
        layer.set_weights([weights, bias])
        assert_close(layer(x), expected)
    windows = F.unfold(x.transpose(1, 2).unsqueeze(2), (1, 2), stride=(1, 2)).reshape(4, 2, 2, 3)
    by_hand = torch.einsum("bckp,pkcf->bpf", windows, torch.tensor(kernel).reshape(3, 2, 2, 3)) + torch.tensor(bias)
    assert_close(expected, by_hand)
