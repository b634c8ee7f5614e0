"""The order of Keras 1's arrays, told by constants: a round trip cannot, as both ways may be wrong together."""

from __future__ import annotations

import numpy as np

from kerastorch import convert

F, U = 3, 2


def twelve() -> list[np.ndarray]:
    """W, U, b of the gates i, c, f, o, as Keras 1's `LSTM.get_weights()`: array number n holds n alone."""
    shapes = [(F, U), (U, U), (U,)] * 4
    return [np.full(shape, float(number)) for number, shape in enumerate(shapes)]


def blocks(*values: float) -> np.ndarray:
    return np.repeat(np.array(values), U)


def test_lstm_from_keras_1() -> None:
    kernel, recurrent, bias = convert.lstm_from_keras1(twelve())
    # Keras 2 and 3: i f c o. In Keras 1 i is 0 to 2, c 3 to 5, f 6 to 8, o 9 to 11.
    np.testing.assert_array_equal(kernel, np.tile(blocks(0, 6, 3, 9), (F, 1)))
    np.testing.assert_array_equal(recurrent, np.tile(blocks(1, 7, 4, 10), (U, 1)))
    np.testing.assert_array_equal(bias, blocks(2, 8, 5, 11))


def test_lstm_to_keras_1() -> None:
    kernel, recurrent = np.tile(blocks(0, 6, 3, 9), (F, 1)), np.tile(blocks(1, 7, 4, 10), (U, 1))
    made = convert.lstm_to_keras1(kernel, recurrent, blocks(2, 8, 5, 11))
    for mine, wanted in zip(made, twelve(), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_gru_from_keras_1_and_back() -> None:
    nine = twelve()[:9]  # z r h
    kernel, recurrent, bias = convert.gru_from_keras1(nine)
    np.testing.assert_array_equal(kernel, np.tile(blocks(0, 3, 6), (F, 1)))
    np.testing.assert_array_equal(recurrent, np.tile(blocks(1, 4, 7), (U, 1)))
    np.testing.assert_array_equal(bias, blocks(2, 5, 8))
    for mine, wanted in zip(convert.gru_to_keras1(kernel, recurrent, bias), nine, strict=True):
        np.testing.assert_array_equal(mine, wanted)
