"""From recurrent layers and cells to torch's: what their `_to_torch` methods share."""

from __future__ import annotations

from typing import Any

from torch import nn

from ...base.protocol import AnyLayer
from ...base.to_torch import no_module, plain
from .gated_cell import GatedCell
from .recurrent import Recurrent


def recurrent(module_class: type[nn.RNNBase], layer: Recurrent, backwards: bool, **arguments: Any) -> nn.RNNBase:
    """Make nn.LSTM, nn.GRU or nn.RNN of a layer; `backwards`: of the backward layer of a Bidirectional.

    Raises:
        UnsupportedError: torch's module does not compute what the layer computes; every reason is told.
    """
    kernel = layer._fused()
    reasons = [kernel] if isinstance(kernel, str) else []
    if layer.go_backwards and not backwards:
        reasons.append("go_backwards=True: torch's module runs forwards only, make it forwards and give it x.flip(1)")
    if layer.stateful:
        reasons.append("stateful=True: torch's module keeps no state, hand it the state of the batch before")
    reasons += _dropouts(layer)
    if reasons:
        raise no_module(layer, reasons)
    sizes = {"input_size": layer.weight_ih_l0.shape[1], "hidden_size": layer.units, "bias": layer.use_bias}
    return plain(module_class, layer, **sizes, batch_first=True, **arguments)


def cell(module_class: type[nn.RNNCellBase], layer: GatedCell, **arguments: Any) -> nn.RNNCellBase:
    """Make nn.LSTMCell, nn.GRUCell or nn.RNNCell of a cell.

    Raises:
        UnsupportedError: torch's module does not compute what the cell computes; every reason is told.
    """
    kernel = layer._fused()
    reasons = [*([kernel] if isinstance(kernel, str) else []), *_dropouts(layer)]
    if reasons:
        raise no_module(layer, reasons)
    sizes = {"input_size": layer.weight_ih.shape[1], "hidden_size": layer.units, "bias": layer.use_bias}
    return plain(module_class, layer, **sizes, **arguments)


def _dropouts(layer: Any) -> list[str]:
    return [
        f"{name}={rate}: torch's module cannot drop so; set layer.{name} = 0.0 before, if it is for inference only"
        for name in ("dropout", "recurrent_dropout")
        if (rate := getattr(layer, name))
    ]


def bidirectional(layer: AnyLayer, forward: Any, backward: Any) -> nn.RNNBase:
    """Make one bidirectional module of the modules of both directions.

    Raises:
        UnsupportedError: The two are not of one kind.
    """
    same = ("input_size", "hidden_size", "bias", "mode")
    differ = [name for name in same if getattr(forward, name) != getattr(backward, name)]
    if differ:
        raise no_module(layer, [f"torch's two directions are alike, its layers differ in {', '.join(differ)}"])
    arguments: dict[str, Any] = {name: getattr(forward, name) for name in same[:3]}
    if isinstance(forward, nn.RNN):
        arguments["nonlinearity"] = forward.nonlinearity
    tensors = forward.state_dict(keep_vars=True)
    tensors.update({f"{name}_reverse": value for name, value in backward.state_dict(keep_vars=True).items()})
    return plain(type(forward), layer, tensors, **arguments, batch_first=True, bidirectional=True)
