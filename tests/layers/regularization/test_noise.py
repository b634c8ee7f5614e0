from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from _close import assert_close

from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import AlphaDropout, GaussianDropout, GaussianNoise

NOISES: list[tuple[Any, dict[str, Any]]] = [
    (GaussianNoise, {"stddev": 0.5}),
    (GaussianDropout, {"rate": 0.5}),
    (AlphaDropout, {"rate": 0.5}),
]
each = pytest.mark.parametrize(("cls", "config"), NOISES, ids=lambda value: getattr(value, "__name__", ""))


@each
def test_only_while_training(cls: Any, config: dict[str, Any]) -> None:
    layer, x = cls(**config), torch.randn(4, 7, 3)
    assert not torch.equal(layer(x), x)
    assert layer(x, training=False) is x
    layer.eval()
    assert layer(x) is x
    assert not torch.equal(layer(x, training=True), x)


@each
def test_seeds_are_torchs(cls: Any, config: dict[str, Any]) -> None:
    layer, x = cls(**config, seed=3), torch.ones(4, 7, 3)
    first = layer(x)
    assert not torch.equal(first, layer(x))
    torch.manual_seed(0)  # as before each test
    assert torch.equal(first, layer(x))


@each
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtypes(cls: Any, config: dict[str, Any], dtype: torch.dtype) -> None:
    assert cls(**config)(torch.ones(4, 3, dtype=dtype)).dtype == dtype
    assert cls(**config)(torch.ones(4, 3, dtype=torch.int64)).dtype == torch.float32


@each
def test_a_mask_passes_through(cls: Any, config: dict[str, Any]) -> None:
    mask = torch.tensor([[True, False]])
    assert cls(**config).compute_mask(torch.zeros(1, 2, 3), mask) is mask


def test_gradients() -> None:
    x = torch.ones(50, 4, requires_grad=True)
    y = GaussianDropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    assert_close(x.grad, y.detach())  # x is 1, so the noise is the output
    x = torch.full((50, 4), 2.0, requires_grad=True)
    y = AlphaDropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    kept = y.detach() > 0
    assert (x.grad[~kept] == 0).all()
    assert len(x.grad[kept].unique()) == 1
    assert 0.3 < kept.float().mean() < 0.7


def test_whole_features() -> None:
    y = AlphaDropout(0.5, noise_shape=(None, 1, None))(torch.ones(8, 7, 50))
    assert torch.equal(y, y[:, :1].expand_as(y))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(-0.1), "stddev: expected a number >= 0, got -0.1."),
        (lambda: GaussianNoise(float("nan")), "stddev: expected a number >= 0, got nan."),
        (lambda: GaussianDropout(1.5), "rate: expected a fraction between 0 and 1, got 1.5."),
        (lambda: AlphaDropout(0.5, seed="3"), "seed: expected an integer, got '3'."),
    ],
)
def test_arguments_that_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(message)):
        make()


def test_a_noise_shape_that_does_not_fit() -> None:
    message = "AlphaDropout 'd': noise_shape=(1, 2) does not fit input of shape (8, 7, 50)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        AlphaDropout(0.5, (1, 2), name="d").build((8, 7, 50))


def test_configs_have_the_keys_of_keras_3() -> None:
    assert list(GaussianNoise(0.5).get_config()) == ["name", "trainable", "dtype", "stddev", "seed"]
    assert list(AlphaDropout(0.5).get_config()) == ["name", "trainable", "dtype", "rate", "seed", "noise_shape"]
