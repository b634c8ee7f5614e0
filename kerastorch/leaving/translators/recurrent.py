"""LSTM, GRU, SimpleRNN, their cuDNN forms, and Bidirectional around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ... import layers
from ...base.to_torch import plain
from ...layers.rnn.kernel_choice import drops
from .. import helpers
from ..building import Builder, Value, refusal, translates
from .activations import as_argument

GATED = (layers.LSTM, layers.GRU, layers.SimpleRNN, layers.CuDNNLSTM, layers.CuDNNGRU)


def has_cell(layer: Any) -> bool:
    return isinstance(layer, (layers.LSTM, layers.CuDNNLSTM))


def is_fused(layer: Any) -> bool:
    """Whether torch has a module for the recurrence."""
    per_gate = layer.implementation == 1 and drops(layer, layer.dropout)
    return not isinstance(layer._fused(), str) and not per_gate and not drops(layer, layer.recurrent_dropout)


def kind_of(layer: Any) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class of the module for a recurrence, and its arguments beyond sizes and bias."""
    if is_fused(layer):
        if has_cell(layer):
            return nn.LSTM, {"batch_first": True}
        if isinstance(layer, layers.SimpleRNN):
            relu = getattr(layer.activation, "__name__", "") == "relu"
            return nn.RNN, {**({"nonlinearity": "relu"} if relu else {}), "batch_first": True}
        return nn.GRU, {"batch_first": True}
    if drops(layer, layer.recurrent_dropout) or (layer.implementation == 1 and drops(layer, layer.dropout)):
        raise refusal(layer, "recurrent_dropout, and dropout of each gate by itself, have no translation")
    options = {"activation": as_argument(layer, layer.activation)}
    if isinstance(layer, layers.SimpleRNN):
        return helpers.StepRNN, options
    options["recurrent_activation"] = as_argument(layer, layer.recurrent_activation)
    if has_cell(layer):
        return helpers.StepLSTM, options
    return (helpers.StepGRU if layer.reset_after else helpers.ResetBeforeGRU), options


def _make(layer: Any) -> nn.Module:
    kind, options = kind_of(layer)
    sizes = {"input_size": layer.weight_ih_l0.shape[1], "hidden_size": layer.units, "bias": layer.use_bias}
    if issubclass(kind, nn.RNNBase):
        return plain(kind, layer, **sizes, **options)
    with torch.device("meta"):
        module = kind(**sizes, **options)
    return filled(module, layer, dict(layer.state_dict(keep_vars=True)))


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
    if isinstance(x, (list, tuple)):
        x, initial_state = x[0], list(x[1:]) or initial_state
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
    return run(t, layer, layer.name, x, mask, initial_state)


def run(t: Builder, layer: Any, name: str, x: Value, mask: Any, initial: Any) -> Any:
    """What a recurrent layer returns, of a module by this name."""
    if layer.go_backwards:
        x = x.flip(1)
        if mask is not None:
            mask = mask.flip(1)
            mask.node.meta["label"] = "reversed_mask"
    state = _as_state(t, layer, initial) if initial is not None else None
    if layer.stateful:
        if state is not None:
            raise refusal(layer, "stateful=True with an initial_state has no translation")
        state = t.state_input(layer)
    out, last = _steps(t, layer, name, x, mask, state)
    if layer.stateful:
        t.state_output(layer, last)
    if mask is not None and layer.zero_output_for_mask:
        out = out * mask[..., None]
    result = out if layer.return_sequences else out[:, -1]
    if not layer.return_state:
        return result
    return (result, last[0][0], last[1][0]) if has_cell(layer) else (result, last[0])


def _as_state(t: Builder, layer: Any, initial: Any) -> Any:
    """States `(B, U)` as torch's module takes them."""
    parts = [part[None] for part in (initial if isinstance(initial, (list, tuple)) else [initial])]
    return tuple(parts) if has_cell(layer) else parts[0]


def _steps(t: Builder, layer: Any, name: str, x: Value, mask: Any, state: Any) -> tuple[Value, Any]:
    if drops(layer, layer.dropout):
        x = t.module((layer, "dropout"), f"{name}_dropout", lambda: helpers.SharedDropout(layer.dropout), x)
    make: Callable[[], nn.Module] = lambda: _make(layer)  # noqa: E731
    returns = ("out", ("h", "c") if has_cell(layer) else "h")
    given = () if state is None else (state,)
    if mask is None or not is_fused(layer):
        options = {} if mask is None else {"mask": mask}
        result = t.module(layer, name, make, x, *given, returns=returns, **options)
        return result[0], result[1]
    module = t.attribute(layer, name, make)
    if layer.return_state or layer.stateful:
        result = t.call(helpers.run_masked_with_state, module, x, mask, *given, returns=returns)
        return result[0], result[1]
    return t.call(helpers.run_masked, module, x, mask, *given), None
