"""nn.LSTM, nn.GRU, nn.RNN and their cells as layers with the same weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .. import layers
from ..errors import UnsupportedError
from ..models import Sequential
from ._filling import build_like, fill, filled
from ._settings import Settings

RECURRENT: dict[type[nn.Module], Any] = {nn.LSTM: layers.LSTM, nn.GRU: layers.GRU, nn.RNN: layers.SimpleRNN}
CELLS: dict[type[nn.Module], Any] = {
    nn.LSTMCell: layers.LSTMCell,
    nn.GRUCell: layers.GRUCell,
    nn.RNNCell: layers.SimpleRNNCell,
}
_TWO_BIASES = (
    "it has two non-zero biases that are added, Keras has one: pass sum_biases=True to get their sum "
    "(the same outputs, but the two cannot be told apart again)"
)


def _gate_tensors(module: Any, ending: str, own_ending: str, settings: Settings) -> dict[str, Tensor]:
    """The weights of one layer and direction of a module ("_l1_reverse") under a layer's own names ("_l0")."""
    tensors = {kind: getattr(module, kind + ending) for kind in ("weight_ih", "weight_hh")}
    if module.bias:
        tensors["bias_ih"], tensors["bias_hh"] = (getattr(module, kind + ending) for kind in ("bias_ih", "bias_hh"))
        if not isinstance(module, (nn.GRU, nn.GRUCell)):
            tensors["bias_ih"] = _one_bias(tensors["bias_ih"], tensors.pop("bias_hh"), settings)
    return {kind + own_ending: tensor for kind, tensor in tensors.items()}


@torch.no_grad()
def _one_bias(first: Tensor, second: Tensor, settings: Settings) -> Tensor:
    if not second.count_nonzero():
        return first
    if not first.count_nonzero():
        return second
    if not settings.sum_biases:
        raise UnsupportedError(_TWO_BIASES)
    return (first + second).requires_grad_(first.requires_grad or second.requires_grad)


def recurrent(module: nn.RNNBase, settings: Settings) -> layers.Layer:
    """A layer, or a `Sequential` of several with `Dropout` between them."""
    if settings.in_sequential and not module.batch_first:
        raise UnsupportedError(
            "batch_first=False: layers take (batch, time, features); make the module batch_first=True"
        )
    made: list[layers.Layer] = []
    for index, layer in enumerate(recurrent_layers(module, settings)):
        if index and module.dropout:
            made.append(layers.Dropout(module.dropout))
        made.append(layer)
    if len(made) == 1:
        return made[0]
    result = Sequential(made)
    result.build((None, None, module.input_size))
    return result


def recurrent_layers(module: nn.RNNBase, settings: Settings, return_state: bool = False) -> list[layers.Layer]:
    """The layers of a recurrent module, `Bidirectional` where it has two directions, without dropout between them."""
    if module.proj_size:
        raise UnsupportedError(f"proj_size={module.proj_size}: Keras's LSTM has no projection")
    directions = ("", "_reverse") if module.bidirectional else ("",)
    made: list[layers.Layer] = []
    for index in range(module.num_layers):
        inner = index < module.num_layers - 1
        options: dict[str, Any] = {
            "use_bias": module.bias,
            "return_sequences": inner or settings.return_sequences,
            "return_state": return_state,
        }
        if isinstance(module, nn.RNN):
            options["activation"] = module.nonlinearity
        layer = RECURRENT[type(module)](module.hidden_size, **options)
        tensors = [_gate_tensors(module, f"_l{index}{direction}", "_l0", settings) for direction in directions]
        input_shape = (None, None, tensors[0]["weight_ih_l0"].shape[1])
        if module.bidirectional:
            layer = layers.Bidirectional(layer)
            build_like(layer, input_shape, tensors[0])
            for direction, its_tensors in zip((layer.forward_layer, layer.backward_layer), tensors, strict=True):
                fill(direction, its_tensors)
            made.append(layer)
        else:
            made.append(filled(layer, input_shape, tensors[0]))
    return made


def cell(module: Any, settings: Settings) -> layers.Layer:
    """The layer for nn.LSTMCell, nn.GRUCell or nn.RNNCell."""
    if settings.in_sequential:
        raise UnsupportedError("a cell returns its states, so nothing can stand behind it; convert it by itself")
    options = {"activation": module.nonlinearity} if isinstance(module, nn.RNNCell) else {}
    layer = CELLS[type(module)](module.hidden_size, use_bias=module.bias, **options)
    return filled(layer, (None, module.input_size), _gate_tensors(module, "", "", settings))
