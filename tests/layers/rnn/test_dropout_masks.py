"""Dropout of recurrent layers: how many masks, for which steps and states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch import Input, Sequential, layers

ROWS = 500
B, T, F, U = 3, 5, 4, 4


def mask_layer(rate: float) -> Any:
    """A SimpleRNN whose output at each step is its input: with ones, the dropout mask itself."""
    layer = layers.SimpleRNN(F, activation="linear", use_bias=False, return_sequences=True, dropout=rate)
    layer.build((None, T, F))
    layer.set_weights([np.eye(F), np.zeros((F, F))])
    return layer


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.75])
def test_one_mask_for_the_whole_sequence(rate: float) -> None:
    out = mask_layer(rate).train()(torch.ones(ROWS, T, F)).detach()
    assert_close(out, torch.where(out == 0, 0, 1 / (1 - rate)).double())
    assert_close(out, out[:, :1].expand_as(out))
    share = (out[:, 0] == 0).double().mean().item()
    assert abs(share - rate) < 5 * (rate * (1 - rate) / (ROWS * F)) ** 0.5
    again = mask_layer(rate).train()(torch.ones(ROWS, T, F))
    assert torch.any(out != again)  # the next batch gets another one


@pytest.mark.parametrize("rate", [0.2, 0.6])
def test_recurrent_masks_act_on_the_state(rate: float) -> None:
    """With h' = x + m * h and x = 1 the step t gives 1 + m + ... + m^t: one mask for all steps."""
    layer = layers.SimpleRNN(F, activation="linear", use_bias=False, return_sequences=True, recurrent_dropout=rate)
    layer.build((None, T, F))
    layer.set_weights([np.eye(F), np.eye(F)])
    out = layer.train()(torch.ones(ROWS, T, F)).detach()
    mask = out[:, 1] - 1
    dropped = mask.abs() < 0.5
    assert_close(mask, torch.where(dropped, 0, 1 / (1 - rate)).double())
    powers = torch.stack([mask**step for step in range(T)]).cumsum(0).transpose(0, 1)
    assert_close(out, powers)
    share = dropped.double().mean().item()
    assert abs(share - rate) < 5 * (rate * (1 - rate) / (ROWS * F)) ** 0.5


@pytest.mark.parametrize(("name", "gates"), [("LSTM", 4), ("GRU", 3), ("SimpleRNN", 1)])
def test_how_many_masks(name: str, gates: int) -> None:
    cls = getattr(layers, name)
    like = torch.ones(ROWS, F)
    shared = cls(U, dropout=0.5)._dropout_masks(like, 0.5)
    assert shared.shape == (1, ROWS, F)
    single = cls(U, recurrent_dropout=0.5)._dropout_masks(like, 0.5)
    assert single.shape == (gates, ROWS, F)
    for one in range(gates):
        for other in range(one):
            assert torch.any(single[one] != single[other])


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("rates", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}, {"dropout": 0.3, "implementation": 1}])
def test_off_in_evaluation_and_training_overrides(name: str, rates: dict[str, Any]) -> None:
    layer = getattr(layers, name)(U, **rates)
    x = torch.randn(B, T, F)
    plain = layer.eval()(x)
    assert_close(layer(x), plain, 0)
    assert torch.any(layer(x, training=True) != plain)
    layer.train()
    assert torch.any(layer(x) != plain)
    assert_close(layer(x, training=False), plain)
    model = Sequential([Input((T, F)), layer]).train()
    assert_close(model(x, training=False), plain)
    assert torch.any(model.eval()(x, training=True) != plain)
