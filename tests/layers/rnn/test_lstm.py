"""LSTM, CuDNNLSTM and LSTMCell against the definition; what all recurrent layers share is in `test_recurrent.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _by_hand import MASKS, check, lstm_step, run
from _close import FLOAT64, assert_close

from kerastorch import layers
from kerastorch.errors import ArgumentError

F, U = 3, 5
RNG = np.random.default_rng(5)
WEIGHTS = [RNG.normal(size=shape) for shape in ((F, 4 * U), (U, 4 * U), (4 * U,))]


@pytest.mark.parametrize("given", [False, True], ids=["zeros", "given states"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    "functions", [("tanh", "sigmoid"), ("relu", "hard_sigmoid"), ("softsign", "sigmoid")], ids=lambda pair: pair[0]
)
def test_every_output_and_state(functions: tuple[str, str], mask: str, backwards: bool, given: bool) -> None:
    layer = layers.LSTM(
        U, *functions, return_sequences=True, return_state=True, go_backwards=backwards, dtype="float64"
    )
    check(layer, lstm_step, WEIGHTS, MASKS[mask], given)


@pytest.mark.parametrize("gate", range(4))
def test_a_gate_that_is_a_thousandth_wrong_is_seen(gate: int) -> None:
    def wrong(x: Any, states: list[Any], weights: list[Any], *functions: Any) -> list[Any]:
        factors = np.repeat([1.001 if at == gate else 1.0 for at in range(4)], U)
        return lstm_step(x, states, [array * factors for array in weights], *functions)

    x = RNG.normal(size=(2, 6, F))
    right, off = (run(step, x, [np.zeros((2, U))] * 2, WEIGHTS, "tanh") for step in (lstm_step, wrong))
    for ours, theirs in zip((right[0], *right[1]), (off[0], *off[1]), strict=True):
        with pytest.raises(AssertionError):
            assert_close(torch.tensor(ours), torch.tensor(theirs), FLOAT64)


def test_the_last_output_is_that_of_the_last_step() -> None:
    whole = layers.LSTM(U, return_sequences=True, dtype="float64")
    last = layers.LSTM(U, dtype="float64")
    for layer in (whole, last):
        layer.build((None, None, F))
        layer.set_weights(WEIGHTS)
    x = torch.tensor(RNG.normal(size=(2, 6, F)))
    assert_close(last(x), whole(x)[:, -1], FLOAT64)


def test_a_cell_is_one_step() -> None:
    cell = layers.LSTMCell(U, dtype="float64")
    cell.build((None, F))
    cell.set_weights(WEIGHTS)
    x, h, c = (RNG.normal(size=(2, size)) for size in (F, U, U))
    output, states = cell(torch.tensor(x), [torch.tensor(h), torch.tensor(c)])
    expected, after = run(lstm_step, x[:, None], [h, c], WEIGHTS, "tanh")
    assert_close(output, torch.tensor(expected[:, 0]), FLOAT64)
    for mine, theirs in zip(states, after, strict=True):
        assert_close(mine, torch.tensor(theirs), FLOAT64)


def test_cudnns_two_biases_are_added_gate_by_gate() -> None:
    layer = layers.CuDNNLSTM(U, return_sequences=True, return_state=True, dtype="float64")
    layer.build((None, None, F))
    kernel, recurrent, bias = WEIGHTS
    first = RNG.normal(size=4 * U)
    # cuDNN reads each gate's block of the kernels as (units, rows).
    blocks = [
        np.concatenate([part.T.reshape(part.shape) for part in np.split(array, 4, axis=1)], axis=1)
        for array in (kernel, recurrent)
    ]
    layer.set_weights([*blocks, np.concatenate([first, bias - first])])
    x = RNG.normal(size=(2, 6, F))
    outputs, *states = layer(torch.tensor(x))
    expected, after = run(lstm_step, x, [np.zeros((2, U))] * 2, WEIGHTS, "tanh")
    assert_close(outputs, torch.tensor(expected), 2 * FLOAT64)  # first + (bias - first) is rounded twice
    for mine, theirs in zip(states, after, strict=True):
        assert_close(mine, torch.tensor(theirs), 2 * FLOAT64)


@pytest.mark.parametrize(
    ("cls", "units", "features", "count"),
    [
        (layers.LSTM, 5, 1, 140),
        (layers.LSTM, 4, 5, 160),
        (layers.LSTM, 300, 900, 1_441_200),
        (layers.CuDNNLSTM, 5, 1, 160),
    ],
)
def test_parameters(cls: Any, units: int, features: int, count: int) -> None:
    """4 (U (U + F) + U), and 4 U more with cuDNN's second bias."""
    layer = cls(units)
    layer.build((None, None, features))
    assert (
        layer.count_params()
        == count
        == 4 * (units * (units + features) + units * (2 if "CuDNN" in cls.__name__ else 1))
    )


@pytest.mark.parametrize("cls", [layers.LSTM, layers.LSTMCell])
def test_a_fresh_forget_gate_is_open(cls: Any) -> None:
    for option, value in ((True, 1.0), (False, 0.25)):
        layer = cls(U, unit_forget_bias=option, bias_initializer={"class_name": "Constant", "config": {"value": 0.25}})
        layer.build((None, F) if "Cell" in cls.__name__ else (None, None, F))
        i, forget, candidate, o = np.split(layer.get_weights()[2], 4)
        np.testing.assert_array_equal(forget, np.full(U, value, "float32"))
        for gate in (i, candidate, o):
            np.testing.assert_array_equal(gate, np.full(U, 0.25, "float32"))


@pytest.mark.parametrize(
    ("layer", "shape", "says"),
    [
        (layers.LSTM(2, bias_initializer=None), (None, 4, 3), "unit_forget_bias=True"),
        (layers.ConvLSTM1D(2, 3, bias_initializer=None), (None, 4, 6, 3), "unit_forget_bias=True"),
        (layers.BatchNormalization(renorm=True, moving_variance_initializer=None), (None, 3), "renorm=True"),
    ],
)
def test_an_initializer_whose_values_are_needed_is_given(layer: layers.Layer, shape: tuple, says: str) -> None:
    """Keras calls None then, a TypeError."""
    with pytest.raises(ArgumentError, match=f"_initializer is None, but {says} needs its values"):
        layer.build(shape)
