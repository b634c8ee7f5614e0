"""Keras's arrays <-> those of TensorFlow 1's cells, whose kernels hold the input's rows above those of the state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..gates import GRU, LSTM, SIMPLE_RNN, Cell
from ._arrays import Arrays, apply, invert
from ._biases import RESET_BEFORE
from .torch_state import Weights


def lstm_from_basic_lstm_cell(kernel: Any, bias: Any, *, forget_bias: float = 1.0) -> Weights:
    """TensorFlow 1's BasicLSTMCell (and LSTMCell without peepholes and projection) -> Keras LSTM.

    Args:
        kernel: `(F + U, 4U)`: the rows of the input above those of the state; gates i j f o (j is Keras's c).
        bias: `(4U,)`.
        forget_bias: What the cell adds to the forget gate at every step; it becomes part of the bias.

    Returns:
        kernel `(F, 4U)`, gates i f c o; recurrent_kernel `(U, 4U)`; bias `(4U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _from_lstm("lstm_from_basic_lstm_cell", kernel, bias, forget_bias)


def lstm_to_basic_lstm_cell(
    kernel: Any, recurrent_kernel: Any, bias: Any = None, *, forget_bias: float = 1.0
) -> tuple[Any, Any]:
    """Keras LSTM -> TensorFlow 1's BasicLSTMCell.

    Args:
        kernel: `(F, 4U)`, gates i f c o.
        recurrent_kernel: `(U, 4U)`.
        bias: `(4U,)`; None counts as zeros, as the cell always has a bias.
        forget_bias: What the cell will add to the forget gate: it is taken out of the bias.

    Returns:
        kernel `(F + U, 4U)` and bias `(4U,)`, gates i j f o.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_lstm("lstm_to_basic_lstm_cell", kernel, recurrent_kernel, bias, forget_bias)


def lstm_from_lstm_block_fused_cell(kernel: Any, bias: Any, *, forget_bias: float = 1.0) -> Weights:
    """TensorFlow 1's LSTMBlockFusedCell (and LSTMBlockCell) -> Keras LSTM.

    The arrays are those of `lstm_from_basic_lstm_cell`: `(F + U, 4U)` and `(4U,)`, whose gates i j f o are called
    i ci f o here. Keras has no peepholes and does not clip the cell: one with `use_peephole=True`, or a `cell_clip`
    that its values reach, computes other numbers.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _from_lstm("lstm_from_lstm_block_fused_cell", kernel, bias, forget_bias)


def lstm_to_lstm_block_fused_cell(
    kernel: Any, recurrent_kernel: Any, bias: Any = None, *, forget_bias: float = 1.0
) -> tuple[Any, Any]:
    """Keras LSTM -> TensorFlow 1's LSTMBlockFusedCell and LSTMBlockCell; see `lstm_to_basic_lstm_cell`.

    Returns:
        kernel `(F + U, 4U)` and bias `(4U,)`, gates i ci f o.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_lstm("lstm_to_lstm_block_fused_cell", kernel, recurrent_kernel, bias, forget_bias)


def gru_from_gru_cell(gates_kernel: Any, gates_bias: Any, candidate_kernel: Any, candidate_bias: Any) -> Weights:
    """TensorFlow 1's GRUCell (and GRUBlockCell, GRUBlockCellV2) -> Keras GRU with `reset_after=False`.

    Args:
        gates_kernel: `gates/kernel`, `w_ru` of GRUBlockCell. `(F + U, 2U)`: the rows of the input above those of the
            state; gates r u (u is Keras's z).
        gates_bias: `gates/bias`, `b_ru`. `(2U,)`.
        candidate_kernel: `candidate/kernel`, `w_c`. `(F + U, U)`.
        candidate_bias: `candidate/bias`, `b_c`. `(U,)`.

    Returns:
        kernel `(F, 3U)`, gates z r h; recurrent_kernel `(U, 3U)`; bias `(3U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    arrays = Arrays(
        "gru_from_gru_cell",
        gates_kernel=gates_kernel,
        gates_bias=gates_bias,
        candidate_kernel=candidate_kernel,
        candidate_bias=candidate_bias,
    )
    pairs = [[arrays[f"{name}_{part}"] for name in ("gates", "candidate")] for part in ("kernel", "bias")]
    known = arrays.sizes(
        candidate_bias=("U",), gates_bias=("2U",), gates_kernel=("F+U", "2U"), candidate_kernel=("F+U", "U")
    )
    joined, biases = (torch.cat(pair, dim=-1) for pair in pairs)
    return _from_cell(arrays, GRU, joined, biases, known["F"])


def gru_to_gru_cell(kernel: Any, recurrent_kernel: Any, bias: Any = None) -> tuple[Any, Any, Any, Any]:
    """Keras GRU with `reset_after=False` -> TensorFlow 1's GRUCell, GRUBlockCell and GRUBlockCellV2.

    Args:
        kernel: `(F, 3U)`, gates z r h.
        recurrent_kernel: `(U, 3U)`.
        bias: `(3U,)`; None counts as zeros, as the cell always has biases.

    Returns:
        gates/kernel `(F + U, 2U)` and gates/bias `(2U,)`, gates r u; candidate/kernel `(F + U, U)` and candidate/bias
        `(U,)`.

    Raises:
        ShapeError: A shape does not go with the others, or the bias is that of `reset_after=True`.
    """
    hint = {"bias": f"{RESET_BEFORE} GRUCell computes reset_after=False alone."}
    arrays, joined, biases = _to_cell("gru_to_gru_cell", GRU, kernel, recurrent_kernel, bias, hint)
    units = len(biases) // GRU.count
    parts = [whole.split((2 * units, units), dim=-1) for whole in (joined, biases)]
    (gates_kernel, candidate_kernel), (gates_bias, candidate_bias) = ([arrays.out(t) for t in part] for part in parts)
    return gates_kernel, gates_bias, candidate_kernel, candidate_bias


def simple_rnn_from_basic_rnn_cell(kernel: Any, bias: Any) -> Weights:
    """TensorFlow 1's BasicRNNCell -> Keras SimpleRNN.

    Args:
        kernel: `(F + U, U)`: the rows of the input above those of the state.
        bias: `(U,)`.

    Returns:
        kernel `(F, U)`, recurrent_kernel `(U, U)`, bias `(U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    arrays = Arrays("simple_rnn_from_basic_rnn_cell", bias=bias, kernel=kernel)
    joined, biases = arrays["kernel"], arrays["bias"]
    known = arrays.sizes(bias=("U",), kernel=("F+U", "U"))
    return _from_cell(arrays, SIMPLE_RNN, joined, biases, known["F"])


def simple_rnn_to_basic_rnn_cell(kernel: Any, recurrent_kernel: Any, bias: Any = None) -> tuple[Any, Any]:
    """Keras SimpleRNN -> TensorFlow 1's BasicRNNCell.

    Args:
        kernel: `(F, U)`.
        recurrent_kernel: `(U, U)`.
        bias: `(U,)`; None counts as zeros, as the cell always has a bias.

    Returns:
        kernel `(F + U, U)` and bias `(U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    where = "simple_rnn_to_basic_rnn_cell"
    arrays, joined, biases = _to_cell(where, SIMPLE_RNN, kernel, recurrent_kernel, bias)
    return arrays.out(joined), arrays.out(biases)


# ------------------------------------------------------------------------------------------------------------- the maps


def _from_lstm(where: str, kernel: Any, bias: Any, forget_bias: float) -> Weights:
    arrays = Arrays(where, bias=bias, kernel=kernel)
    joined, biases = arrays["kernel"], arrays["bias"]
    known = arrays.sizes(bias=("4U",), kernel=("F+U", "4U"))
    return _from_cell(arrays, LSTM, joined, _add_to_forget_gate(biases, forget_bias), known["F"])


def _to_lstm(where: str, kernel: Any, recurrent: Any, bias: Any, forget_bias: float) -> tuple[Any, Any]:
    arrays, joined, biases = _to_cell(where, LSTM, kernel, recurrent, bias)
    return arrays.out(joined), arrays.out(_add_to_forget_gate(biases, -forget_bias))


def _add_to_forget_gate(bias: Tensor, value: float) -> Tensor:
    """The bias of TensorFlow's cell with a number added to one gate."""
    gates = list(bias.chunk(LSTM.count))
    gates[LSTM.tensorflow1.index("f")] = gates[LSTM.tensorflow1.index("f")] + value
    return torch.cat(gates)


def _from_cell(arrays: Arrays, cell: Cell, kernel: Tensor, bias: Tensor, features: int) -> Weights:
    """Split the rows and reorder the gates of a cell's one kernel and one bias."""
    order = cell.order("tensorflow1")
    whole = invert(order, kernel)
    return Weights(arrays.out(whole[:features]), arrays.out(whole[features:]), arrays.out(invert(order, bias)))


def _to_cell(
    where: str, cell: Cell, kernel: Any, recurrent: Any, bias: Any, hint: Mapping[str, str] | None = None
) -> tuple[Arrays, Tensor, Tensor]:
    """The one kernel and the one bias of TensorFlow's cell, and the arrays that they were made of."""
    arrays = Arrays(where, kernel=kernel, recurrent_kernel=recurrent, bias=bias)
    wide = f"{cell.count}U" if cell.count > 1 else "U"
    arrays.sizes(hint, kernel=("F", wide), recurrent_kernel=("U", wide), bias=(wide,))
    order = cell.order("tensorflow1")
    biases = arrays["bias"] if "bias" in arrays else arrays["kernel"].new_zeros(arrays["kernel"].shape[1])
    return arrays, apply(order, torch.cat([arrays["kernel"], arrays["recurrent_kernel"]])), apply(order, biases)
