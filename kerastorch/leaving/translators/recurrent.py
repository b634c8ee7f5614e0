"""LSTM, GRU, SimpleRNN, their cuDNN forms, and Bidirectional around them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ... import layers
from ...base.input_checks import one_mask
from ...base.to_torch import plain
from ...layers.rnn.kernel_choice import drops
from .. import helpers
from ..builder import STATES, Builder, Value, identifier, translates
from ..inference import STEPS
from .activations import as_argument

CELLS = (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)
GATED = (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.CuDNNLSTM, layers.CuDNNGRU)


def has_cell(layer: Any) -> bool:
    return isinstance(layer, (layers.LSTM, layers.CuDNNLSTM, layers.LSTMCell))


def is_fused(layer: Any) -> bool:
    """Whether torch has a module for the recurrence."""
    return not isinstance(layer._fused(), str)


def drops_gates(layer: Any) -> bool:
    """Whether dropout acts on the gates one by one, or on the state."""
    return drops(layer, layer.recurrent_dropout) or (layer.implementation == 1 and drops(layer, layer.dropout))


def kind_of(layer: Any, looped: bool = False) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class of the module for a recurrence, and its arguments beyond sizes and bias.

    Args:
        layer: The layer or cell.
        looped: Whether it shall be a loop over the steps, if it drops its gates.
    """
    if drops_gates(layer):
        return _dropping(layer, looped)
    if is_fused(layer):
        if has_cell(layer):
            return nn.LSTM, {"batch_first": True}
        if isinstance(layer, (layers.SimpleRNN, layers.SimpleRNNCell)):
            relu = getattr(layer.activation, "__name__", "") == "relu"
            return nn.RNN, {**({"nonlinearity": "relu"} if relu else {}), "batch_first": True}
        return nn.GRU, {"batch_first": True}
    return _looped(layer)


def _looped(layer: Any) -> tuple[type[nn.Module], dict[str, Any]]:
    """The loop over steps for a recurrence that torch has no module for."""
    options = {"activation": as_argument(layer, layer.activation)}
    if isinstance(layer, (layers.SimpleRNN, layers.SimpleRNNCell)):
        return helpers.StepRNN, options
    options["recurrent_activation"] = as_argument(layer, layer.recurrent_activation)
    if has_cell(layer):
        return helpers.StepLSTM, options
    return (helpers.StepGRU if layer.reset_after else helpers.ResetBeforeGRU), options


def _dropping(layer: Any, looped: bool) -> tuple[type[nn.Module], dict[str, Any]]:
    rates = {
        "input_dropout": layer.dropout if drops(layer, layer.dropout) else 0.0,
        "recurrent_dropout": layer.recurrent_dropout if drops(layer, layer.recurrent_dropout) else 0.0,
    }
    if looped or not is_fused(layer):
        kind, options = _looped(layer)
        return next(dropping for dropping, plain_kind in STEPS.items() if plain_kind is kind), rates | options
    if has_cell(layer):
        return helpers.DropoutLSTM, rates
    if not isinstance(layer, (layers.SimpleRNN, layers.SimpleRNNCell)):
        return helpers.DropoutGRU, rates
    relu = getattr(layer.activation, "__name__", "") == "relu"
    return helpers.DropoutRNN, {**rates, **({"nonlinearity": "relu"} if relu else {})}


def _make(layer: Any, looped: bool = False) -> nn.Module:
    kind, options = kind_of(layer, looped)
    # A cell's weights lack the number of the layer in their names.
    held = layer.state_dict(keep_vars=True)
    tensors = {name if name.endswith("_l0") else f"{name}_l0": value for name, value in held.items()}
    sizes = {"input_size": tensors["weight_ih_l0"].shape[1], "hidden_size": layer.units, "bias": layer.use_bias}
    if kind in (nn.LSTM, nn.GRU, nn.RNN):
        return plain(kind, layer, tensors, **sizes, **options)
    with torch.device("meta"):
        module = kind(**sizes, **options)
    return filled(module, layer, tensors)


@torch.no_grad()
def filled(module: nn.Module, layer: Any, tensors: dict[str, Any]) -> nn.Module:
    """A module of `helpers` with copies of a layer's tensors."""
    module = module.to(layer.dtype).to_empty(device=layer._on_device)
    for name, target in module.state_dict(keep_vars=True).items():
        target.copy_(tensors[name])
        target.requires_grad_(tensors[name].requires_grad)
    return module


@translates(*GATED)
def _recurrent(t: Builder, layer: Any, x: Any, mask: Any = None, initial_state: Any = None) -> Any:
    return run(t, layer, layer.name, *apart(layer, x, mask, initial_state))


def apart(layer: Any, x: Any, mask: Any, initial_state: Any) -> tuple[Value, Any, Any]:
    """The input, its mask, and the states that may stand behind the input."""
    if isinstance(x, (list, tuple)):
        x, initial_state = x[0], list(x[1:]) or initial_state
        mask = one_mask(layer, mask)
    return x, mask, initial_state


def run(t: Builder, layer: Any, name: str, x: Value, mask: Any, initial: Any) -> Any:
    """What a recurrent layer returns, of a module by this name."""
    x, mask = reversed_in_time(layer, t.cast(layer, x), mask)
    state = _as_state(t, layer, initial) if initial is not None else None
    if layer.stateful and state is None:
        state = t.state_input(layer, state_kind(layer))
    shown = mask is not None and layer.first_state_shows and state is not None
    at_end = not (layer.return_sequences or shown or (mask is not None and layer.zero_output_for_mask))
    out, last = steps_of(t, layer, name, x, mask, state, layer.return_state or layer.stateful, at_end)
    if layer.stateful:
        t.state_output(layer, state_kind(layer), last)
    if mask is not None and layer.zero_output_for_mask:
        out = out * mask[..., None]
    elif shown:
        out = show_first(t, layer, out, mask, state)
    result = out if layer.return_sequences or at_end else out[:, -1]
    if not layer.return_state:
        return result
    return (result, *flat_states(layer, name, last))


def state_kind(layer: Any) -> Any:
    """The type of the state that torch's module takes and returns."""
    return STATES if has_cell(layer) else torch.Tensor


def show_first(t: Builder, layer: Any, out: Value, mask: Any, state: Any) -> Value:
    """Outputs with the first state in the place of those before the first used step."""
    return t.call(helpers.show_first_output if has_cell(layer) else helpers.show_first_state, out, mask, state)


def flat_states(layer: Any, name: str, last: Any) -> list[Value]:
    """The states `(B, U)` of what torch's module returns."""
    states = [last[0][0], last[1][0]] if has_cell(layer) else [last[0]]
    for state, letter in zip(states, "hc", strict=False):
        state.node.meta["label"] = f"{identifier(name)}_{letter}"
    return states


def reversed_in_time(layer: Any, x: Value, mask: Any) -> tuple[Value, Any]:
    """Input and mask in the order in which a layer goes through them."""
    if not layer.go_backwards:
        return x, mask
    if mask is not None:
        mask = mask.flip(1)
        mask.node.meta["label"] = "reversed_mask"
    made = x.flip(1)
    made.node.meta.update({key: x.node.meta[key] for key in ("dtype",) if key in x.node.meta})
    return made, mask


def _as_state(t: Builder, layer: Any, initial: Any) -> Any:
    """States `(B, U)` as torch's module takes them."""
    parts = [_with_layer_axis(part) for part in (initial if isinstance(initial, (list, tuple)) else [initial])]
    return tuple(parts) if has_cell(layer) else parts[0]


def _with_layer_axis(state: Value) -> Value:
    """A state `(B, U)` as `(1, B, U)`; one that comes from another module as that has returned it."""
    node = state.node
    taken = node.op == "call_function" and node.target is operator.getitem and node.args[1] == 0
    whole = node.args[0] if taken else None
    if whole is not None and whole.op == "call_function" and whole.target is operator.getitem:
        owner = whole.args[0]
        if owner.meta.get("returns", ("",))[whole.args[1]] in ("h", "c"):
            return type(state)(whole, state.tracer)
    return state[None]


def steps_of(
    t: Builder, layer: Any, name: str, x: Value, mask: Any, state: Any, wants_state: bool, at_end: bool = False
) -> tuple[Value, Any]:
    """The outputs of a gated layer or cell, and the state behind them, if it is wanted.

    Args:
        t: The builder.
        layer: The layer or cell.
        name: Of the module.
        x: `(B, T, F)`.
        mask: Of the steps, or None.
        state: The first state as torch's module takes it, or None.
        wants_state: Whether the state is wanted.
        at_end: Whether the last output is wanted alone.
    """
    if drops(layer, layer.dropout) and not drops_gates(layer):
        x = t.module((layer, "dropout"), f"{name}_dropout", lambda: helpers.SharedDropout(layer.dropout), x)
    # Packed sequences, which bring the state of an LSTM, are nothing for the loops that drop gates.
    looped = mask is not None and wants_state and drops_gates(layer)
    make: Callable[[], nn.Module] = lambda: _make(layer, looped)  # noqa: E731
    if looped:
        t.exchange(layer, helpers.DroppedGates, make)
    returns = ("out", ("h", "c") if has_cell(layer) else "h")
    given = () if state is None else (state,)
    if mask is None or looped or not is_fused(layer):
        options = {} if mask is None else {"mask": mask}
        result = t.module(layer, name, make, x, *given, returns=returns, **options)
        return result[0][:, -1] if at_end else result[0], result[1]
    moved = t.call(helpers.pack_used if wants_state else helpers.used_first, x, mask)
    result = t.module(layer, name, make, moved, *given, returns=returns)
    out, last = result[0], None
    if wants_state:
        behind: Any = helpers.states_behind if has_cell(layer) else helpers.state_behind
        last = t.call(behind, result[1], mask, *given, returns=returns[1] if has_cell(layer) else None)
        out = t.call(helpers.unpack, out, mask)
    return t.call(helpers.last_used if at_end else helpers.back_in_place, out, mask), last
