"""Keras's arrays <-> those of Keras 1, which has an array for each gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..errors import ArgumentError
from ..gates import GRU, LSTM, Cell
from ._arrays import Arrays
from ._biases import RESET_BEFORE
from .torch_state import Weights

_PARTS = ("W", "U", "b")


def lstm_from_keras1(arrays: Sequence[Any]) -> Weights:
    """The 12 arrays of an LSTM of Keras 1 -> Keras LSTM.

    Args:
        arrays: W `(F, U)`, U `(U, U)`, b `(U,)` of the gates i, c, f, o, in this order (`get_weights()` of Keras 1).

    Returns:
        kernel `(F, 4U)`, gates i f c o; recurrent_kernel `(U, 4U)`; bias `(4U,)`.

    Raises:
        ArgumentError: There are not 12 arrays.
        ShapeError: A shape does not go with the others.
    """
    return _from_keras1("lstm_from_keras1", LSTM, arrays)


def lstm_to_keras1(kernel: Any, recurrent_kernel: Any, bias: Any) -> list[Any]:
    """Keras LSTM -> the 12 arrays of Keras 1; see `lstm_from_keras1`.

    Args:
        kernel: `(F, 4U)`, gates i f c o.
        recurrent_kernel: `(U, 4U)`.
        bias: `(4U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_keras1("lstm_to_keras1", LSTM, kernel, recurrent_kernel, bias)


def gru_from_keras1(arrays: Sequence[Any]) -> Weights:
    """The 9 arrays of a GRU of Keras 1 -> Keras GRU with `reset_after=False`.

    Args:
        arrays: W `(F, U)`, U `(U, U)`, b `(U,)` of the gates z, r, h, in this order.

    Returns:
        kernel `(F, 3U)`, gates z r h; recurrent_kernel `(U, 3U)`; bias `(3U,)`.

    Raises:
        ArgumentError: There are not 9 arrays.
        ShapeError: A shape does not go with the others.
    """
    return _from_keras1("gru_from_keras1", GRU, arrays)


def gru_to_keras1(kernel: Any, recurrent_kernel: Any, bias: Any) -> list[Any]:
    """Keras GRU with `reset_after=False` -> the 9 arrays of Keras 1; see `gru_from_keras1`.

    Args:
        kernel: `(F, 3U)`, gates z r h.
        recurrent_kernel: `(U, 3U)`.
        bias: `(3U,)`.

    Raises:
        ShapeError: A shape does not go with the others, or the bias is that of `reset_after=True`.
    """
    return _to_keras1("gru_to_keras1", GRU, kernel, recurrent_kernel, bias)


# ------------------------------------------------------------------------------------------------------------- the maps


def _from_keras1(where: str, cell: Cell, given: Sequence[Any]) -> Weights:
    given = list(given)
    if len(given) != 3 * cell.count:
        raise ArgumentError(
            f"{where}: expected {3 * cell.count} arrays, W, U, b of each of the gates {', '.join(cell.keras1)}; "
            f"got {len(given)}."
        )
    names = [f"{part}_{gate}" for gate in cell.keras1 for part in _PARTS]
    arrays = Arrays(where, **dict(zip(names, given, strict=True)))
    shapes = {"W": ("F", "U"), "U": ("U", "U"), "b": ("U",)}
    arrays.sizes(**{name: shapes[name[0]] for name in names})
    joined = (torch.cat([arrays[f"{part}_{gate}"] for gate in cell.keras], dim=-1) for part in _PARTS)
    return Weights(*(arrays.out(tensor) for tensor in joined))


def _to_keras1(where: str, cell: Cell, kernel: Any, recurrent: Any, bias: Any) -> list[Any]:
    arrays = Arrays(where, kernel=kernel, recurrent_kernel=recurrent, bias=bias)
    wide = f"{cell.count}U"
    hint = {"bias": f"{RESET_BEFORE} Keras 1 had none."} if cell is GRU else None
    arrays.sizes(hint, kernel=("F", wide), recurrent_kernel=("U", wide), bias=(wide,))
    parts = [arrays[name].chunk(cell.count, dim=-1) for name in ("kernel", "recurrent_kernel", "bias")]
    return [arrays.out(part[cell.keras.index(gate)]) for gate in cell.keras1 for part in parts]
