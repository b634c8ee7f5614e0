"""Keras's arrays <-> the entries of a state dict of nn.LSTM, nn.GRU and nn.RNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ..errors import ArgumentError, ShapeError, counted, quote
from ..gates import GRU, LSTM, SIMPLE_RNN, Cell
from ._arrays import Arrays, apply, invert
from ._biases import RESET_AFTER, BiasTo, join, split


class Weights(NamedTuple):
    """A recurrent layer's arrays in Keras's order; `bias` is None where there is none."""

    kernel: Any
    recurrent_kernel: Any
    bias: Any = None


def lstm_to_torch(
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    *,
    layer: int = 0,
    reverse: bool = False,
    bias_to: BiasTo = "ih",
) -> dict[str, Any]:
    """Keras LSTM -> nn.LSTM.

    Args:
        kernel: `(F, 4U)`, gates i f c o.
        recurrent_kernel: `(U, 4U)`.
        bias: `(4U,)`; None for nn.LSTM(bias=False).
        layer: Number of the layer in nn.LSTM(num_layers=...).
        reverse: Whether it is the layer that goes backwards.
        bias_to: Keras has one bias, torch adds two: "ih" puts it into bias_ih and zeros into bias_hh, "hh" the other
            way round, "half" a half into each. All three compute the same.

    Returns:
        `weight_ih_l0` `(4U, F)`, `weight_hh_l0` `(4U, U)`, `bias_ih_l0`, `bias_hh_l0` `(4U,)`, gates i f g o; numpy or
        torch as what came in.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_torch("lstm_to_torch", LSTM, kernel, recurrent_kernel, bias, layer, reverse, bias_to)


def gru_to_torch(
    kernel: Any, recurrent_kernel: Any, bias: Any = None, *, layer: int = 0, reverse: bool = False
) -> dict[str, Any]:
    """Keras GRU with `reset_after=True` -> nn.GRU.

    Args:
        kernel: `(F, 3U)`, gates z r h.
        recurrent_kernel: `(U, 3U)`.
        bias: `(2, 3U)`, input and recurrent; None for nn.GRU(bias=False).
        layer: Number of the layer in nn.GRU(num_layers=...).
        reverse: Whether it is the layer that goes backwards.

    Returns:
        `weight_ih_l0` `(3U, F)`, `weight_hh_l0` `(3U, U)`, `bias_ih_l0`, `bias_hh_l0` `(3U,)`, gates r z n.

    Raises:
        ShapeError: A shape does not go with the others, or the bias is that of `reset_after=False`.
    """
    return _to_torch("gru_to_torch", GRU, kernel, recurrent_kernel, bias, layer, reverse, "ih")


def simple_rnn_to_torch(
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    *,
    layer: int = 0,
    reverse: bool = False,
    bias_to: BiasTo = "ih",
) -> dict[str, Any]:
    """Keras SimpleRNN -> nn.RNN.

    Args:
        kernel: `(F, U)`.
        recurrent_kernel: `(U, U)`.
        bias: `(U,)`; None for nn.RNN(bias=False).
        layer: Number of the layer in nn.RNN(num_layers=...).
        reverse: Whether it is the layer that goes backwards.
        bias_to: As in `lstm_to_torch`.

    Returns:
        `weight_ih_l0` `(U, F)`, `weight_hh_l0` `(U, U)`, `bias_ih_l0`, `bias_hh_l0` `(U,)`.

    Raises:
        ShapeError: A shape does not go with the others.
    """
    return _to_torch("simple_rnn_to_torch", SIMPLE_RNN, kernel, recurrent_kernel, bias, layer, reverse, bias_to)


def lstm_from_torch(
    state: Mapping[str, Any], *, prefix: str = "", layer: int = 0, reverse: bool = False, sum_biases: bool = False
) -> Weights:
    """nn.LSTM -> Keras LSTM.

    Args:
        state: A state dict that holds `weight_ih_l0`, ... ; numpy arrays or tensors.
        prefix: What stands before these names in it: "encoder.".
        layer: Number of the layer.
        reverse: Whether the layer that goes backwards is wanted.
        sum_biases: Whether two biases that both hold values may become their sum.

    Returns:
        kernel `(F, 4U)`, gates i f c o; recurrent_kernel `(U, 4U)`; bias `(4U,)` or None.

    Raises:
        ArgumentError: An entry is missing, or two biases would have to be summed and `sum_biases` is False.
        ShapeError: A shape does not go with the others.
    """
    return _from_torch("lstm_from_torch", LSTM, state, prefix, layer, reverse, sum_biases)


def gru_from_torch(state: Mapping[str, Any], *, prefix: str = "", layer: int = 0, reverse: bool = False) -> Weights:
    """nn.GRU -> Keras GRU with `reset_after=True`.

    Args:
        state: A state dict that holds `weight_ih_l0`, ... ; numpy arrays or tensors.
        prefix: What stands before these names in it.
        layer: Number of the layer.
        reverse: Whether the layer that goes backwards is wanted.

    Returns:
        kernel `(F, 3U)`, gates z r h; recurrent_kernel `(U, 3U)`; bias `(2, 3U)` or None.

    Raises:
        ArgumentError: An entry is missing.
        ShapeError: A shape does not go with the others.
    """
    return _from_torch("gru_from_torch", GRU, state, prefix, layer, reverse, False)


def simple_rnn_from_torch(
    state: Mapping[str, Any], *, prefix: str = "", layer: int = 0, reverse: bool = False, sum_biases: bool = False
) -> Weights:
    """nn.RNN -> Keras SimpleRNN.

    Args:
        state: A state dict that holds `weight_ih_l0`, ... ; numpy arrays or tensors.
        prefix: What stands before these names in it.
        layer: Number of the layer.
        reverse: Whether the layer that goes backwards is wanted.
        sum_biases: As in `lstm_from_torch`.

    Returns:
        kernel `(F, U)`, recurrent_kernel `(U, U)`, bias `(U,)` or None.

    Raises:
        ArgumentError: An entry is missing, or two biases would have to be summed and `sum_biases` is False.
        ShapeError: A shape does not go with the others.
    """
    return _from_torch("simple_rnn_from_torch", SIMPLE_RNN, state, prefix, layer, reverse, sum_biases)


_TO_TORCH = {"LSTM": lstm_to_torch, "GRU": gru_to_torch, "SimpleRNN": simple_rnn_to_torch}
_FROM_TORCH = {"LSTM": lstm_from_torch, "GRU": gru_from_torch, "SimpleRNN": simple_rnn_from_torch}


def bidirectional_to_torch(
    kind: str, forward: Sequence[Any], backward: Sequence[Any], *, layer: int = 0, **options: Any
) -> dict[str, Any]:
    """Keras Bidirectional -> a bidirectional nn.LSTM, nn.GRU or nn.RNN.

    Args:
        kind: "LSTM", "GRU" or "SimpleRNN".
        forward: kernel, recurrent_kernel and bias (if any) of the forward layer; `get_weights()` gives those of the
            forward layer first, then those of the backward layer.
        backward: Likewise.
        layer: Number of the layer in torch's module.
        **options: `bias_to`, as in `lstm_to_torch`.

    Returns:
        The entries of both directions: `weight_ih_l0`, ..., `weight_ih_l0_reverse`, ...
    """
    convert: Any = _of_kind("bidirectional_to_torch", kind, _TO_TORCH)
    return {
        **convert(*forward, layer=layer, **options),
        **convert(*backward, layer=layer, reverse=True, **options),
    }


def bidirectional_from_torch(
    kind: str, state: Mapping[str, Any], *, prefix: str = "", layer: int = 0, **options: Any
) -> tuple[Weights, Weights]:
    """A bidirectional nn.LSTM, nn.GRU or nn.RNN -> the arrays of Keras's forward and backward layer.

    Args:
        kind: "LSTM", "GRU" or "SimpleRNN".
        state: A state dict.
        prefix: What stands before the names in it.
        layer: Number of the layer.
        **options: `sum_biases`, as in `lstm_from_torch`.
    """
    convert: Any = _of_kind("bidirectional_from_torch", kind, _FROM_TORCH)
    return (
        convert(state, prefix=prefix, layer=layer, **options),
        convert(state, prefix=prefix, layer=layer, reverse=True, **options),
    )


def copy_to_torch(
    module: nn.LSTM | nn.GRU | nn.RNN,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    *,
    layer: int = 0,
    reverse: bool = False,
    bias_to: BiasTo = "ih",
) -> None:
    """Copy Keras's arrays into one layer and direction of an existing torch module, in place.

    Args:
        module: nn.LSTM, nn.GRU or nn.RNN of any number of layers and directions.
        kernel: As the `..._to_torch` function of that kind takes it.
        recurrent_kernel: Likewise.
        bias: Likewise. A module with biases needs one, a module without takes none.
        layer: Number of the layer.
        reverse: Whether it is the layer that goes backwards.
        bias_to: As in `lstm_to_torch`; a GRU has two biases in both.

    Raises:
        ArgumentError: The module has no such layer or direction, or one of the two has a bias and the other has none.
        ShapeError: The arrays do not fit the module; it is unchanged then.
    """
    kinds: dict[type[nn.Module], Cell] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: SIMPLE_RNN}
    where = "copy_to_torch"
    cell = kinds.get(type(module))
    if cell is None:
        raise ArgumentError(f"{where}: expected nn.LSTM, nn.GRU or nn.RNN, got {quote(type(module).__name__)}.")
    made = _to_torch(where, cell, kernel, recurrent_kernel, bias, layer, reverse, bias_to)
    suffix = _suffix(layer, reverse)
    held = {name: value for name, value in module.named_parameters() if name.endswith(suffix)}
    held = {name: value for name, value in held.items() if name.partition("_l")[2] == suffix[2:]}
    if not held:
        raise ArgumentError(
            f"{where}: the module has {counted(module.num_layers, 'layer')} and "
            f"{'two directions' if module.bidirectional else 'one direction'}: it has no weight_ih{suffix}."
        )
    if held.keys() != made.keys():
        raise ArgumentError(
            f"{where}: the module has {', '.join(held)}, the arrays make {', '.join(made)}: "
            "one of the two has a bias (or a projection) and the other has none."
        )
    new = {name: torch.as_tensor(value) for name, value in made.items()}
    wrong = [
        f"{name} is {tuple(held[name].shape)} in the module, the arrays make {tuple(value.shape)}"
        for name, value in new.items()
        if held[name].shape != value.shape
    ]
    if wrong:
        raise ShapeError(f"{where}: {'; '.join(wrong)}.")
    with torch.no_grad():
        for name, value in new.items():
            held[name].copy_(value)


# ------------------------------------------------------------------------------------------------------------- the maps


def _of_kind(where: str, kind: str, table: Mapping[str, Any]) -> Any:
    if kind not in table:
        raise ArgumentError(f"{where}: kind: expected one of {', '.join(table)}, got {quote(kind)}.")
    return table[kind]


def _suffix(layer: int, reverse: bool) -> str:
    if isinstance(layer, bool) or not isinstance(layer, int) or layer < 0:
        raise ArgumentError(f"layer: expected the number of a layer, 0 or more, got {quote(layer)}.")
    return f"_l{layer}_reverse" if reverse else f"_l{layer}"


def _to_torch(
    where: str, cell: Cell, kernel: Any, recurrent: Any, bias: Any, layer: int, reverse: bool, bias_to: str
) -> dict[str, Any]:
    arrays = Arrays(where, kernel=kernel, recurrent_kernel=recurrent, bias=bias)
    wide = f"{cell.count}U"
    arrays.sizes(
        {"bias": RESET_AFTER.format(target="torch")} if cell is GRU else None,
        kernel=("F", wide),
        recurrent_kernel=("U", wide),
        bias=("2", wide) if cell is GRU else (wide,),
    )
    end = _suffix(layer, reverse)
    made = {
        f"weight_ih{end}": apply(cell.matrix("torch"), arrays["kernel"]),
        f"weight_hh{end}": apply(cell.matrix("torch"), arrays["recurrent_kernel"]),
    }
    if "bias" in arrays:
        ordered = apply(cell.order("torch"), arrays["bias"])
        pair = tuple(ordered) if cell is GRU else split(where, ordered, bias_to)
        made |= {f"bias_ih{end}": pair[0], f"bias_hh{end}": pair[1]}
    return {name: arrays.out(value) for name, value in made.items()}


def _from_torch(
    where: str, cell: Cell, state: Mapping[str, Any], prefix: str, layer: int, reverse: bool, sum_biases: bool
) -> Weights:
    end = _suffix(layer, reverse)
    names = {part: f"{prefix}{part}{end}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    missing = [names[part] for part in ("weight_ih", "weight_hh") if names[part] not in state]
    if (names["bias_ih"] in state) != (names["bias_hh"] in state):
        missing += [names[part] for part in ("bias_ih", "bias_hh") if names[part] not in state]
    if missing:
        raise ArgumentError(f"{where}: the state dict has no {', '.join(missing)}; it has {quote(', '.join(state))}.")
    if f"{prefix}weight_hr{end}" in state:
        raise ArgumentError(f"{where}: the module has a projection (proj_size), which Keras does not have.")
    arrays = Arrays(where, **{part: state.get(name) for part, name in names.items()})
    tall = f"{cell.count}U"
    arrays.sizes(weight_ih=(tall, "F"), weight_hh=(tall, "U"), bias_ih=(tall,), bias_hh=(tall,))
    kernel, recurrent = (arrays.out(invert(cell.matrix("torch"), arrays[part])) for part in ("weight_ih", "weight_hh"))
    if "bias_ih" not in arrays:
        return Weights(kernel, recurrent)
    pair = arrays["bias_ih"], arrays["bias_hh"]
    bias = torch.stack(pair) if cell is GRU else join(where, *pair, sum_biases)
    return Weights(kernel, recurrent, arrays.out(invert(cell.order("torch"), bias)))
