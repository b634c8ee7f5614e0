"""Layers that pool, repeat, pad and crop, as plain torch modules and back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import nn

from kerastorch import Input, Sequential, from_torch, layers
from kerastorch.errors import UnsupportedError
from kerastorch.interop import ChannelsFirst, ChannelsLast

ROWS, IMAGES, VOLUMES = (2, 3, 7), (2, 3, 6, 5), (2, 3, 4, 5, 3)
SHAPES = {1: ROWS, 2: IMAGES, 3: VOLUMES}


def first(name: str, **config: Any) -> Any:
    return getattr(layers, name)(**config, data_format="channels_first")


def both(a: Any, b: Any, shape: tuple[int, ...]) -> None:
    """The same values and the same gradients, but for the order in which a few hundred values are summed."""
    x, y = (torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True) for _ in range(2))
    mine, theirs = a(x), b(y)
    assert_close(mine, theirs)
    upstream = torch.randn(mine.shape, generator=torch.Generator().manual_seed(1))
    mine.backward(upstream)
    theirs.backward(upstream)
    assert_close(x.grad, y.grad)


# A layer, and the torch module that it is.
PAIRS: list[tuple[Any, Any, tuple[int, ...]]] = [
    *(
        (first(f"MaxPooling{rank}D", pool_size=3, strides=2), getattr(nn, f"MaxPool{rank}d")(3, 2), SHAPES[rank])
        for rank in (1, 2, 3)
    ),
    *(
        (first(f"AveragePooling{rank}D", pool_size=2), getattr(nn, f"AvgPool{rank}d")(2), SHAPES[rank])
        for rank in (1, 2, 3)
    ),
    *(
        (
            first(f"MaxPooling{rank}D", pool_size=3, strides=1, padding="same"),
            getattr(nn, f"MaxPool{rank}d")(3, 1, 1),
            SHAPES[rank],
        )
        for rank in (1, 2, 3)
    ),
    *(
        (
            first(f"AveragePooling{rank}D", pool_size=3, strides=1, padding="same"),
            getattr(nn, f"AvgPool{rank}d")(3, 1, 1, count_include_pad=False),
            SHAPES[rank],
        )
        for rank in (1, 2, 3)
    ),
    (first("MaxPooling2D", pool_size=(3, 2), strides=(1, 2)), nn.MaxPool2d((3, 2), (1, 2)), IMAGES),
    *(
        (
            first(f"Global{kind}Pooling{rank}D", keepdims=True),
            getattr(nn, f"Adaptive{name}Pool{rank}d")(1),
            SHAPES[rank],
        )
        for kind, name in (("Max", "Max"), ("Average", "Avg"))
        for rank in (1, 2, 3)
    ),
    *(
        (
            first(f"Adaptive{kind}Pooling{rank}D", output_size=(2, 3, 1)[:rank]),
            getattr(nn, f"Adaptive{name}Pool{rank}d")((2, 3, 1)[:rank] if rank > 1 else 2),
            SHAPES[rank],
        )
        for kind, name in (("Max", "Max"), ("Average", "Avg"))
        for rank in (1, 2, 3)
    ),
    (first("UpSampling2D", size=(3, 2)), nn.Upsample(scale_factor=(3, 2), mode="nearest-exact"), IMAGES),
    (
        first("UpSampling2D", size=(3, 2), interpolation="bilinear"),
        nn.Upsample(scale_factor=(3, 2), mode="bilinear"),
        IMAGES,
    ),
    (first("UpSampling3D", size=(3, 2, 1)), nn.Upsample(scale_factor=(3, 2, 1), mode="nearest-exact"), VOLUMES),
    (first("ZeroPadding1D", padding=(1, 2)), nn.ZeroPad1d((1, 2)), ROWS),
    (first("ZeroPadding2D", padding=((1, 2), (3, 0))), nn.ZeroPad2d((3, 0, 1, 2)), IMAGES),
    (first("ZeroPadding3D", padding=((1, 2), (3, 0), (0, 4))), nn.ZeroPad3d((0, 4, 3, 0, 1, 2)), VOLUMES),
]
NAMES = [f"{type(layer).__name__}-{index}" for index, (layer, *_) in enumerate(PAIRS)]


@pytest.mark.parametrize(("layer", "module", "shape"), PAIRS, ids=NAMES)
def test_a_layer_and_its_module(layer: Any, module: nn.Module, shape: tuple[int, ...]) -> None:
    made = layer.to_torch()
    assert type(made) is type(module)
    both(layer, made, shape)
    back = from_torch(module)
    assert type(back) is type(layer)
    config = {key: value for key, value in layer.get_config().items() if key != "name"}
    assert {key: value for key, value in back.get_config().items() if key != "name"} == config
    both(back, module, shape)


ONE_WAY: list[tuple[Any, tuple[int, ...]]] = [
    (first("GlobalMaxPooling2D"), IMAGES),  # with nn.Flatten behind it
    (first("GlobalAveragePooling1D"), ROWS),
    (first("Cropping2D", cropping=((1, 2), (3, 0))), IMAGES),  # padding with less than nothing
    (first("Cropping3D", cropping=((1, 2), (3, 0), (0, 1))), VOLUMES),
    (first("UpSampling2D", size=(41, 1)), IMAGES),
]


@pytest.mark.parametrize(("layer", "shape"), ONE_WAY, ids=lambda value: getattr(value, "_class_name", ""))
def test_a_layer_as_a_module(layer: Any, shape: tuple[int, ...]) -> None:
    both(layer, layer.to_torch(), shape)


# With the channels last the module is the same, and takes the channels first; in a chain they are moved around it.
CHANNELS_LAST: list[tuple[Any, type[nn.Module]]] = [
    (layers.MaxPooling1D(2), nn.MaxPool1d),
    (layers.AveragePooling2D(3, 1, "same"), nn.AvgPool2d),
    (layers.MaxPooling3D(2), nn.MaxPool3d),
    (layers.GlobalMaxPooling1D(keepdims=True), nn.AdaptiveMaxPool1d),
    (layers.GlobalAveragePooling1D(), nn.Sequential),
    (layers.GlobalMaxPooling3D(), nn.Sequential),
    (layers.UpSampling1D(3), nn.Upsample),
    (layers.UpSampling2D((2, 3), interpolation="bilinear"), nn.Upsample),
    (layers.UpSampling3D(2), nn.Upsample),
    (layers.ZeroPadding1D((1, 2)), nn.ZeroPad1d),
    (layers.ZeroPadding3D(((1, 2), (3, 0), (0, 4))), nn.ZeroPad3d),
    (layers.Cropping1D((1, 2)), nn.ZeroPad1d),
    (layers.Cropping2D(((1, 2), (3, 0))), nn.ZeroPad2d),
    (layers.SpatialDropout1D(0.5), nn.Dropout1d),
    (layers.SpatialDropout2D(0.5), nn.Dropout2d),
]


@pytest.mark.parametrize(("layer", "module"), CHANNELS_LAST, ids=lambda value: getattr(value, "_class_name", ""))
def test_channels_last(layer: Any, module: type[nn.Module]) -> None:
    layer.eval()
    made = layer.to_torch()
    assert type(made) is module
    shape = SHAPES[type(layer).SPATIAL]
    last = (shape[0], *shape[2:], shape[1])

    def moved(x: torch.Tensor) -> torch.Tensor:
        y = made(x.movedim(-1, 1))
        return y.movedim(1, -1) if layer._keeps_image else y

    both(layer, moved, last)
    model = Sequential([Input(last[1:]), layer]).eval()
    kinds = [type(part) for part in model.to_torch()]
    assert kinds == [ChannelsFirst, module, *([ChannelsLast] if layer._keeps_image else [])]
    both(model, model.to_torch(), last)


@pytest.mark.parametrize(("rank", "module"), [(2, nn.Dropout2d), (3, nn.Dropout3d)])
def test_spatial_dropout(rank: int, module: type[nn.Module]) -> None:
    layer = first(f"SpatialDropout{rank}D", rate=0.25)
    made = layer.to_torch()
    assert type(made) is module
    assert made.p == 0.25
    back = from_torch(made)
    assert (back.rate, back.data_format) == (0.25, "channels_first")
    y = back.train()(torch.ones(50, 8, *SHAPES[rank][2:])).flatten(2)
    assert set(y.unique().tolist()) == {0.0, y.max().item()}
    assert torch.equal(y, y[:, :, :1].expand_as(y))  # whole channels


def test_a_chain() -> None:
    model = Sequential(
        [
            Input((3, 8, 7)),
            first("ZeroPadding2D", padding=1),
            first("MaxPooling2D", pool_size=2),
            first("UpSampling2D", size=2),
            first("GlobalAveragePooling2D"),
            layers.Dense(2),
        ]
    )
    module = model.to_torch()
    assert isinstance(module, nn.Sequential)
    both(model, module, (2, 3, 8, 7))


def test_a_chain_of_convolution_and_pooling() -> None:
    model = Sequential(
        [
            Input((12, 3)),
            layers.ZeroPadding1D(1),
            layers.Conv1D(4, 3, activation="relu"),
            layers.MaxPooling1D(2),
            layers.LSTM(3, return_sequences=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )
    module = model.to_torch()
    kinds = [type(part) for part in module]
    assert kinds.count(ChannelsFirst) == 2  # once for the first three, once for the mean over time
    both(model, module, (2, 12, 3))


@pytest.mark.parametrize(
    "layer",
    [
        first("MaxPooling1D", pool_size=2, strides=1, padding="same"),
        first("MaxPooling1D", pool_size=3, strides=2, padding="same"),
        layers.AveragePooling2D(2, padding="same"),
    ],
    ids=["even", "strides", "both"],
)
def test_padding_that_depends_on_the_input_has_no_module(layer: Any) -> None:
    with pytest.raises(UnsupportedError, match=r'padding="same": torch pads both sides alike'):
        layer.to_torch()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.MaxPool1d(2, ceil_mode=True), "ceil_mode=True: Keras's pooling has no such option"),
        (nn.MaxPool1d(2, return_indices=True), "return_indices=True"),
        (nn.MaxPool2d(3, 1, dilation=2), "dilation=2"),
        (nn.MaxPool2d(3, 2, 1), "padding=1: Keras's \"same\" is torch's padding only for strides of 1"),
        (nn.AvgPool2d(4, 1, 1), "padding=1"),
        (nn.AvgPool2d(3, 1, 1), "count_include_pad=True: Keras's means leave out the padding"),
        (nn.AvgPool3d(2, divisor_override=3), "divisor_override=3"),
        (nn.AdaptiveAvgPool2d((None, 2)), r"output_size=\(None, 2\)"),
        (nn.AdaptiveMaxPool1d(1, return_indices=True), "return_indices=True"),
        (nn.Upsample(size=(4, 4)), "give scale_factor"),
        (nn.Upsample(scale_factor=1.5), "scale_factor=1.5: .* whole numbers"),
        (nn.Upsample(scale_factor=(2.0,)), "UpSampling1D has the channels last"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), 'mode="bicubic": Keras\'s'),
        (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), "align_corners=True"),
        (nn.Upsample(scale_factor=41, mode="nearest"), '"nearest-exact" does not'),
        (nn.ZeroPad2d((1, 1, -1, 0)), "it takes places away"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_no_layer(module: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        from_torch(module)


def test_nearest_of_torch_misses_places_with_some_factors() -> None:
    """Why `nearest-exact` is written, and `nearest` is not always read."""
    x = torch.arange(64.0).reshape(1, 1, 64, 1)
    wanted = x.repeat_interleave(41, 2)
    assert not torch.equal(nn.Upsample(scale_factor=(41, 1), mode="nearest")(x), wanted)
    assert torch.equal(nn.Upsample(scale_factor=(41, 1), mode="nearest-exact")(x), wanted)
    for factor in (2, 3, 4, 5, 7, 10):
        both(from_torch(nn.Upsample(scale_factor=factor)), nn.Upsample(scale_factor=factor), IMAGES)
