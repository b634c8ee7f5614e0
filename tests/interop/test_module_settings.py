"""Modes, devices and frozen weights of torch modules, and what Keras cannot express."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from _close import assert_close
from torch import nn

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, UnsupportedError
from kerastorch.interop import LastStep

from ._side_by_side import (
    assert_same,
    randomize,
    results,
)


def test_modes_devices_and_frozen_weights_are_kept() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).to(torch.bfloat16)
    module[1].eval()
    module[0].weight.requires_grad_(False)
    module[2].requires_grad_(False)
    layer: Any = kt.from_torch(module)
    assert layer.training
    assert [part.training for part in layer.layers] == [True, False, True]
    assert [part.dtype for part in layer.layers] == [torch.bfloat16] * 3
    assert [p.requires_grad for p in layer.parameters()] == [p.requires_grad for p in module.parameters()]
    assert [part.trainable for part in layer.layers] == [True, True, False]
    x = torch.randn(5, 3, dtype=torch.bfloat16)
    assert_close(layer(x), module(x))


def test_frozen_batch_norm_still_uses_the_batch() -> None:
    module = randomize(nn.BatchNorm1d(3)).requires_grad_(False)
    layer = kt.from_torch(module)
    x = torch.randn(6, 3)
    assert_same(results(layer, x), results(module, x))
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_weights_are_copied() -> None:
    module = nn.Linear(3, 2)
    layer = kt.from_torch(module)
    with torch.no_grad():
        module.weight.zero_()
    assert all(parameter.count_nonzero() for parameter in layer.parameters())


@pytest.mark.parametrize("example", [torch.zeros(4, 7, 3), (None, 7, 3)])
def test_example_gives_shapes(example: Any) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Flatten(), nn.Linear(28, 2))
    layer = kt.from_torch(module, example=example)
    assert layer.input_shape == (None, 7, 3)
    assert layer.output_shape == (None, 2)
    assert layer.count_params() == sum(parameter.numel() for parameter in module.parameters())
    with pytest.raises(kt.KerasTorchError, match="expected 3 features, got 5"):
        kt.from_torch(module, example=(None, 7, 5))


class Own(nn.Module):
    pass


def hooked() -> nn.Module:
    module = nn.Linear(3, 2)
    module.register_forward_hook(lambda module, args, output: 2 * output)
    return module


def momentless() -> nn.Module:
    return nn.BatchNorm1d(3, momentum=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Own, r"module (Own): there is no layer for this class"),
        (lambda: nn.Bilinear(3, 4, 2), r"module (Bilinear): there is no layer for this class"),
        (hooked, r"module (Linear): it has hooks, which would be lost"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
            r"module (ParametrizedLinear): there is no layer for this class",
        ),
        (lambda: nn.LSTM(3, 4, proj_size=2), r"module (LSTM): proj_size=2: Keras's LSTM has no projection"),
        (lambda: nn.Embedding(5, 2, padding_idx=0), r"padding_idx=0: torch never trains that row, Keras does; set"),
        (lambda: nn.Embedding(5, 2, max_norm=1.0), r"module (Embedding): max_norm=1.0"),
        (lambda: nn.Embedding(5, 2, sparse=True), r"sparse=True"),
        (lambda: nn.Embedding(5, 2, scale_grad_by_freq=True), r"scale_grad_by_freq=True"),
        (momentless, r"momentum=None: Keras has no average over all batches"),
        (lambda: nn.BatchNorm2d(3, track_running_stats=False), r"track_running_stats=False"),
        (lambda: nn.Flatten(0), r"start_dim=0, end_dim=-1: Keras's Flatten keeps the batch axis only"),
        (lambda: nn.Sequential(nn.GRU(3, 4)), r"0 (GRU): batch_first=False: layers take (batch, time, features)"),
        (
            lambda: nn.Sequential(nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)),
            r"0 (GRU): it hands the next module a tuple of output and state; put kerastorch.interop.AllSteps()",
        ),
        (
            lambda: nn.Sequential(nn.Linear(3, 4), LastStep()),
            r"1 (LastStep): it can only stand right behind nn.LSTM, GRU or RNN",
        ),
        (lambda: nn.Sequential(nn.LSTMCell(3, 4, bias=False)), r"0 (LSTMCell): a cell returns its states"),
    ],
)
def test_what_keras_cannot_express_is_refused(make: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match="from_torch: these parts .*\n.*" + re.escape(message)):
        kt.from_torch(make())


def test_everything_that_is_refused_is_listed() -> None:
    tied = nn.Linear(3, 3)
    module = nn.Sequential(nn.Bilinear(3, 4, 2), nn.Sequential(Own(), nn.ReLU()), tied, nn.ReLU(), tied)
    with pytest.raises(UnsupportedError) as caught:
        kt.from_torch(module)
    assert str(caught.value).splitlines()[1:] == [
        "  4.weight: it is the same parameter as 2.weight (tied weights), and in a row each layer has its own: pass an "
        "example with tensors, then a graph is made, in which a layer may stand twice",
        "  4.bias: it is the same parameter as 2.bias (tied weights), and in a row each layer has its own: pass an "
        "example with tensors, then a graph is made, in which a layer may stand twice",
        "  0 (Bilinear): there is no layer for this class",
        "  1.0 (Own): there is no layer for this class",
    ]


def test_a_module_without_weights_may_stand_twice() -> None:
    relu = nn.ReLU()
    module = nn.Sequential(nn.Linear(3, 4), relu, nn.Linear(4, 4), relu)
    x = torch.randn(5, 3)
    assert_same(results(kt.from_torch(module), x), results(module, x))


def test_a_frozen_padding_row_is_no_obstacle() -> None:
    module = nn.Embedding(5, 2, padding_idx=0).requires_grad_(False)
    x = torch.tensor([[0, 4, 2]])
    assert torch.equal(kt.from_torch(module)(x), module(x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.LSTM, "expected a torch module, got .*LSTM.*make an object of the class"),
        (3, "expected a torch module, got 3"),
        (layers.Dense(3, name="there"), "Dense 'there' is a kerastorch layer already"),
    ],
)
def test_what_is_no_torch_module(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kt.from_torch(given)
