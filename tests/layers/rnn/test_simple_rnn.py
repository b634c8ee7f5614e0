"""SimpleRNN and its cell against the definition; what all recurrent layers share is in `test_recurrent.py`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from _by_hand import MASKS, check, run, simple_step
from _close import FLOAT64, assert_close

from kerastorch import layers

F, U = 3, 5
RNG = np.random.default_rng(7)
WEIGHTS = [0.5 * RNG.normal(size=shape) for shape in ((F, U), (U, U), (U,))]


@pytest.mark.parametrize("given", [False, True], ids=["zeros", "given states"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_every_output_and_state(activation: str, mask: str, backwards: bool, given: bool) -> None:
    layer = layers.SimpleRNN(
        U, activation, return_sequences=True, return_state=True, go_backwards=backwards, dtype="float64"
    )
    check(layer, simple_step, WEIGHTS, MASKS[mask], given)


def test_a_cell_is_one_step() -> None:
    cell = layers.SimpleRNNCell(U, dtype="float64")
    cell.build((None, F))
    cell.set_weights(WEIGHTS)
    x, h = (RNG.normal(size=(2, size)) for size in (F, U))
    output, states = cell(torch.tensor(x), [torch.tensor(h)])
    expected, after = run(simple_step, x[:, None], [h], WEIGHTS, "tanh")
    assert_close(output, torch.tensor(expected[:, 0]), FLOAT64)
    assert_close(states[0], torch.tensor(after[0]), FLOAT64)


def test_parameters() -> None:
    layer = layers.SimpleRNN(32)
    layer.build((None, None, 10))
    assert layer.count_params() == 32 * (32 + 10) + 32
