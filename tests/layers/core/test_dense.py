from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from _close import assert_close
from torch import nn

from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError
from kerastorch.layers import Dense


def weighted(rng: np.random.Generator, shape: tuple[int, ...], **options: object) -> tuple[Dense, list[np.ndarray]]:
    layer = Dense(**options)
    layer.build(shape)
    arrays = [rng.normal(size=array.shape).astype("float32") for array in layer.get_weights()]
    layer.set_weights(arrays)
    return layer, arrays


@pytest.mark.parametrize("shape", [(5, 4), (5, 6, 4), (2, 3, 6, 4)])
def test_numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    layer, (kernel, bias) = weighted(rng, shape, units=4, activation="tanh")  # square: a lost transpose keeps the shape
    x = rng.normal(size=shape).astype("float32")
    wanted = np.tanh(x @ kernel + bias)
    assert_close(layer(x).detach(), wanted)
    assert np.abs(layer(x).detach().numpy() - np.tanh(x @ kernel.T + bias)).max() > 0.1


def test_no_bias(rng: np.random.Generator) -> None:
    layer, (kernel,) = weighted(rng, (5, 4), units=3, use_bias=False)
    x = rng.normal(size=(5, 4)).astype("float32")
    assert_close(layer(x).detach(), x @ kernel)
    assert list(layer.state_dict()) == ["weight"]


def test_a_linear_takes_the_state_dict(rng: np.random.Generator) -> None:
    layer, _ = weighted(rng, (5, 4), units=3)
    linear = nn.Linear(4, 3)
    linear.load_state_dict(layer.state_dict())
    x = torch.randn(5, 4)
    assert torch.equal(linear(x), layer(x))


def test_integers_are_converted_as_in_keras(rng: np.random.Generator) -> None:
    layer, (kernel, bias) = weighted(rng, (5, 4), units=3)
    x = rng.integers(-5, 5, size=(5, 4))
    assert_close(layer(torch.from_numpy(x)).detach(), x @ kernel + bias)


def test_autocast() -> None:
    layer = Dense(3)
    layer.build((None, 4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(2, 4)).dtype == torch.bfloat16
        assert layer(torch.randn(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_a_mask_passes_through() -> None:
    mask = torch.tensor([[True, False]])
    assert Dense(3).compute_mask(torch.zeros(1, 2, 4), mask) is mask


def test_wrong_shapes() -> None:
    layer = Dense(3, name="head")
    layer.build((None, 7, 4))
    message = "Dense 'head': expected 4 features, got 5 (input of shape (2, 7, 5))."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(2, 7, 5))
    message = "Dense 'head': expected input of shape (batch, ..., features) with at least 2 axes, got (4,)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        layer(torch.zeros(4))
    message = "Dense 'open': the size of axis -1 must be known, got (None, None); give it to Input or build."
    with pytest.raises(ShapeError, match=re.escape(message)):
        Dense(3, name="open").build((None, None))
    message = "Dense 'two' takes one input, got 2 of shapes [(2, 4), (2, 5)]; merge them first"
    with pytest.raises(ShapeError, match=re.escape(message)):
        Dense(3, name="two")([torch.zeros(2, 4), torch.zeros(2, 5)])


def test_wrong_inputs() -> None:
    layer = Dense(3, name="head")
    layer.build((None, 4))
    with pytest.raises(ArgumentError, match=r"Dense 'head': the input is torch.float64, the weights are torch.float32"):
        layer(torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(ArgumentError, match="Dense 'head': expected one tensor, got 'str'"):
        layer("x")


@pytest.mark.parametrize("options", [{"units": 0}, {"units": 2.5}, {"units": 2, "use_bias": "yes"}])
def test_wrong_arguments(options: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=f"^{list(options)[-1]}: expected"):
        Dense(**options)


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"Dense 'd': lora_rank=4 is not supported: LoRA"):
        Dense(3, lora_rank=4, name="d")
    with pytest.raises(UnsupportedError, match="quantization_config"):
        Dense(3, quantization_config={"class_name": "Int8"})
    Dense.from_config({"units": 3, "lora_rank": None, "lora_alpha": None, "quantization_config": None})
