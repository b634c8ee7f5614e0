"""Keras's arrays <-> W, R and B of ONNX's LSTM, GRU and RNN operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError
from ..gates import GRU, LSTM, SIMPLE_RNN, Cell
from ._arrays import Arrays, apply, invert
from ._biases import join
from .torch_state import Weights


class OnnxWeights(NamedTuple):
    """The inputs W, R, B of an ONNX operator; D is 2 for a bidirectional one, else 1. B is None where there is none."""

    W: Any
    R: Any
    B: Any = None


def lstm_to_onnx(
    kernel: Any, recurrent_kernel: Any, bias: Any = None, *, backward: Sequence[Any] | None = None
) -> OnnxWeights:
    """Keras LSTM -> ONNX LSTM.

    Args:
        kernel: `(F, 4U)`, gates i f c o.
        recurrent_kernel: `(U, 4U)`.
        bias: `(4U,)` or None.
        backward: The same arrays of the layer that goes backwards, for direction="bidirectional".

    Returns:
        W `(D, 4U, F)`, R `(D, 4U, U)`, gates i o f c; B `(D, 8U)`: the bias, then zeros (ONNX adds two).

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_onnx("lstm_to_onnx", LSTM, (kernel, recurrent_kernel, bias), backward)


def gru_to_onnx(
    kernel: Any, recurrent_kernel: Any, bias: Any = None, *, backward: Sequence[Any] | None = None
) -> OnnxWeights:
    """Keras GRU -> ONNX GRU; its attribute `linear_before_reset` is Keras's `reset_after`.

    Args:
        kernel: `(F, 3U)`, gates z r h.
        recurrent_kernel: `(U, 3U)`.
        bias: `(2, 3U)` with `reset_after=True`, `(3U,)` with False, or None.
        backward: The same arrays of the layer that goes backwards.

    Returns:
        W `(D, 3U, F)`, R `(D, 3U, U)`, gates z r h; B `(D, 6U)`, input then recurrent.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_onnx("gru_to_onnx", GRU, (kernel, recurrent_kernel, bias), backward)


def simple_rnn_to_onnx(
    kernel: Any, recurrent_kernel: Any, bias: Any = None, *, backward: Sequence[Any] | None = None
) -> OnnxWeights:
    """Keras SimpleRNN -> ONNX RNN.

    Args:
        kernel: `(F, U)`.
        recurrent_kernel: `(U, U)`.
        bias: `(U,)` or None.
        backward: The same arrays of the layer that goes backwards.

    Returns:
        W `(D, U, F)`, R `(D, U, U)`, B `(D, 2U)`: the bias, then zeros.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_onnx("simple_rnn_to_onnx", SIMPLE_RNN, (kernel, recurrent_kernel, bias), backward)


def lstm_from_onnx(W: Any, R: Any, B: Any = None, *, direction: int = 0, sum_biases: bool = False) -> Weights:
    """ONNX LSTM -> Keras LSTM.

    Args:
        W: `(D, 4U, F)`, gates i o f c.
        R: `(D, 4U, U)`.
        B: `(D, 8U)` or None.
        direction: 0, or 1 for the backward half of a bidirectional operator.
        sum_biases: Whether two biases that both hold values may become their sum.

    Returns:
        kernel `(F, 4U)`, gates i f c o; recurrent_kernel `(U, 4U)`; bias `(4U,)` or None.

    Raises:
        ShapeError: A shape does not go with the others.
        ArgumentError: There is no such direction, or two biases would have to be summed.
    """
    return _from_onnx("lstm_from_onnx", LSTM, W, R, B, direction, sum_biases, None)


def gru_from_onnx(
    W: Any, R: Any, B: Any = None, *, linear_before_reset: bool, direction: int = 0, sum_biases: bool = False
) -> Weights:
    """ONNX GRU -> Keras GRU with `reset_after=linear_before_reset`.

    Args:
        W: `(D, 3U, F)`, gates z r h.
        R: `(D, 3U, U)`.
        B: `(D, 6U)` or None.
        linear_before_reset: The operator's attribute (ONNX's default is 0).
        direction: 0, or 1 for the backward half of a bidirectional operator.
        sum_biases: As in `lstm_from_onnx`; a GRU with `linear_before_reset` keeps both biases.

    Returns:
        kernel `(F, 3U)`; recurrent_kernel `(U, 3U)`; bias `(2, 3U)` with `linear_before_reset`, else `(3U,)`; or None.

    Raises:
        ShapeError: A shape does not go with the others.
        ArgumentError: There is no such direction, or two biases would have to be summed.
    """
    return _from_onnx("gru_from_onnx", GRU, W, R, B, direction, sum_biases, bool(linear_before_reset))


def simple_rnn_from_onnx(W: Any, R: Any, B: Any = None, *, direction: int = 0, sum_biases: bool = False) -> Weights:
    """ONNX RNN -> Keras SimpleRNN.

    Args:
        W: `(D, U, F)`.
        R: `(D, U, U)`.
        B: `(D, 2U)` or None.
        direction: 0, or 1 for the backward half of a bidirectional operator.
        sum_biases: As in `lstm_from_onnx`.

    Returns:
        kernel `(F, U)`, recurrent_kernel `(U, U)`, bias `(U,)` or None.

    Raises:
        ShapeError: A shape does not go with the others.
        ArgumentError: There is no such direction, or two biases would have to be summed.
    """
    return _from_onnx("simple_rnn_from_onnx", SIMPLE_RNN, W, R, B, direction, sum_biases, None)


# ------------------------------------------------------------------------------------------------------------- the maps


def _to_onnx(where: str, cell: Cell, forward: Sequence[Any], backward: Sequence[Any] | None) -> OnnxWeights:
    arrays, first = _side(where, cell, *forward)
    sides = [first]
    if backward is not None:
        sides.append(_side(f"{where}, backward", cell, *backward)[1])
        if [tensor.shape for tensor in sides[0]] != [tensor.shape for tensor in sides[1]]:
            raise ShapeError(
                f"{where}: the two directions differ in their shapes or in having a bias; ONNX has one for both."
            )
    return OnnxWeights(*(arrays.out(torch.stack(parts)) for parts in zip(*sides, strict=True)))


def _side(where: str, cell: Cell, kernel: Any, recurrent: Any, bias: Any = None) -> tuple[Arrays, list[Tensor]]:
    """W, R and, if there is a bias, B of one direction."""
    arrays = Arrays(where, kernel=kernel, recurrent_kernel=recurrent, bias=bias)
    wide = f"{cell.count}U"
    two = cell is GRU and getattr(bias, "ndim", 0) == 2
    arrays.sizes(kernel=("F", wide), recurrent_kernel=("U", wide), bias=("2", wide) if two else (wide,))
    made = [apply(cell.matrix("onnx"), arrays[name]) for name in ("kernel", "recurrent_kernel")]
    if "bias" in arrays:
        both = arrays["bias"] if two else torch.stack([arrays["bias"], torch.zeros_like(arrays["bias"])])
        made.append(apply(cell.order("onnx"), both).reshape(-1))
    return arrays, made


def _from_onnx(
    where: str,
    cell: Cell,
    W: Any,
    R: Any,
    B: Any,
    direction: int,
    sum_biases: bool,
    linear_before_reset: bool | None,
) -> Weights:
    arrays = Arrays(where, W=W, R=R, B=B)
    tall = f"{cell.count}U"
    known = arrays.sizes(W=("D", tall, "F"), R=("D", tall, "U"), B=("D", f"{2 * cell.count}U"))
    if isinstance(direction, bool) or not isinstance(direction, int) or not 0 <= direction < known["D"]:
        raise ArgumentError(f"{where}: direction: expected 0 to {known['D'] - 1}, got {direction!r}.")
    kernel, recurrent = (arrays.out(invert(cell.matrix("onnx"), arrays[name][direction])) for name in ("W", "R"))
    if "B" not in arrays:
        return Weights(kernel, recurrent)
    pair = invert(cell.order("onnx"), arrays["B"][direction].reshape(2, -1))
    bias = pair if linear_before_reset else join(where, pair[0], pair[1], sum_biases)
    return Weights(kernel, recurrent, arrays.out(bias))
