"""Keras's arrays <-> cuDNN's flat buffer, and <-> the arrays of CuDNNLSTM and CuDNNGRU of Keras 2."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ShapeError
from ..gates import GRU, LSTM, Cell
from ..weights import per_gate, reinterpret
from ._arrays import Arrays, apply, invert
from ._biases import RESET_AFTER, BiasTo, join, split
from .torch_state import Weights

_FORGOTTEN = "The buffer of one layer and one direction has G*U*(F + U) weights and 2*G*U biases"


def lstm_to_cudnn(kernel: Any, recurrent_kernel: Any, bias: Any, *, bias_to: BiasTo = "hh") -> Any:
    """Keras LSTM -> cuDNN's flat buffer (TensorFlow's `CudnnRNNCanonicalToParams` for one layer and direction).

    Args:
        kernel: `(F, 4U)`, gates i f c o.
        recurrent_kernel: `(U, 4U)`.
        bias: `(4U,)`; or `(8U,)`, input then recurrent.
        bias_to: Where one bias goes, the other one is zero; "hh" as Keras on TensorFlow does it.

    Returns:
        `(4U*(F + U) + 8U,)`: the input matrices i f c o, each `(U, F)`; the recurrent ones, each `(U, U)`; the input
        biases; the recurrent biases.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    where = "lstm_to_cudnn"
    arrays = Arrays(where, kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
    two = tuple(getattr(bias, "shape", ())) == (2 * getattr(kernel, "shape", (0, 0))[-1],)
    arrays.sizes(kernel=("F", "4U"), recurrent_kernel=("U", "4U"), bias=("8U" if two else "4U",))
    pair = arrays["bias"].chunk(2) if two else split(where, arrays["bias"], bias_to)
    return arrays.out(_flat(LSTM, arrays["kernel"], arrays["recurrent_kernel"], torch.cat(tuple(pair))))


def lstm_from_cudnn(buffer: Any, input_size: int, units: int, *, sum_biases: bool = False) -> Weights:
    """cuDNN's flat buffer -> Keras LSTM.

    Args:
        buffer: As `lstm_to_cudnn` returns it.
        input_size: F.
        units: U.
        sum_biases: Whether two biases that both hold values may become their sum.

    Returns:
        kernel `(F, 4U)`, recurrent_kernel `(U, 4U)`, bias `(4U,)`.

    Raises:
        ShapeError: The buffer has another length than these sizes make.
        ArgumentError: Two biases would have to be summed and `sum_biases` is False.
    """
    where = "lstm_from_cudnn"
    arrays, kernel, recurrent, biases = _unflat(where, LSTM, buffer, input_size, units)
    bias = join(where, biases[0], biases[1], sum_biases)
    return Weights(arrays.out(kernel), arrays.out(recurrent), arrays.out(bias))


def gru_to_cudnn(kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """Keras GRU with `reset_after=True` -> cuDNN's flat buffer.

    Args:
        kernel: `(F, 3U)`, gates z r h.
        recurrent_kernel: `(U, 3U)`.
        bias: `(2, 3U)`.

    Returns:
        `(3U*(F + U) + 6U,)`, laid out as in `lstm_to_cudnn`, gates r z h.

    Raises:
        ShapeError: A shape does not go with the others, or the bias is that of `reset_after=False`.
    """
    arrays = Arrays("gru_to_cudnn", kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
    hint = {"bias": RESET_AFTER.format(target="cuDNN")}
    arrays.sizes(hint, kernel=("F", "3U"), recurrent_kernel=("U", "3U"), bias=("2", "3U"))
    ordered = apply(GRU.order("cudnn"), arrays["bias"])
    return arrays.out(_flat(GRU, arrays["kernel"], arrays["recurrent_kernel"], ordered.reshape(-1)))


def gru_from_cudnn(buffer: Any, input_size: int, units: int) -> Weights:
    """cuDNN's flat buffer -> Keras GRU with `reset_after=True`.

    Args:
        buffer: As `gru_to_cudnn` returns it.
        input_size: F.
        units: U.

    Returns:
        kernel `(F, 3U)`, recurrent_kernel `(U, 3U)`, bias `(2, 3U)`.

    Raises:
        ShapeError: The buffer has another length than these sizes make.
    """
    arrays, kernel, recurrent, biases = _unflat("gru_from_cudnn", GRU, buffer, input_size, units)
    bias = invert(GRU.order("cudnn"), biases)
    return Weights(arrays.out(kernel), arrays.out(recurrent), arrays.out(bias))


def lstm_to_cudnn_lstm(kernel: Any, recurrent_kernel: Any, bias: Any, *, bias_to: BiasTo = "ih") -> Weights:
    """Keras LSTM -> the arrays of a CuDNNLSTM layer of Keras 2.

    Args:
        kernel: `(F, 4U)`, gates i f c o.
        recurrent_kernel: `(U, 4U)`.
        bias: `(4U,)`.
        bias_to: Which of the two biases gets it; Keras 2 itself gives a half to each ("half").

    Returns:
        kernel and recurrent_kernel of the same shapes, each gate in cuDNN's memory order; bias `(8U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    where = "lstm_to_cudnn_lstm"
    arrays = _plain(where, LSTM, kernel, recurrent_kernel, bias, ("4U",))
    pair = torch.cat(split(where, arrays["bias"], bias_to))
    return _mapped(arrays, LSTM, pair, invert)


def lstm_from_cudnn_lstm(kernel: Any, recurrent_kernel: Any, bias: Any, *, sum_biases: bool = False) -> Weights:
    """The arrays of a CuDNNLSTM layer of Keras 2 -> Keras LSTM.

    Args:
        kernel: `(F, 4U)`, gates i f c o, each in cuDNN's memory order.
        recurrent_kernel: `(U, 4U)`, likewise.
        bias: `(8U,)`, input then recurrent.
        sum_biases: Whether two biases that both hold values may become their sum.

    Returns:
        kernel `(F, 4U)`, recurrent_kernel `(U, 4U)`, bias `(4U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
        ArgumentError: Two biases would have to be summed and `sum_biases` is False.
    """
    where = "lstm_from_cudnn_lstm"
    arrays = _plain(where, LSTM, kernel, recurrent_kernel, bias, ("8U",))
    first, second = arrays["bias"].chunk(2)
    return _mapped(arrays, LSTM, join(where, first, second, sum_biases), apply)


def gru_to_cudnn_gru(kernel: Any, recurrent_kernel: Any, bias: Any) -> Weights:
    """Keras GRU with `reset_after=True` -> the arrays of a CuDNNGRU layer of Keras 2.

    Args:
        kernel: `(F, 3U)`, gates z r h.
        recurrent_kernel: `(U, 3U)`.
        bias: `(2, 3U)`.

    Returns:
        kernel and recurrent_kernel of the same shapes, each gate in cuDNN's memory order; bias `(6U,)`.

    Raises:
        ShapeError: A shape does not go with the others, or the bias is that of `reset_after=False`.
    """
    arrays = _plain("gru_to_cudnn_gru", GRU, kernel, recurrent_kernel, bias, ("2", "3U"))
    return _mapped(arrays, GRU, arrays["bias"].reshape(-1), invert)


def gru_from_cudnn_gru(kernel: Any, recurrent_kernel: Any, bias: Any) -> Weights:
    """The arrays of a CuDNNGRU layer of Keras 2 -> Keras GRU with `reset_after=True`.

    Args:
        kernel: `(F, 3U)`, gates z r h, each in cuDNN's memory order.
        recurrent_kernel: `(U, 3U)`, likewise.
        bias: `(6U,)`, input then recurrent.

    Returns:
        kernel `(F, 3U)`, recurrent_kernel `(U, 3U)`, bias `(2, 3U)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    arrays = _plain("gru_from_cudnn_gru", GRU, kernel, recurrent_kernel, bias, ("6U",))
    return _mapped(arrays, GRU, arrays["bias"].reshape(2, -1), apply)


# ------------------------------------------------------------------------------------------------------------- the maps


def _plain(where: str, cell: Cell, kernel: Any, recurrent: Any, bias: Any, shape: tuple[str, ...]) -> Arrays:
    arrays = Arrays(where, kernel=kernel, recurrent_kernel=recurrent, bias=bias)
    wide = f"{cell.count}U"
    hint = {"bias": RESET_AFTER.format(target="cuDNN")} if cell is GRU else None
    arrays.sizes(hint, kernel=("F", wide), recurrent_kernel=("U", wide), bias=shape)
    return arrays


def _mapped(arrays: Arrays, cell: Cell, bias: Tensor, way: Any) -> Weights:
    """Kernels between cuDNN's memory order and Keras's matrices: `way` is `apply` to Keras, `invert` from it."""
    transposed = per_gate(cell.keras, reinterpret)  # cuDNN's blocks -> (G*U, rows)
    matrices = []
    for name in ("kernel", "recurrent_kernel"):
        tensor = arrays[name]
        done = way(transposed, tensor if way is apply else tensor.t())
        matrices.append(done.t() if way is apply else done)
    kernel, recurrent = matrices
    return Weights(arrays.out(kernel), arrays.out(recurrent), arrays.out(bias))


def _flat(cell: Cell, kernel: Tensor, recurrent: Tensor, biases: Tensor) -> Tensor:
    matrices = [apply(cell.matrix("cudnn"), matrix).reshape(-1) for matrix in (kernel, recurrent)]
    return torch.cat([*matrices, biases])


def _unflat(where: str, cell: Cell, buffer: Any, features: int, units: int) -> tuple[Arrays, Tensor, Tensor, Tensor]:
    arrays = Arrays(where, buffer=buffer)
    flat = arrays["buffer"]
    wide = cell.count * units
    sizes = (wide * features, wide * units, 2 * wide)
    if tuple(flat.shape) != (sum(sizes),):
        raise ShapeError(
            f"{where}: buffer has shape {tuple(flat.shape)}, expected ({sum(sizes)},) for input_size={features} and "
            f"units={units}. {_FORGOTTEN}, G = {cell.count}."
        )
    first, second, biases = flat.split(sizes)
    kernel = invert(cell.matrix("cudnn"), first.reshape(wide, features))
    recurrent = invert(cell.matrix("cudnn"), second.reshape(wide, units))
    return arrays, kernel, recurrent, biases.reshape(2, wide)
