"""ConvLSTM, and RNN around cells: a stack of cells is a stack of modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ... import layers
from .. import helpers
from ..builder import STATES, Builder, Value, refusal, translates
from .activations import as_argument
from .recurrent import (
    CELLS,
    GATED,
    apart,
    filled,
    flat_states,
    has_cell,
    reversed_in_time,
    run,
    show_first,
    state_kind,
    steps_of,
)

_CONV_LSTM = (layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D)


@translates(*_CONV_LSTM)
def _conv_lstm(t: Builder, layer: Any, x: Any, mask: Any = None, initial_state: Any = None) -> Any:
    x, mask, initial_state = apart(layer, x, mask, initial_state)
    return _run_conv_lstm(t, layer, layer.name, x, mask, initial_state)


def _run_conv_lstm(t: Builder, layer: Any, name: str, x: Value, mask: Any, initial: Any) -> Any:
    rates = [rate if 0 < rate < 1 else 0.0 for rate in (layer.dropout, layer.recurrent_dropout)]
    last_axis = not layer._channels_first
    x = x.movedim(-1, 2) if last_axis else x
    x, mask = reversed_in_time(layer, x, mask)
    state: Any = None if initial is None else tuple(part.movedim(-1, 1) if last_axis else part for part in initial)
    if layer.stateful and state is None:
        state = t.state_input(layer, STATES)

    def make() -> nn.Module:
        kind: Any = helpers.DropoutConvLSTM if any(rates) else helpers.ConvLSTM
        window = *map(list, (layer.kernel_size, layer.strides, layer.dilation_rate)), layer.padding == "same"
        functions = [as_argument(layer, part) for part in (layer.activation, layer.recurrent_activation)]
        sizes = layer.weight_ih.shape[1], layer.filters
        with torch.device("meta"):
            module = kind(*(rates if any(rates) else ()), *sizes, *window, *functions, layer.use_bias)
        held = dict(layer.state_dict(keep_vars=True))
        tensors = {"from_input.weight": held["weight_ih"], "from_state.weight": held["weight_hh"]}
        return filled(module, layer, tensors | ({"from_input.bias": held["bias"]} if layer.use_bias else {}))

    options = {} if mask is None else {"mask": mask}
    result = t.module(
        layer, name, make, x, *(() if state is None else (state,)), returns=("out", ("h", "c")), **options
    )
    out, (h, c) = result[0], (result[1][0], result[1][1])
    if layer.stateful:
        t.state_output(layer, STATES, result[1])
    if mask is not None and layer.zero_output_for_mask and not layer.keras2_masks:
        out = out * (mask[(..., *[None] * (x.rank - 2))] if _rank(mask) == 2 else mask[:, :, None])
    elif mask is not None and layer.first_state_shows and state is not None and not layer.zero_output_for_mask:
        out = t.call(helpers.show_first_image, out, mask, state)
    if last_axis:
        out = out.movedim(2, -1)
    out = out if layer.return_sequences else out[:, -1]
    if not layer.return_state:
        return out
    return (out, *(part.movedim(1, -1) if last_axis else part for part in (h, c)))


@translates(layers.RNN)
def _rnn(t: Builder, layer: Any, x: Any, mask: Any = None, initial_state: Any = None) -> Any:
    x, mask, initial_state = apart(layer, x, mask, initial_state)
    return _run_rnn(t, layer, layer.name, x, mask, initial_state)


def _run_rnn(t: Builder, layer: Any, name: str, x: Value, mask: Any, initial: Any) -> Any:
    stacked = isinstance(layer.cell, layers.StackedRNNCells)
    cells = list(layer.cell.cells) if stacked else [layer.cell]
    others = [cell for cell in cells if type(cell) not in CELLS]
    if others:
        raise refusal(layer, f"its cell is {type(others[0]).__name__}, which has no translation")
    x, mask = reversed_in_time(layer, x, mask)
    given = [] if initial is None else _flat(initial)
    wants = layer.return_state or layer.stateful
    finals: list[Any] = []
    state: Any = None
    for index, cell in enumerate(cells):
        count = 2 if has_cell(cell) else 1
        own, given = given[:count], given[count:]
        state = None if not own else tuple(part[None] for part in own) if count == 2 else own[0][None]
        part = f"_{index}" if stacked else ""
        cell_name = f"{name}{part}"
        if layer.stateful and state is None:
            state = t.state_input(layer, state_kind(cell), part)
        x, last = steps_of(t, cell, cell_name, x, mask, state, wants)
        if layer.stateful:
            t.state_output(layer, state_kind(cell), last, part)
        finals += flat_states(cell, cell_name, last) if layer.return_state else []
    if mask is not None and layer.zero_output_for_mask:
        x = x * mask[..., None]
    elif mask is not None and layer.first_state_shows and state is not None:
        x = show_first(t, cells[-1], x, mask, state)
    out = x if layer.return_sequences else x[:, -1]
    return layer._nested((out, *finals)) if layer.return_state else out


def _rank(mask: Any) -> int:
    """The axes of a mask: those of the steps alone, or with those of the places."""
    return mask.rank if "shape" in mask.node.meta else 2


def _flat(states: Any) -> list[Value]:
    if isinstance(states, (list, tuple)):
        return [leaf for part in states for leaf in _flat(part)]
    return [states]


def run_any(t: Builder, layer: Any, name: str, x: Value, mask: Any, initial: Any) -> Any:
    """What any layer over time returns, of modules by this name."""
    if isinstance(layer, _CONV_LSTM):
        return _run_conv_lstm(t, layer, name, x, mask, initial)
    if isinstance(layer, layers.RNN):
        return _run_rnn(t, layer, name, x, mask, initial)
    if not isinstance(layer, GATED):
        raise refusal(layer, "it has no translation inside of another layer")
    return run(t, layer, name, x, mask, initial)
