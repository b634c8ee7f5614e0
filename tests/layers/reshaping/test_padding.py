"""ZeroPadding, Cropping and UpSampling."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Layer,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)


@pytest.mark.parametrize(
    ("cls", "written", "pairs"),
    [
        (ZeroPadding1D, 2, (2, 2)),
        (ZeroPadding1D, [0, 3], (0, 3)),
        (ZeroPadding2D, 2, ((2, 2), (2, 2))),
        (ZeroPadding2D, (1, 2), ((1, 1), (2, 2))),
        (ZeroPadding2D, [[1, 2], 3], ((1, 2), (3, 3))),
        (ZeroPadding3D, (1, 0, 2), ((1, 1), (0, 0), (2, 2))),
        (ZeroPadding3D, ((1, 0), (0, 2), (3, 4)), ((1, 0), (0, 2), (3, 4))),
    ],
)
def test_ways_to_write_the_sides(cls: Any, written: Any, pairs: Any) -> None:
    assert cls(written).padding == pairs
    assert cls(written).get_config()["padding"] == pairs
    cropping = {ZeroPadding1D: Cropping1D, ZeroPadding2D: Cropping2D, ZeroPadding3D: Cropping3D}[cls]
    assert cropping(written).get_config()["cropping"] == pairs


@pytest.mark.parametrize("first", [False, True])
def test_cropping_undoes_padding(rng: np.random.Generator, first: bool) -> None:
    x = torch.tensor(rng.normal(size=(2, 3, 4, 5, 2)).astype("float32"))
    sides = ((1, 2), (0, 3), (4, 0))
    options: dict[str, Any] = {"data_format": "channels_first"} if first else {}
    wide = ZeroPadding3D(sides, **options)(x)
    assert wide.shape == ((2, 3, 7, 8, 6) if first else (2, 6, 7, 9, 2))
    assert_close(wide.sum(), float(x.double().sum()), scale=float(x.abs().sum()))
    assert torch.equal(Cropping3D(sides, **options)(wide), x)


def test_cropping_is_a_view() -> None:
    x = torch.zeros(2, 7, 3)
    Cropping1D((2, 1))(x).fill_(1)
    assert x[:, :, 0].tolist() == [[0, 0, 1, 1, 1, 1, 0]] * 2


def test_whole_numbers_stay_whole() -> None:
    x = torch.arange(6).reshape(1, 2, 3)
    assert ZeroPadding1D((1, 0))(x).tolist() == [[[0, 0, 0], [0, 1, 2], [3, 4, 5]]]
    assert UpSampling1D(2)(x).tolist() == [[[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]]
    assert Cropping1D((1, 0))(x).tolist() == [[[3, 4, 5]]]
    assert UpSampling2D(2, interpolation="bilinear")(x.unsqueeze(-1)).dtype == torch.float32


def test_up_sampling(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 2)).astype("float32")
    y = UpSampling2D((2, 3))(torch.tensor(x))
    np.testing.assert_array_equal(y, x.repeat(2, 1).repeat(3, 2))
    y[0, 0, 0] += 1  # memory of its own for every place
    np.testing.assert_array_equal(y[:, 1:], x.repeat(2, 1).repeat(3, 2)[:, 1:])
    z = rng.normal(size=(2, 3, 2, 3, 2)).astype("float32")
    first = UpSampling3D((1, 2, 3), "channels_first")(torch.tensor(z))
    np.testing.assert_array_equal(first, z.repeat(2, 3).repeat(3, 4))


@pytest.mark.parametrize("size", [7, 41, 49, 83])
def test_up_sampling_by_any_factor_repeats(size: int) -> None:
    """Places computed by multiplication with 1 / size are wrong from a factor of 41 on."""
    x = torch.arange(50.0).reshape(1, 50, 1, 1)
    assert torch.equal(UpSampling2D((size, 1))(x), x.repeat_interleave(size, 1))


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (UpSampling1D(3), (None, None, 4), (None, None, 4)),
        (UpSampling2D((2, 3), "channels_first"), (2, None, None, 5), (2, None, None, 15)),
        (ZeroPadding2D((1, 2)), (None, None, 5, None), (None, None, 9, None)),
        (Cropping2D(((1, 0), (2, 2))), (None, 5, None, 3), (None, 4, None, 3)),
    ],
    ids=lambda value: getattr(value, "_class_name", ""),
)
def test_unknown_sizes(layer: Layer, shape: Any, wanted: Any) -> None:
    assert layer.compute_output_shape(shape) == wanted


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ZeroPadding1D((1, 2, 3)), "padding: expected an integer or 2 of them, got 3"),
        (lambda: ZeroPadding1D("1"), "padding: expected an integer >= 0, got '1'"),
        (lambda: ZeroPadding1D(-1), "padding: expected an integer >= 0"),
        (lambda: ZeroPadding2D((1, -2)), r"padding\[1\]\[0\]: expected an integer >= 0"),
        (lambda: ZeroPadding2D((1, 2, 3)), r"padding: expected an integer, 2 integers, or 2 pairs \(before, behind\)"),
        (lambda: ZeroPadding3D(((1, 2), (3, 4), (5, 6, 7))), r"padding\[2\]: expected an integer or 2 of them, got 3"),
        (lambda: Cropping2D(1.5), "cropping: expected an integer >= 0, got 1.5"),
        (lambda: Cropping3D({"a": 1}), "cropping: expected an integer >= 0"),
        (lambda: UpSampling1D(0), "size: expected an integer >= 1"),
        (lambda: UpSampling1D((2,)), "size: expected an integer >= 1"),
        (
            lambda: UpSampling1D(2, data_format="channels_first"),
            r"no argument 'data_format': .* \(batch, steps, channels",
        ),
        (lambda: Cropping1D(1, data_format="channels_last"), "Cropping1D has no argument 'data_format'"),
        (lambda: UpSampling2D((2, 2, 2)), "size: expected an integer or 2 of them, got 3"),
        (lambda: UpSampling2D(2, interpolation="linear"), "interpolation: expected one of .*'nearest', 'bilinear'"),
    ],
)
def test_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize("name", ["bicubic", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"])
def test_interpolations_that_torch_has_no_module_for(name: str) -> None:
    layer = UpSampling2D(2, interpolation=name)
    assert layer(torch.ones(1, 2, 3, 1, dtype=torch.int32)).dtype == torch.float32
    with pytest.raises(UnsupportedError, match=f"torch has no module with the weights of interpolation='{name}'"):
        layer.to_torch()


def test_cropping_too_much() -> None:
    layer = Cropping2D(((1, 2), (0, 0)), "channels_first", name="c")
    message = "Cropping2D 'c': cropping=((1, 2), (0, 0)) leaves nothing of input of shape (2, 5, 3, 4), that is"
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(2, 5, 3, 4))
    with pytest.raises(ShapeError, match="crop less"):
        layer.compute_output_shape((None, None, 3, None))
