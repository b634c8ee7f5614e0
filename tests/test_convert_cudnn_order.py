"""Kernels of cuDNN, written out: sizes alike, so that an axis that is another one is other numbers and no error."""

from __future__ import annotations

import numpy as np
import pytest

from kerastorch import convert
from kerastorch.errors import ShapeError

SIZE = 12  # features and units, a multiple of the gates of both


def random(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def blocks(kernel: np.ndarray, gates: int) -> np.ndarray:
    """Of each gate the transposed matrix, in the memory of one of Keras's shape."""
    parts = np.split(kernel, gates, axis=1)
    return np.concatenate([part.T.reshape(-1).reshape(part.shape) for part in parts], axis=1)


@pytest.mark.parametrize("gates", [4, 3])
def test_layers_of_keras2(gates: int) -> None:
    kernel, recurrent = random(SIZE, gates * SIZE, seed=1), random(SIZE, gates * SIZE, seed=2)
    wanted = [blocks(kernel, gates), blocks(recurrent, gates)]
    if gates == 4:
        bias = random(gates * SIZE, seed=3)
        both = np.concatenate([bias, np.zeros_like(bias)])
        found = convert.lstm_to_cudnn_lstm(kernel, recurrent, bias)
        back = convert.lstm_from_cudnn_lstm(*wanted, both)
    else:
        bias = random(2, gates * SIZE, seed=3)
        both = bias.reshape(-1)
        found = convert.gru_to_cudnn_gru(kernel, recurrent, bias)
        back = convert.gru_from_cudnn_gru(*wanted, both)
    for mine, theirs in zip(found, (*wanted, both), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(back, (kernel, recurrent, bias), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "shapes",
    [((3, 16, 1), (4, 16), (16,)), ((3, 16), (4, 16, 1), (16,)), ((3, 16), (4, 16), (16, 1)), ((3,), (4, 16), (16,))],
)
def test_another_number_of_axes_is_told(shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays = [np.zeros(shape, "f4") for shape in shapes]
    with pytest.raises(ShapeError, match=r"has shape .*, expected \("):
        convert.lstm_to_cudnn_lstm(*arrays)
