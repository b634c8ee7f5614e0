from __future__ import annotations

import re

import pytest
import torch
from _close import assert_close

from kerastorch.errors import ArgumentError, ShapeError
from kerastorch.layers import Dropout, SpatialDropout1D

both = pytest.mark.parametrize("cls", [Dropout, SpatialDropout1D])


@both
def test_only_while_training(cls: type[Dropout]) -> None:
    layer, x = cls(0.5), torch.randn(4, 7, 3)
    assert not torch.equal(layer(x), x)
    assert layer(x, training=False) is x
    layer.eval()
    assert layer(x) is x
    assert not torch.equal(layer(x, training=True), x)


@both
@pytest.mark.parametrize("rate", [0.25, 0.5, 0.9])
def test_rate_and_scale(cls: type[Dropout], rate: float) -> None:
    x = torch.rand(100, 5, 400) + 1
    y = cls(rate)(x)
    kept = y != 0
    assert abs(kept.float().mean().item() - (1 - rate)) < 0.01
    assert_close(y[kept], x[kept] / (1 - rate))


@both
def test_the_ends_of_the_rate(cls: type[Dropout]) -> None:
    x = torch.randn(4, 7, 3)
    assert cls(0)(x) is x
    assert torch.equal(cls(1.0)(x), torch.zeros_like(x))
    with pytest.raises(ArgumentError, match=r"rate: expected a fraction between 0 and 1, got 1.5"):
        cls(1.5)


@both
def test_the_gradient_has_the_same_noise(cls: type[Dropout]) -> None:
    x = torch.ones(4, 7, 30, requires_grad=True)
    y = cls(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


@both
def test_seeds_are_torchs(cls: type[Dropout]) -> None:
    x, layer = torch.ones(4, 7, 30), cls(0.5, seed=3)
    first = layer(x)
    assert not torch.equal(first, layer(x))
    torch.manual_seed(0)  # as before each test
    assert torch.equal(first, layer(x))


@both
def test_a_mask_passes_through(cls: type[Dropout]) -> None:
    mask = torch.tensor([[True, False]])
    assert cls(0.5).compute_mask(torch.zeros(1, 2, 3), mask) is mask


def test_spatial_dropout_drops_whole_features() -> None:
    y = SpatialDropout1D(0.5)(torch.ones(8, 7, 50))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert 0.3 < (y == 0).float().mean() < 0.7
    assert not torch.equal(y[0], y[1])


@pytest.mark.parametrize("noise", [(None, 1, None), (8, 1, 50), (None, 1, 50)])
def test_noise_shape(noise: tuple[int | None, ...]) -> None:
    layer = Dropout(0.5, noise_shape=list(noise))
    y = layer(torch.ones(8, 7, 50))
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert 0.3 < (y == 0).float().mean() < 0.7
    assert layer.get_config()["noise_shape"] == noise


@pytest.mark.parametrize("noise", [(1, None), (None, 2, None), (None, None, None, 1)])
def test_a_noise_shape_that_does_not_fit(noise: tuple[int | None, ...]) -> None:
    message = f"Dropout 'd': noise_shape={noise} does not fit input of shape (8, 7, 50)"
    with pytest.raises(ShapeError, match=re.escape(message)):
        Dropout(0.5, noise, name="d").build((8, 7, 50))


def test_spatial_dropout_wants_three_axes() -> None:
    message = "expected input of shape (batch, timesteps, features) with 3 axes, got (2, 3)."
    with pytest.raises(ShapeError, match=re.escape(message)):
        SpatialDropout1D(0.5).build((2, 3))


def test_configs_have_the_keys_of_keras_3() -> None:
    assert list(Dropout(0.5).get_config()) == ["name", "trainable", "dtype", "rate", "seed", "noise_shape"]
    assert sorted(SpatialDropout1D(0.5).get_config()) == ["dtype", "name", "rate", "seed"]
    SpatialDropout1D.from_config({"rate": 0.5, "noise_shape": None, "seed": None, "trainable": True})


def test_integers_become_floats() -> None:
    y = Dropout(0.5)(torch.full((100,), 3))
    assert set(y.unique().tolist()) == {0.0, 6.0}
