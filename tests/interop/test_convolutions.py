"""Convolutions to plain torch modules and back: outputs, gradients, layouts, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import Tensor, nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import UnsupportedError
from kerastorch.interop import ChannelsFirst, ChannelsLast

# The same torch kernels on both sides, on float64 numbers around 1.
CLOSE = {"rtol": 1e-12, "atol": 1e-12}
IMAGES = {1: (9,), 2: (7, 8), 3: (5, 4, 6)}
CHANNELS = 4


def filled(layer: Any, shape: tuple[int | None, ...]) -> Any:
    """The layer in float64 with another value in every weight."""
    layer.double()
    layer.build(shape)
    rng = np.random.default_rng(5)
    layer.set_weights([rng.normal(size=array.shape) for array in layer.get_weights()])
    return layer


def randomized(module: nn.Module) -> nn.Module:
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5)
    return module


def images(rank: int, first: bool, channels: int = CHANNELS) -> Tensor:
    x = torch.randn(3, channels, *IMAGES[rank], dtype=torch.float64)
    return x if first else x.movedim(1, -1)


def with_gradients(module: Any, x: Tensor, moved: bool = False) -> list[Tensor]:
    """Output and input gradient; `moved`: the module takes channels first, x and the result have them last."""
    x = x.detach().clone().requires_grad_()
    y = module(x.movedim(-1, 1)).movedim(1, -1) if moved else module(x)
    torch.manual_seed(3)
    (y * torch.randn(y.shape, dtype=y.dtype)).sum().backward()
    assert x.grad is not None
    return [y.detach(), x.grad]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert_close(one, other)


PLAIN = [
    ("Conv1D", {"filters": 6, "kernel_size": 3}),
    ("Conv1D", {"filters": 6, "kernel_size": 2, "padding": "same", "activation": "relu"}),
    ("Conv1D", {"filters": 6, "kernel_size": 3, "padding": "causal", "dilation_rate": 2, "activation": "tanh"}),
    ("Conv1D", {"filters": 6, "kernel_size": 3, "strides": 2, "groups": 2, "use_bias": False}),
    ("Conv2D", {"filters": 6, "kernel_size": (3, 2), "padding": "same", "dilation_rate": (1, 2)}),
    ("Conv2D", {"filters": 6, "kernel_size": 2, "strides": (2, 3), "activation": "softmax"}),
    ("Conv3D", {"filters": 6, "kernel_size": (2, 1, 3), "padding": "same"}),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}),
    ("DepthwiseConv2D", {"kernel_size": (3, 2), "depth_multiplier": 3, "strides": (2, 1), "activation": "softmax"}),
    ("SeparableConv1D", {"filters": 6, "kernel_size": 3, "depth_multiplier": 2, "padding": "causal"}),
    ("SeparableConv2D", {"filters": 6, "kernel_size": (3, 2), "depth_multiplier": 2, "activation": "elu"}),
    ("Conv1DTranspose", {"filters": 6, "kernel_size": 3, "strides": 2, "output_padding": 1}),
    ("Conv2DTranspose", {"filters": 6, "kernel_size": (4, 2), "strides": 2, "padding": "same"}),
    ("Conv2DTranspose", {"filters": 6, "kernel_size": 2, "strides": 3, "activation": "softmax", "use_bias": False}),
    ("Conv3DTranspose", {"filters": 6, "kernel_size": (1, 2, 3), "strides": (1, 2, 3)}),
    ("Conv1DTranspose", {"filters": 6, "kernel_size": 3, "dilation_rate": 2}),
]
BASES = {"Conv": nn.modules.conv._ConvNd, "Depthwise": nn.modules.conv._ConvNd, "Separable": nn.Sequential}


# torch's own: it pads an odd number of places by a copy.
copies = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")


@copies
@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
@pytest.mark.parametrize(("name", "config"), PLAIN)
def test_layer_to_torch(name: str, config: dict[str, Any], data_format: str) -> None:
    cls = getattr(layers, name)
    first = data_format == "channels_first"
    x = images(cls.SPATIAL, first)
    layer = filled(cls(**config, data_format=data_format), (None, *x.shape[1:]))
    module = layer.to_torch()
    assert not any(isinstance(part, layers.Layer) for part in module.modules())
    if "activation" not in config and config.get("padding") != "causal":
        assert isinstance(module, next(base for key, base in BASES.items() if name.startswith(key)))
    assert_same(with_gradients(module, x, moved=not first), with_gradients(layer, x))
    assert sum(p.numel() for p in module.parameters()) == layer.count_params()


def test_the_weights_are_copies_and_frozen_as_there() -> None:
    layer = filled(layers.DepthwiseConv1D(3, depth_multiplier=2), (None, 9, 4))
    module = layer.to_torch()
    assert isinstance(module, nn.Conv1d)
    assert module.groups == 4
    before = [array.copy() for array in layer.get_weights()]
    with torch.no_grad():
        for parameter in module.parameters():
            assert parameter.requires_grad
            parameter.zero_()
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))
    layer.trainable = False
    assert not any(parameter.requires_grad for parameter in layer.to_torch().parameters())
    separable = filled(layers.SeparableConv1D(3, 2), (None, 9, 4))
    separable.trainable = False
    assert not any(parameter.requires_grad for parameter in separable.to_torch().parameters())


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.Conv1D(2, 3, strides=2, padding="same"), 'padding="same" with strides (2,): how many zeros it puts'),
        (layers.SeparableConv1D(2, 3, strides=2, padding="same"), "torch's padding is fixed"),
        (layers.Conv1DTranspose(2, 3, strides=2, padding="same"), "it cuts off one place more behind than before"),
        (layers.Conv1DTranspose(2, 3, strides=2, output_size=19), "output_size=(19,): torch's module has none"),
        (layers.LocallyConnected1D(2, 3), "torch.nn has no module that computes LocallyConnected1D"),
        (layers.Conv1D(2, 3, dtype="mixed_bfloat16"), "it computes in torch.bfloat16"),
    ],
)
def test_what_torch_cannot_express_is_refused(layer: Any, reason: str) -> None:
    layer.build((None, 9, 4))
    with pytest.raises(UnsupportedError, match=re.escape(reason)):
        layer.to_torch()


def test_a_chain_moves_the_channels_only_where_it_must() -> None:
    model = kt.Sequential(
        [
            kt.Input((12, 4)),
            layers.Conv1D(5, 3, activation="relu"),
            layers.Conv1D(6, 3, padding="causal"),
            layers.LSTM(3, return_sequences=True),
            layers.Conv1DTranspose(4, 2, strides=2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    filled(model, (None, 12, 4))
    x = torch.randn(3, 12, 4, dtype=torch.float64)
    module = model.to_torch()
    kinds = [type(part) for part in module]
    assert kinds.count(ChannelsFirst) == kinds.count(ChannelsLast) == 2
    assert kinds[:4] == [ChannelsFirst, nn.Sequential, nn.Sequential, ChannelsLast]
    assert_same(with_gradients(module, x), with_gradients(model, x))


def test_a_chain_and_back() -> None:
    model = kt.Sequential(
        [kt.Input((6, 7, 4)), layers.Conv2D(5, (3, 2)), layers.Activation("relu"), layers.Conv2D(3, 2, groups=1)]
    )
    filled(model, (None, 6, 7, 4))
    x = torch.randn(3, 6, 7, 4, dtype=torch.float64)
    back = kt.from_torch(model.to_torch())
    assert_same(with_gradients(back, x), with_gradients(model, x))


MODULES = [
    lambda: nn.Conv1d(4, 6, 3),
    lambda: nn.Conv1d(4, 6, 2, padding="same"),
    lambda: nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2, bias=False),
    lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 3)),
    lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4),
    lambda: nn.Conv2d(4, 6, 3, padding="valid", dilation=2),
    lambda: nn.Conv3d(4, 6, (3, 1, 3), padding=(1, 0, 1)),
    lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, output_padding=1),
    lambda: nn.ConvTranspose1d(4, 6, 4, stride=2, padding=1, bias=False),
    lambda: nn.ConvTranspose2d(4, 6, (3, 4), stride=(3, 2), padding=(0, 1)),
    lambda: nn.ConvTranspose2d(4, 6, 3, dilation=2, padding=2),
    lambda: nn.ConvTranspose3d(4, 6, 2, stride=2),
]


@copies
@pytest.mark.parametrize("make", MODULES)
def test_torch_to_layer_and_back(make: Any) -> None:
    module = randomized(make())
    rank = len(module.kernel_size)  # type: ignore[arg-type]
    layer = kt.from_torch(module)
    assert layer.data_format == "channels_first"
    x = images(rank, first=True)
    assert_same(with_gradients(layer, x), with_gradients(module, x))
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *module(x).shape[1:])
    again = layer.to_torch()
    for name, tensor in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    assert_same(with_gradients(again, x), with_gradients(module, x))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda: nn.Conv1d(3, 4, 3, padding=1, padding_mode="reflect"),
            "padding_mode='reflect': Keras pads with zeros",
        ),
        (lambda: nn.Conv1d(3, 4, 3, stride=2, dilation=2), "stride=(2,) with dilation=(2,): Keras has one of the two"),
        (lambda: nn.Conv1d(3, 4, 3, stride=2, padding=1), "padding=(1,) with kernel_size=(3,) and stride=(2,): Keras"),
        (lambda: nn.Conv1d(3, 4, 3, padding=2), "pad the input before"),
        (lambda: nn.ConvTranspose1d(3, 6, 3, groups=3), "groups=3: Keras's transposed convolutions have no groups"),
        (
            lambda: nn.ConvTranspose1d(3, 6, 3, stride=2, padding=1, output_padding=1),
            "padding=(1,) with output_padding=(1,): it cuts off more before than behind",
        ),
        (lambda: nn.ConvTranspose1d(3, 6, 5, padding=1), "Keras has no output of this size"),
        (lambda: nn.ConvTranspose1d(3, 6, 3, dilation=2, output_padding=1), "Keras has no output of this size"),
    ],
)
def test_what_keras_cannot_express_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(reason)):
        kt.from_torch(make())
