from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import Activation, Flatten, Permute, RepeatVector, Reshape


def test_activation(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 5)).astype("float32")
    assert_close(Activation("tanh")(x), np.tanh(x))
    np.testing.assert_array_equal(Activation(torch.square)(x), x * x)
    mask = torch.ones(2, 5, dtype=torch.bool)
    assert Activation("relu").compute_mask(None, mask) is mask
    with pytest.raises(ArgumentError, match="rleu"):
        Activation("rleu")


def test_repeat_vector(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3)).astype("float32")
    y = RepeatVector(4)(torch.tensor(x))
    np.testing.assert_array_equal(y, np.repeat(x[:, None], 4, axis=1))
    y[0, 0] += 1  # memory of its own for every step
    np.testing.assert_array_equal(y[:, 1], x)
    message = "RepeatVector 'r': expected input of shape (batch, features) with 2 axes, got (2, 7, 3)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        RepeatVector(4, name="r").build((2, 7, 3))
    with pytest.raises(ArgumentError, match="n: expected an integer >= 1, got 0"):
        RepeatVector(0)


def test_flatten(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(Flatten()(x), x.reshape(2, -1))
    np.testing.assert_array_equal(Flatten("channels_first")(x), x.transpose(0, 2, 3, 1).reshape(2, -1))
    np.testing.assert_array_equal(Flatten("channels_first")(x[:, :, 0, 0]), x[:, :, 0, 0])
    np.testing.assert_array_equal(Flatten()(x[:, 0, 0, 0]), x[:, :1, 0, 0])
    assert Flatten()(torch.zeros(0, 3, 4)).shape == (0, 12)
    assert Flatten().compute_output_shape((None, None, 4)) == (None, None)
    assert Flatten().get_config()["data_format"] == "channels_last"
    with pytest.raises(ArgumentError, match="data_format: expected one of"):
        Flatten("NCHW")


@pytest.mark.parametrize(
    ("target", "wanted"),
    [((3, 8), (3, 8)), ((-1, 4), (6, 4)), ((2, None, 3), (2, 4, 3)), ((24,), (24,)), ((24, -1), (24, 1))],
)
def test_reshape(rng: np.random.Generator, target: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    x = rng.normal(size=(5, 4, 6)).astype("float32")
    layer = Reshape(target)
    np.testing.assert_array_equal(layer(x), x.reshape(5, *wanted))
    assert layer.compute_output_shape((None, 4, 6)) == (None, *wanted)
    assert layer(torch.zeros(0, 4, 6)).shape == (0, *wanted)


def test_reshape_of_unknown_sizes() -> None:
    assert Reshape((-1, 4)).compute_output_shape((7, None, 6)) == (7, None, 4)
    assert Reshape((2, 4)).compute_output_shape((None, None)) == (None, 2, 4)


def test_reshape_errors() -> None:
    message = "Reshape 'r': (4, 6) holds 24 values for each sample and cannot become (5, 5), which needs 25."
    with pytest.raises(ShapeError, match=re.escape(message)):
        Reshape((5, 5), name="r")(torch.zeros(2, 4, 6))
    with pytest.raises(ShapeError, match=r"cannot become \(5, -1\), which needs a multiple of 5"):
        Reshape((5, -1)).compute_output_shape((None, 4, 6))
    with pytest.raises(ShapeError, match="a multiple of 0"):
        Reshape((0, -1))(torch.zeros(2, 4))
    with pytest.raises(ArgumentError, match=r"at most one size of -1 or None, got \(-1, -1\)"):
        Reshape((-1, None))
    with pytest.raises(ArgumentError, match=r"target_shape\[0\]: expected an integer >= -1"):
        Reshape((-2, 3))
    with pytest.raises(ArgumentError, match="target_shape: expected a sequence"):
        Reshape(12)


def test_permute(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    layer = Permute((2, 3, 1))
    np.testing.assert_array_equal(layer(x), x.transpose(0, 2, 3, 1))  # not its own inverse
    assert layer.compute_output_shape((None, None, 4, 5)) == (None, 4, 5, None)
    with pytest.raises(ShapeError, match=re.escape("expected input of shape (batch, ...) with 4 axes, got (2, 3)")):
        layer(torch.zeros(2, 3))
    for dims in ((0, 1), (1, 3), (1, 1)):
        with pytest.raises(ArgumentError, match="dims: expected each of 1 to 2 once"):
            Permute(dims)


@pytest.mark.parametrize(
    "layer", [Flatten(), Permute((1, 2)), Reshape((2,)), RepeatVector(2)], ids=lambda x: x._class_name
)
def test_a_mask_ends_where_the_steps_are_rearranged(layer: Flatten) -> None:
    x = torch.ones((1, 2) if layer._class_name == "RepeatVector" else (1, 2, 1))
    x._keras_mask = torch.ones(1, 2, dtype=torch.bool)  # type: ignore[attr-defined]
    assert not hasattr(layer(x), "_keras_mask")
