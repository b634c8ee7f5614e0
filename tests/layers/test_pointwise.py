"""`tanh` of large arrays, made from faster operations, and activations that overwrite what nobody else knows of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close
from torch import Tensor

from kerastorch import activations, layers, size_rules
from kerastorch.kernels.activation_gradients import overwriting

tanh_in_place = overwriting(activations.tanh)
RECURRENT: list[tuple[Any, dict[str, Any]]] = [
    (layers.LSTM, {"recurrent_activation": "hard_sigmoid"}),
    (layers.GRU, {"reset_after": True, "recurrent_activation": "hard_sigmoid"}),
    (layers.GRU, {"reset_after": False}),
    (layers.SimpleRNN, {"recurrent_dropout": 0.0}),
]


@pytest.mark.parametrize("largest", [1e-30, 1e-3, 1.0, 12.0, 1e30])
def test_tanh_is_within_three_units_in_the_last_place(largest: float) -> None:
    x = torch.linspace(-largest, largest, 200_001)
    exact = torch.tanh(x.double())
    found = tanh_in_place(x.clone()).double()
    unit = torch.finfo(torch.float32).eps / 2 * exact.abs()
    assert ((found - exact).abs() <= 3 * unit + torch.finfo(torch.float32).tiny).all()


def test_tanh_of_what_is_no_number_of_ordinary_size() -> None:
    ends = torch.tensor([float("inf"), -float("inf"), 0.0, -0.0, float("nan")])
    found = tanh_in_place(ends.repeat(size_rules.TANH_ELEMENTS))[: len(ends)]
    assert found[:4].tolist() == [1.0, -1.0, 0.0, 0.0]
    assert torch.signbit(found[:4]).tolist() == [False, True, False, True]
    assert found[4].isnan()


@pytest.mark.parametrize("strided", [False, True])
def test_tanh_is_made_in_place(strided: bool) -> None:
    whole = torch.randn(64, 512)
    x = whole[:, 128:256] if strided else whole
    before, expected = whole.clone(), torch.tanh(x)
    assert x.numel() >= size_rules.TANH_ELEMENTS
    assert tanh_in_place(x) is x
    assert_close(x, expected)
    if strided:
        assert_close(whole[:, :128], before[:, :128], 0)
        assert_close(whole[:, 256:], before[:, 256:], 0)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("cls", "config"), RECURRENT)
def test_recurrences_with_it(cls: Any, config: dict[str, Any], masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = cls(5, return_sequences=True, return_state=True, **config)
    x = torch.randn(3, 20, 4)
    mask = torch.rand(3, 20) < 0.6 if masked else None
    layer(x)

    def everything() -> list[Tensor]:
        leaves = [x.clone().requires_grad_(), *layer.parameters()]
        outputs = layer(leaves[0], mask=mask)
        with torch.no_grad():
            unrecorded = layer(x, mask=mask)
        return [*outputs, *unrecorded, *torch.autograd.grad(sum(out.pow(2).sum() for out in outputs), leaves)]

    monkeypatch.setattr(size_rules, "TANH_ELEMENTS", 10**9)
    expected = everything()
    monkeypatch.setattr(size_rules, "TANH_ELEMENTS", 0)
    for found, wanted in zip(everything(), expected, strict=True):
        assert_close(found, wanted)  # float32; three units in each of 20 steps


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear", "gelu"])
def test_a_conv_lstm_overwrites_nothing_that_others_have(activation: str, data_format: str) -> None:
    options: dict[str, Any] = {"activation": activation, "data_format": data_format, "padding": "same"}
    layer = layers.ConvLSTM2D(4, 3, return_sequences=True, return_state=True, **options)
    shape = (2, 3, 6, 6, 4) if data_format == "channels_last" else (2, 3, 4, 6, 6)
    x, states = torch.randn(shape), [torch.randn(shape[0], *shape[2:]) for _ in range(2)]
    expected = layer(x, initial_state=states)  # autograd records it, so nothing may be overwritten
    copies = [array.clone() for array in (x, *states)]
    with torch.inference_mode():
        found = layer(x, initial_state=states)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)  # float32
    for array, copy in zip((x, *states), copies, strict=True):
        assert torch.equal(array, copy)
