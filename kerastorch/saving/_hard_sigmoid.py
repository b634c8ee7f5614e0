"""The two functions called hard_sigmoid: clip(0.2 x + 0.5, 0, 1) until Keras 2, relu6(x + 3) / 6 in Keras 3.

One is the other of 1.2 times the value. So a layer that has the one is written with the other and with weights that
are that much larger or smaller.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import activations
from ..base.layer import Layer
from ..base.variables import own_variables
from ..gates import GRU, LSTM, Cell
from ..layers import Activation, Rescaling
from ..models import Sequential
from ._forms import Entry

_OLD, _NEW = activations.hard_sigmoid_keras2, activations.hard_sigmoid
_WORDS = {_OLD: "clip(0.2 x + 0.5, 0, 1)", _NEW: "relu6(x + 3) / 6"}
_OF = {_OLD: "Keras 2", _NEW: "Keras 3"}

# The argument that acts on a gate's sum and on nothing else. An LSTM's activation acts on its state, too.
_ACTS = {
    LSTM: dict.fromkeys("ifo", "recurrent_activation"),
    GRU: {**dict.fromkeys("zr", "recurrent_activation"), "h": "activation"},
}
# Layers whose weights are in blocks of `units` columns, one for each gate.
_CELLS: Mapping[str, Cell] = {
    **dict.fromkeys(("LSTM", "LSTMCell", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), LSTM),
    **dict.fromkeys(("GRU", "GRUCell"), GRU),
}
# Layers that apply their activation to a sum in which each of these weights is a factor; all weights if not stated.
_LINEAR: Mapping[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("Dense", "EinsumDense", "SimpleRNN", "SimpleRNNCell", "Conv1D", "Conv2D", "Conv3D"), None),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), None),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), None),
    **dict.fromkeys(("LocallyConnected1D", "LocallyConnected2D"), None),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), ("pointwise_kernel", "bias")),
}


def stretched_hard_sigmoid(entry: Entry) -> Layer | None:
    """Keras 3's function in the place of Keras 2's: of 1.2 times the value."""
    return _exchanged(entry, _OLD, _NEW, 1.2)  # clip(0.2 x + 0.5, 0, 1) = clip(1.2 x / 6 + 0.5, 0, 1)


def shrunk_hard_sigmoid(entry: Entry) -> Layer | None:
    """Keras 2's function in the place of Keras 3's: of the 1.2th part of the value."""
    return _exchanged(entry, _NEW, _OLD, 1 / 1.2)


def _exchanged(entry: Entry, meant: Any, there: Any, factor: float) -> Layer | None:
    layer = entry.layer
    keys = [key for key in ("activation", "recurrent_activation") if getattr(layer, key, None) is meant]
    if not keys:
        return None
    size = f"{factor:.4g}"
    if isinstance(layer, Activation):
        entry.texts.append(f"{_WORDS[meant]} is written as hard_sigmoid of {size} x")
        inner = [Rescaling(factor, name=f"{layer.name}_stretch"), Activation(there, name=f"{layer.name}_clip")]
        return Sequential(inner, name=layer.name)
    cell, linear = _CELLS.get(layer._class_name), layer._class_name in _LINEAR
    reached = set(_ACTS[cell].values()) if cell else {"activation"} if linear else set()
    if not set(keys) <= reached:
        raise entry.refuse(
            f"{', '.join(sorted(set(keys) - reached))} is {_WORDS[meant]}, the hard_sigmoid of {_OF[meant]}, which "
            f"{_OF[there]} does not have, and here no weight can be scaled instead."
        )
    new: Any = copy.deepcopy(layer)
    for key in keys:
        setattr(new, key, there)
    names = _LINEAR.get(layer._class_name)
    for variable in own_variables(new):
        if cell is not None:
            blocks = [factor if _ACTS[cell].get(gate) in keys else 1.0 for gate in cell.keras]
            variable.write(_scaled_blocks(variable.value.detach(), blocks))
        elif names is None or variable.name in names:
            variable.write(variable.value.detach() * factor)
    part = "columns of its gates" if cell is not None else "weights"
    regularized = any(getattr(layer, f"{kind}_regularizer", None) for kind in ("kernel", "recurrent", "bias"))
    penalty = "; its regularizers see those" if regularized else ""
    entry.texts.append(
        f"{' and '.join(keys)}: {_WORDS[meant]} is the hard_sigmoid of {_OF[there]} of {size} x, so the {part} are "
        f"{size} times as large{penalty}"
    )
    return new


def _scaled_blocks(value: Tensor, factors: Sequence[float]) -> Tensor:
    blocks = value.chunk(len(factors), dim=-1)
    return torch.cat([block * factor for block, factor in zip(blocks, factors, strict=True)], dim=-1)
