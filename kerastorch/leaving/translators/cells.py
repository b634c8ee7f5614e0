"""Cells that stand in a graph by themselves: one step."""

from __future__ import annotations

from typing import Any

from torch import nn

from ... import layers
from ...base.to_torch import plain
from ...layers.rnn.kernel_choice import drops
from ..builder import Builder, Value, refusal, translates
from .recurrent import CELLS, flat_states, has_cell, is_fused, steps_of


@translates(*CELLS)
def _cell(t: Builder, layer: Any, x: Value, states: Any = None) -> Any:
    parts = None if states is None else list(states) if isinstance(states, (list, tuple)) else [states]
    out, new = step(t, layer, layer.name, x, parts)
    return out, new if isinstance(states, (list, tuple)) or states is None else new[0]


def step(t: Builder, layer: Any, name: str, x: Value, states: list[Value] | None) -> tuple[Value, list[Value]]:
    """The output of one step and the new states, `(B, U)` each."""
    if drops(layer, layer.dropout) or drops(layer, layer.recurrent_dropout):
        raise refusal(layer, "dropout in a cell outside of RNN has no translation: its mask stays until it is reset")
    if not is_fused(layer):
        given = None if states is None else tuple(part[None] for part in states)
        state = given if given is None or has_cell(layer) else given[0]
        out, last = steps_of(t, layer, name, x[:, None], None, state, True)
        return out[:, 0], flat_states(layer, name, last)

    def make() -> nn.Module:
        kind: type[nn.Module] = nn.LSTMCell if has_cell(layer) else nn.GRUCell
        options: dict[str, Any] = {}
        if isinstance(layer, layers.SimpleRNNCell):
            kind, options = nn.RNNCell, {"nonlinearity": getattr(layer.activation, "__name__", "tanh")}
        sizes = {"input_size": layer.weight_ih.shape[1], "hidden_size": layer.units, "bias": layer.use_bias}
        return plain(kind, layer, **sizes, **options)

    if not has_cell(layer):
        new = t.module(layer, name, make, x, *(states or []))
        return new, [new]
    result = t.module(layer, name, make, x, *([] if states is None else [tuple(states)]), returns=("out", "c"))
    return result[0], [result[0], result[1]]


@translates(layers.StackedRNNCells)
def _stacked(t: Builder, layer: Any, x: Value, states: Any = None) -> Any:
    others = [cell for cell in layer.cells if type(cell) not in CELLS]
    if others:
        raise refusal(layer, f"its cell is {type(others[0]).__name__}, which has no translation")
    left = None if states is None else _flat(states)
    new: list[Any] = []
    for index, cell in enumerate(layer.cells):
        count = 2 if has_cell(cell) else 1
        own, left = (None, None) if left is None else (left[:count], left[count:])
        x, made = step(t, cell, f"{layer.name}_{index}", x, own)
        new.append(made if count == 2 else made[0])
    return x, new


def _flat(states: Any) -> list[Value]:
    if isinstance(states, (list, tuple)):
        return [leaf for part in states for leaf in _flat(part)]
    return [states]
