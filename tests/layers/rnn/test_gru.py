"""GRU, CuDNNGRU and GRUCell against the definition; what all recurrent layers share is in `test_recurrent.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from _by_hand import MASKS, check, gru_step, run
from _close import FLOAT64, assert_close

from kerastorch import layers

F, U = 3, 5
RNG = np.random.default_rng(6)
KERNEL, RECURRENT = RNG.normal(size=(F, 3 * U)), RNG.normal(size=(U, 3 * U))
BIASES = {True: RNG.normal(size=(2, 3 * U)), False: RNG.normal(size=3 * U)}


def weights(reset_after: bool) -> list[Any]:
    return [KERNEL, RECURRENT, BIASES[reset_after]]


@pytest.mark.parametrize("given", [False, True], ids=["zeros", "given states"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("reset_after", [True, False], ids=["reset after", "reset before"])
@pytest.mark.parametrize("functions", [("tanh", "sigmoid"), ("relu", "hard_sigmoid")], ids=lambda pair: pair[0])
def test_every_output_and_state(
    functions: tuple[str, str], reset_after: bool, mask: str, backwards: bool, given: bool
) -> None:
    options: dict[str, Any] = {"go_backwards": backwards, "reset_after": reset_after, "dtype": "float64"}
    layer = layers.GRU(U, *functions, return_sequences=True, return_state=True, **options)
    check(layer, gru_step, weights(reset_after), MASKS[mask], given)


@pytest.mark.parametrize("reset_after", [True, False])
def test_a_cell_is_one_step(reset_after: bool) -> None:
    cell = layers.GRUCell(U, reset_after=reset_after, dtype="float64")
    cell.build((None, F))
    cell.set_weights(weights(reset_after))
    x, h = (RNG.normal(size=(2, size)) for size in (F, U))
    output, states = cell(torch.tensor(x), [torch.tensor(h)])
    expected, after = run(gru_step, x[:, None], [h], weights(reset_after), "tanh")
    assert_close(output, torch.tensor(expected[:, 0]), FLOAT64)
    assert_close(states[0], torch.tensor(after[0]), FLOAT64)


def test_cudnns_form() -> None:
    """The input's bias, then the state's, in one row; each gate's block of the kernels is read as (units, rows)."""
    layer = layers.CuDNNGRU(U, return_sequences=True, return_state=True, dtype="float64")
    layer.build((None, None, F))
    blocks = [
        np.concatenate([part.T.reshape(part.shape) for part in np.split(array, 3, axis=1)], axis=1)
        for array in (KERNEL, RECURRENT)
    ]
    layer.set_weights([*blocks, BIASES[True].reshape(-1)])
    x = RNG.normal(size=(2, 6, F))
    outputs, state = layer(torch.tensor(x))
    expected, after = run(gru_step, x, [np.zeros((2, U))], weights(True), "tanh")
    assert_close(outputs, torch.tensor(expected), FLOAT64)
    assert_close(state, torch.tensor(after[0]), FLOAT64)


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (layers.GRU(32), 4_224),
        (layers.GRU(32, reset_after=False), 4_128),
        (layers.GRU(32, use_bias=False), 4_032),
        (layers.CuDNNGRU(32), 4_224),
    ],
    ids=["reset after", "reset before", "no bias", "cudnn"],
)
def test_parameters(layer: Any, count: int) -> None:
    """3 U (U + F), and 3 U for each bias: two if the reset gate acts after the product."""
    layer.build((None, None, 10))
    assert layer.count_params() == count
