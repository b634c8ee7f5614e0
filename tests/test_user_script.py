"""What a person does: build, train with a plain torch loop, checkpoint, reload, go on; on CPU, and on CUDA if there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close
from torch.nn import functional as F

import kerastorch as kt
from kerastorch import Input, Model, Sequential, layers

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")]),
]


def chain(make: Callable[..., Any]) -> Model:
    return Sequential([Input((7, 3)), make(6, return_sequences=True), make(4), layers.Dense(2)])


def both_ways(make: Callable[..., Any]) -> Model:
    return Sequential([Input((7, 3)), layers.Bidirectional(make(4)), layers.Dense(2)])


def masked(make: Callable[..., Any]) -> Model:
    x = Input((7, 3))
    return Model(x, layers.Dense(2)(make(4)(layers.Masking(mask_value=0.0)(x))))


RECURRENT = {
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
    "GRU before": lambda units, **options: layers.GRU(units, reset_after=False, **options),
    "SimpleRNN": layers.SimpleRNN,
    "relu LSTM": lambda units, **options: layers.LSTM(units, activation="relu", **options),
    "dropped LSTM": lambda units, **options: layers.LSTM(units, dropout=0.2, recurrent_dropout=0.2, **options),
    "CuDNNLSTM": layers.CuDNNLSTM,
    "CuDNNGRU": layers.CuDNNGRU,
}


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 7, 3, generator=generator)
    x[::3, 5:] = 0.0  # masked where the model masks
    return x, x.cumsum(1)[:, -1, :2]


def train(model: Model, steps: int, device: str) -> list[float]:
    x, y = (tensor.to(device) for tensor in data())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02, eps=1e-7)
    model.train()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("build", [chain, both_ways, masked])
@pytest.mark.parametrize("name", RECURRENT)
def test_build_train_checkpoint_reload(name: str, build: Any, device: str, tmp_path: Path) -> None:
    kt.set_seed(1)
    model = build(RECURRENT[name]).to(device)
    losses = train(model, 30, device)
    assert losses[-1] < 0.8 * losses[0]
    torch.save(model.state_dict(), tmp_path / "model.pt")
    again = build(RECURRENT[name]).to(device)
    again.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    x = data()[0].numpy()
    expected = model.predict(x)
    assert np.array_equal(again.predict(x), expected)
    assert train(again, 3, device)[0] < losses[0]
    assert not np.array_equal(again.predict(x), expected)
    assert np.array_equal(model.predict(x), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN", "relu LSTM"])
def test_kept_states_move_with_the_layer(name: str, device: str) -> None:
    layer = RECURRENT[name](4, stateful=True)
    x = torch.randn(2, 5, 3)
    layer(x)
    kept = [state.clone() for state in layer.states]
    layer.to(device)
    assert all(state.device.type == device for state in layer.states)
    assert all(torch.equal(state.cpu(), before) for state, before in zip(layer.states, kept, strict=True))
    layer(x.to(device))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN", "relu LSTM"])
def test_pieces_equal_the_whole_with_masks_and_in_bidirectional(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 9, 3, generator=generator)
    mask = torch.rand(3, 9, generator=generator) < 0.6
    whole = RECURRENT[name](4, return_sequences=True)
    kept = RECURRENT[name](4, return_sequences=True, stateful=True)
    for layer in (whole, kept):
        layer.build((3, 9, 3))
    kept.set_weights(whole.get_weights())
    parts = [kept(x[:, a:b], mask=mask[:, a:b]) for a, b in ((0, 4), (4, 5), (5, 9))]
    # Where a piece has had no valid step yet Keras gives zeros, as at the start of a sequence.
    begun = torch.cat([mask[:, a:b].cumsum(1) > 0 for a, b in ((0, 4), (4, 5), (5, 9))], dim=1)
    assert_close(torch.cat(parts, 1)[begun], whole(x, mask=mask)[begun])
    both = layers.Bidirectional(RECURRENT[name](4, return_sequences=True, stateful=True), merge_mode=None)
    both.build((3, 9, 3))
    both.forward_layer.set_weights(whole.get_weights())
    forward = torch.cat([both(x[:, a:b])[0] for a, b in ((0, 4), (4, 9))], dim=1)
    assert_close(forward, whole(x))
    assert len(both.states) == 2 * both.forward_layer._state_count
    both.reset_state()
    assert not any(state.any() for state in both.states)
