"""Kept states of stateful layers in memory: written in place in inference, as a captured CUDA graph needs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from _close import assert_close

from kerastorch import layers
from kerastorch.layers.rnn import given_states

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


@pytest.mark.parametrize("name", LAYERS)
def test_a_captured_training_step_keeps_them_in_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And later calls as well: the graph reads the same memory at its next replay."""
    layer, x = built(name)
    layer.train()
    layer(x)  # as before every capture
    other, _ = built(name)
    other.train()
    expected = [other(x) for _ in range(3)]
    places = [state.data_ptr() for state in layer.states]
    monkeypatch.setattr(given_states, "captures", lambda tensor: True)
    found = [layer(x)]
    assert [state.data_ptr() for state in layer.states] == places
    monkeypatch.undo()
    found.append(layer(x))
    assert [state.data_ptr() for state in layer.states] == places
    for one, another in zip(found, expected[1:], strict=True):
        assert torch.equal(one, another)
    sum(out.square().sum() for out in found).backward()  # type: ignore[union-attr]
    sum(out.square().sum() for out in expected[1:]).backward()  # type: ignore[union-attr]
    for one, another in zip(layer.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.grad, another.grad)


def test_nothing_is_captured_on_the_cpu() -> None:
    layer, x = built("LSTM")
    assert not given_states.captures(x)
    layer(x)
    layer(x)
    assert not layer._captured
