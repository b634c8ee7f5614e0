"""kt.convert and TensorFlow 1's cells: against their equations, written out here, and there and back, bit for bit."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from _close import assert_close
from _tensorflow1_cells import CELLS, example
from hypothesis import given, settings

from kerastorch import convert
from kerastorch.errors import ShapeError

each_cell = pytest.mark.parametrize("name", list(CELLS))
sizes = st.integers(1, 6)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_step(arrays: Any, x: np.ndarray, states: Any, forget_bias: float) -> list[np.ndarray]:
    """[x h] W + b = i j f o; c' = c * sigmoid(f + forget_bias) + sigmoid(i) * tanh(j); h' = tanh(c') * sigmoid(o)."""
    h, c = states
    kernel, bias = arrays
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ kernel + bias, 4, axis=1)
    c = c * sigmoid(f + forget_bias) + sigmoid(i) * np.tanh(j)
    return [np.tanh(c) * sigmoid(o), c]


def gru_step(arrays: Any, x: np.ndarray, states: Any, _: float) -> list[np.ndarray]:
    """r u = sigmoid([x h] W + b); c = tanh([x r*h] V + d); h' = u * h + (1 - u) * c."""
    (h,) = states
    gates_kernel, gates_bias, kernel, bias = arrays
    r, u = np.split(sigmoid(np.concatenate([x, h], 1) @ gates_kernel + gates_bias), 2, axis=1)
    c = np.tanh(np.concatenate([x, r * h], 1) @ kernel + bias)
    return [u * h + (1 - u) * c]


def rnn_step(arrays: Any, x: np.ndarray, states: Any, _: float) -> list[np.ndarray]:
    """h' = tanh([x h] W + b)."""
    kernel, bias = arrays
    return [np.tanh(np.concatenate([x, states[0]], 1) @ kernel + bias)]


STEPS: dict[str, Any] = {
    "BasicLSTMCell": lstm_step,
    "LSTMBlockFusedCell": lstm_step,
    "GRUCell": gru_step,
    "BasicRNNCell": rnn_step,
}


@each_cell
@pytest.mark.parametrize("forget_bias", [1.0, 0.25])
def test_the_layer_computes_the_equations_of_the_cell(name: str, forget_bias: float) -> None:
    cell = CELLS[name]
    arrays, x, states = ([np.float64(part) for part in group] for group in example(cell))
    found = cell.run(arrays, np.stack(x), states, **cell.options(forget_bias))
    outputs = []
    for step in np.stack(x).transpose(1, 0, 2):
        states = STEPS[name](arrays, step, states, forget_bias)
        outputs.append(states[0])
    assert_close(found, [np.stack(outputs, 1), *states])


@each_cell
@settings(max_examples=25, deadline=None)
@given(features=sizes, units=sizes, seed=st.integers(0, 3))
def test_there_and_back(name: str, features: int, units: int, seed: int) -> None:
    cell = CELLS[name]
    arrays = cell.arrays(features, units, seed)
    keras = cell.to_keras(*arrays, **cell.options(0.0))
    wide = sum(cell.widths) * units
    assert [part.shape for part in keras] == [(features, wide), (units, wide), (wide,)]
    back = cell.from_keras(*keras, **cell.options(0.0))
    again = cell.to_keras(*back, **cell.options(0.0))
    for left, right in zip([*back, *again], [*arrays, *keras], strict=True):
        assert left.dtype == right.dtype
        assert left.shape == right.shape
        assert left.tobytes() == right.tobytes()


@pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell.forget])
def test_the_forget_bias_stands_in_the_bias_of_the_forget_gate_alone(name: str) -> None:
    cell = CELLS[name]
    kernel, bias = cell.arrays(3, 2)
    with_it, without = (cell.to_keras(kernel, bias, **options) for options in ({}, {"forget_bias": 0.0}))
    np.testing.assert_array_equal(
        with_it.bias - without.bias != 0, np.repeat([False, True, False, False], 2)
    )  # i f c o
    np.testing.assert_array_equal(with_it.bias[2:4], bias[4:6] + 1)  # i j f o
    assert_close(cell.from_keras(*with_it)[1], bias)  # one addition and one subtraction of 1 in float32


@each_cell
def test_a_layer_without_a_bias_has_zeros_in_the_cell(name: str) -> None:
    cell = CELLS[name]
    kernel, recurrent, bias = cell.to_keras(*cell.arrays(3, 2), **cell.options(0.0))
    for options in [{}, cell.options(0.0)]:
        made = cell.from_keras(kernel, recurrent, **options)
        for mine, wanted in zip(made, cell.from_keras(kernel, recurrent, np.zeros_like(bias), **options), strict=True):
            np.testing.assert_array_equal(mine, wanted)


F, U = 3, 2


def blocks(rows: int, *values: float) -> np.ndarray:
    """Constant columns for each gate."""
    return np.tile(np.repeat(np.array(values), U), (rows, 1))


def test_the_order_of_grucells_gates() -> None:
    """r before u in the cell, z (which is u) before r in Keras; the input's rows come first."""
    cell = (
        np.concatenate([blocks(F, 1, 2), blocks(U, 3, 4)]),
        blocks(1, 5, 6)[0],
        np.concatenate([blocks(F, 7), blocks(U, 8)]),
        blocks(1, 9)[0],
    )
    keras = (blocks(F, 2, 1, 7), blocks(U, 4, 3, 8), blocks(1, 6, 5, 9)[0])
    for mine, wanted in zip(convert.gru_from_gru_cell(*cell), keras, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    for mine, wanted in zip(convert.gru_to_gru_cell(*keras), cell, strict=True):
        np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize("name", ["BasicLSTMCell", "LSTMBlockFusedCell"])
def test_the_order_of_an_lstms_gates(name: str) -> None:
    cell = np.concatenate([blocks(F, 1, 2, 3, 4), blocks(U, 5, 6, 7, 8)]), blocks(1, 9, 10, 11, 12)[0]  # i j f o
    keras = (blocks(F, 1, 3, 2, 4), blocks(U, 5, 7, 6, 8), blocks(1, 9, 11, 10, 12)[0])  # i f c o
    for mine, wanted in zip(CELLS[name].to_keras(*cell, forget_bias=0.0), keras, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    for mine, wanted in zip(CELLS[name].from_keras(*keras, forget_bias=0.0), cell, strict=True):
        np.testing.assert_array_equal(mine, wanted)


WRONG = {
    "no input": ("BasicRNNCell", ((2, 2), (2,)), r"kernel has shape \(2, 2\), expected \(F\+U, U=2\)"),
    "columns": ("BasicLSTMCell", ((5, 7), (8,)), r"kernel has shape \(5, 7\), expected \(F\+U=5, 4U=8\)"),
    "bias": ("LSTMBlockFusedCell", ((5, 8), (7,)), r"bias has shape \(7,\), expected \(4U,\)"),
    "two kernels": (
        "GRUCell",
        ((5, 4), (4,), (6, 2), (2,)),
        r"candidate_kernel has shape \(6, 2\), expected \(F\+U=5, U=2\)",
    ),
    "gates": ("GRUCell", ((5, 6), (6,), (5, 2), (2,)), r"gates_bias has shape \(6,\), expected \(2U=4,\)"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_shapes_that_do_not_go_together_are_told(kind: str) -> None:
    name, shapes, message = WRONG[kind]
    with pytest.raises(ShapeError, match=message) as caught:
        CELLS[name].to_keras(*(np.zeros(shape) for shape in shapes))
    assert f"from_{CELLS[name].name}: " in str(caught.value)


def test_a_gru_that_resets_after_its_kernel_is_told_why() -> None:
    with pytest.raises(
        ShapeError, match=r"gru_to_gru_cell: bias .*reset_after=True\. GRUCell computes reset_after=Fal"
    ):
        convert.gru_to_gru_cell(np.zeros((F, 3 * U)), np.zeros((U, 3 * U)), np.zeros((2, 3 * U)))
