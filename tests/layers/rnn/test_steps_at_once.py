"""What ConvLSTM and TimeDistributed do once for all steps, and what ConvLSTM keeps of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import Input, Sequential, layers

MASK = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 0]], dtype=torch.bool)


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def conv_lstm(**config: Any) -> Any:
    layer = layers.ConvLSTM2D(2, 3, padding="same", return_state=True, dtype="float64", **config)
    layer.build((None, 4, 5, 6, 3) if layer.data_format == "channels_last" else (None, 4, 3, 5, 6))
    with torch.no_grad():
        for index, parameter in enumerate(layer.parameters()):
            parameter.copy_(0.4 * random(*parameter.shape, seed=index))
    return layer


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("masked", [None, "steps", "hidden", "places"])
def test_the_last_output_alone_is_the_last_of_all(data_format: str, masked: str | None) -> None:
    config = {"data_format": data_format, "zero_output_for_mask": masked == "hidden"}
    every, last = conv_lstm(return_sequences=True, **config), conv_lstm(**config)
    x = random(3, 4, 5, 6, 3)
    x = x if data_format == "channels_last" else x.movedim(-1, 2)
    mask = MASK if masked else None
    if masked == "places":
        mask = random(*every(x)[0].shape[:-1], seed=5) > 0
    found = []
    for layer in (every, last):
        leaf = x.clone().requires_grad_()
        out, *states = layer(leaf, mask=mask)
        out = out[:, -1] if layer is every else out
        grads = torch.autograd.grad(out.pow(2).sum() + sum(s.pow(3).sum() for s in states), [leaf, *layer.parameters()])
        found.append([out, *states, *grads])
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_inference_gives_the_same_and_writes_into_nothing_of_others(data_format: str) -> None:
    layer = conv_lstm(return_sequences=True, data_format=data_format)
    x = random(3, 4, 5, 6, 3)
    x = x if data_format == "channels_last" else x.movedim(-1, 2)
    states = [torch.rand_like(state) for state in layer(x)[1:]]
    given = [tensor.clone() for tensor in (x, *states, *layer.parameters())]
    expected = layer(x, mask=MASK, initial_state=states)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = layer(x, mask=MASK, initial_state=states)
        for ours, theirs in zip(found, expected, strict=True):
            assert torch.equal(ours, theirs)
            assert not ours.requires_grad
        for tensor, before in zip((x, *states, *layer.parameters()), given, strict=True):
            assert torch.equal(tensor, before)


def inner_layers() -> list[Any]:
    return [
        layers.Dense(3),
        layers.LSTM(3, return_sequences=True),
        layers.Bidirectional(layers.GRU(2)),
        layers.RNN(layers.LSTMCell(2)),
        Sequential([Input((5, 4)), layers.LSTM(3), layers.Dense(2)]),
    ]


@pytest.mark.parametrize("index", range(5))
def test_time_distributed_runs_its_layer_once(index: int) -> None:
    inner = inner_layers()[index]
    layer = layers.TimeDistributed(inner)
    x = torch.randn(2, 3, 5, 4)
    out = layer(x)
    shapes: list[Any] = []
    inner.register_forward_pre_hook(lambda module, args: shapes.append(tuple(args[0].shape)))
    layer(x)
    assert shapes == [(6, 5, 4)]
    one_by_one = torch.stack([inner(x[:, step]) for step in range(3)], dim=1)
    assert_close(out, one_by_one)  # float32, another batch
