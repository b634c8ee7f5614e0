"""States in the second place of a call, where Keras has them; a bool tensor there is a mask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from kerastorch import Input, Model, layers
from kerastorch.errors import ArgumentError

LAYERS: dict[str, tuple[Callable[[], Any], int]] = {
    "lstm": (lambda: layers.LSTM(3, return_sequences=True), 2),
    "gru": (lambda: layers.GRU(3, return_sequences=True), 1),
    "cells": (lambda: layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(3)], return_sequences=True), 2),
    "both": (lambda: layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True)), 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_states_then_the_mask(name: str) -> None:
    make, count = LAYERS[name]
    layer, x, mask = make(), torch.randn(2, 5, 4), torch.rand(2, 5) < 0.6
    states = [torch.randn(2, 3) for _ in range(count)]
    for first in (True, False):  # when it is built, too
        if not first:
            wanted = layer(x, initial_state=states)
            assert torch.equal(layer(x, states), wanted)
            assert torch.equal(layer(x, tuple(states)), wanted)
            assert (layer(x) - wanted).abs().max() > 0.01
            masked = layer(x, mask=mask, initial_state=states)
            assert torch.equal(layer(x, states, mask), masked)
            assert torch.equal(layer(x, mask, states), masked)  # as forward has them
            assert torch.equal(layer(x, None, mask), layer(x, mask=mask))
            assert torch.equal(layer(x, mask), layer(x, mask=mask))
            assert torch.equal(layer(x, states, None, False), wanted)
        else:
            layer(x, states)
    if count == 1:
        assert torch.equal(layer(x, states[0]), wanted)
    symbols = [Input((5, 4)), *(Input((3,)) for _ in states)]
    model = Model(symbols, layer(symbols[0], symbols[1:]))
    assert torch.equal(model([x, *states]), wanted)
    with pytest.raises(ArgumentError, match=r"initial_state: given twice, by position and by name"):
        layer(x, states, initial_state=states)
