"""Kept states of stateful layers in memory: written in place in inference, as a captured CUDA graph needs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close

from kerastorch import layers

LAYERS: dict[str, Any] = {
    "LSTM": lambda: layers.LSTM(4, stateful=True),
    "relu LSTM": lambda: layers.LSTM(4, stateful=True, activation="relu"),
    "GRU": lambda: layers.GRU(4, stateful=True),
    "RNN": lambda: layers.RNN(layers.LSTMCell(4), stateful=True),
    "ConvLSTM1D": lambda: layers.ConvLSTM1D(2, 3, stateful=True),
}


def built(name: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    shape = (2, 3, 6, 5) if name.startswith("Conv") else (2, 3, 5)
    layer.build((2, None, *shape[2:]))
    layer.eval()
    return layer, torch.randn(*shape)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", LAYERS)
def test_in_inference_they_stay_where_they_are(name: str, mode: Any) -> None:
    layer, x = built(name)
    with mode():
        layer(x)
        places = [state.data_ptr() for state in layer.states]
        values = [state.clone() for state in layer.states]
        second = layer(x)
        assert [state.data_ptr() for state in layer.states] == places
        assert not any(torch.equal(state, value) for state, value in zip(layer.states, values, strict=True))
    other, _ = built(name)
    other(x)
    # The same kernels on the same numbers, with gradients recorded and so in new tensors.
    assert_close(other(x), second)


@pytest.mark.parametrize("name", LAYERS)
def test_a_backward_pass_keeps_what_the_call_began_with(name: str) -> None:
    layer, x = built(name)
    layer.train()
    layer(x)
    loss = layer(x).square().sum()  # begins with the states of the first call
    with torch.no_grad():
        layer(x)  # writes in place, into states that the second call made
    loss.backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in layer.parameters())


def test_another_dtype_makes_new_ones() -> None:
    layer, x = built("LSTM")
    with torch.no_grad():
        layer(x)
        layer.double()
        layer(x.double())
    assert [state.dtype for state in layer.states] == [torch.float64] * 2


def test_states_from_inference_mode_serve_in_training() -> None:
    layer, x = built("GRU")
    with torch.inference_mode():
        layer(x)
    layer.train()
    layer(x).sum().backward()
    assert not any(state.is_inference() for state in layer.states)
