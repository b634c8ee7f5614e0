"""kt.convert with two biases and wrong ones: every function says which shape it expects, and of what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kerastorch import convert
from kerastorch.errors import ArgumentError, ShapeError

F, U = 3, 2


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


LSTM = random(F, 4 * U), random(U, 4 * U, seed=1)
GRU = random(F, 3 * U), random(U, 3 * U, seed=1)


def test_an_lstm_with_two_biases_keeps_both_in_the_buffer() -> None:
    bias = random(8 * U, seed=2)
    buffer = convert.lstm_to_cudnn(*LSTM, bias)
    # Gates i f c o, each matrix (U, F), then each (U, U), then both biases.
    matrices = [part for kernel in LSTM for part in np.split(kernel.T, 4)]
    np.testing.assert_array_equal(buffer, np.concatenate([*(part.reshape(-1) for part in matrices), bias]))
    back = convert.lstm_from_cudnn(buffer, F, U, sum_biases=True)
    np.testing.assert_array_equal(back.bias, bias[: 4 * U] + bias[4 * U :])
    np.testing.assert_array_equal(back.kernel, LSTM[0])
    np.testing.assert_array_equal(back.recurrent_kernel, LSTM[1])


@pytest.mark.parametrize("to", ["ih", "hh", "half"])
def test_where_one_bias_of_an_lstm_goes(to: Any) -> None:
    bias = random(4 * U, seed=2)
    zeros = np.zeros_like(bias)
    wanted = {"ih": [bias, zeros], "hh": [zeros, bias], "half": [bias / 2, bias / 2]}[to]
    np.testing.assert_array_equal(convert.lstm_to_cudnn(*LSTM, bias, bias_to=to)[-8 * U :], np.concatenate(wanted))
    np.testing.assert_array_equal(convert.lstm_to_cudnn_lstm(*LSTM, bias, bias_to=to).bias, np.concatenate(wanted))


RESET = "which cuDNN does not compute"
WRONG: dict[str, tuple[Any, str]] = {
    "lstm_to_cudnn": (lambda bias: convert.lstm_to_cudnn(*LSTM, bias), r"bias has shape \(5,\), expected \(4U=8,\)"),
    "lstm_to_cudnn_lstm": (
        lambda bias: convert.lstm_to_cudnn_lstm(*LSTM, bias),
        r"bias has shape \(5,\), expected \(4U=8,\)",
    ),
    "lstm_from_cudnn_lstm": (
        lambda bias: convert.lstm_from_cudnn_lstm(*LSTM, bias),
        r"bias has shape \(5,\), expected \(8U=16,\)",
    ),
    "gru_to_cudnn": (lambda bias: convert.gru_to_cudnn(*GRU, bias), r"bias has shape \(5,\), expected \(2, 3U=6\)"),
    "gru_to_cudnn_gru": (
        lambda bias: convert.gru_to_cudnn_gru(*GRU, bias),
        r"bias has shape \(5,\), expected \(2, 3U=6\)",
    ),
    "gru_from_cudnn_gru": (
        lambda bias: convert.gru_from_cudnn_gru(*GRU, bias),
        r"bias has shape \(5,\), expected \(6U=12,\)",
    ),
    "lstm_to_basic_lstm_cell": (
        lambda bias: convert.lstm_to_basic_lstm_cell(*LSTM, bias),
        r"bias has shape \(5,\), expected \(4U=8,\)",
    ),
    "lstm_to_torch": (lambda bias: convert.lstm_to_torch(*LSTM, bias), r"bias has shape \(5,\), expected \(4U=8,\)"),
    "gru_to_torch": (lambda bias: convert.gru_to_torch(*GRU, bias), r"bias has shape \(5,\), expected \(2, 3U=6\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bias_of_another_shape_is_told(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ShapeError, match=message) as caught:
        call(random(5))
    assert name in str(caught.value)
    # Advice for GRUs stands with GRUs alone.
    assert ("reset_after" in str(caught.value)) == name.startswith("gru")


@pytest.mark.parametrize("bias", [random(3 * U)])
def test_a_gru_of_one_bias_is_told_why(bias: np.ndarray) -> None:
    for call in (convert.gru_to_cudnn, convert.gru_to_cudnn_gru):
        with pytest.raises(ShapeError, match=RESET):
            call(*GRU, bias)


MISSING: dict[str, tuple[Any, ...]] = {
    "lstm_to_cudnn": (*LSTM, None),
    "lstm_to_cudnn_lstm": (*LSTM, None),
    "lstm_from_cudnn_lstm": (*LSTM, None),
    "lstm_to_keras1": (*LSTM, None),
    "gru_to_cudnn": (*GRU, None),
    "gru_to_cudnn_gru": (*GRU, None),
    "gru_from_cudnn_gru": (*GRU, None),
    "gru_to_keras1": (*GRU, None),
    "lstm_from_basic_lstm_cell": (random(F + U, 4 * U), None),
    "lstm_from_lstm_block_fused_cell": (random(F + U, 4 * U), None),
    "simple_rnn_from_basic_rnn_cell": (random(F + U, U), None),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_bias_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{name}: bias: expected a numpy array or a tensor, got None\. .* zeros"):
        getattr(convert, name)(*MISSING[name])


def test_any_array_that_is_not_there_is_told() -> None:
    nine = [random(*shape) for _ in range(3) for shape in [(F, U), (U, U), (U,)]]
    with pytest.raises(ArgumentError, match=r"^gru_from_keras1: U_r: expected a numpy array or a tensor, got None\.$"):
        convert.gru_from_keras1([*nine[:4], None, *nine[5:]])
    with pytest.raises(ArgumentError, match=r"^gru_from_gru_cell: candidate_kernel: expected"):
        convert.gru_from_gru_cell(random(F + U, 2 * U), random(2 * U), None, random(U))
