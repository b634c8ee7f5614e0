"""Activation functions: which of torch's, or of `helpers`, computes one of ours, and layers that are one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from ... import activations, layers
from ...base.layer import Layer
from .. import helpers
from ..builder import Builder, Value, refusal, translates

# Ours -> torch's, or that of `helpers`, with the arguments that make them the same. Other values of ours in torch's own
# function of that name: a kink's derivative, or the rounding in float64.
_FUNCTIONS: dict[Callable[..., Any], tuple[Callable[..., Any], dict[str, Any]]] = {
    activations.relu: (torch.relu, {}),
    activations.relu6: (F.relu6, {}),
    activations.leaky_relu: (F.leaky_relu, {"negative_slope": 0.2}),
    activations.elu: (F.elu, {}),
    activations.celu: (F.celu, {}),
    activations.selu: (helpers.selu, {}),
    activations.gelu: (F.gelu, {}),
    activations.sigmoid: (torch.sigmoid, {}),
    activations.log_sigmoid: (F.logsigmoid, {}),
    activations.hard_sigmoid: (helpers.hard_sigmoid, {}),
    activations.hard_sigmoid_keras2: (helpers.hard_sigmoid_fifth, {}),
    activations.silu: (F.silu, {}),
    activations.hard_silu: (helpers.hard_silu, {}),
    activations.tanh: (torch.tanh, {}),
    activations.tanh_shrink: (F.tanhshrink, {}),
    activations.hard_tanh: (F.hardtanh, {}),
    activations.hard_shrink: (helpers.hard_shrink, {}),
    activations.soft_shrink: (helpers.soft_shrink, {}),
    activations.squareplus: (helpers.squareplus, {}),
    activations.softsign: (F.softsign, {}),
    activations.softplus: (F.softplus, {"threshold": 40.0}),
    activations.exponential: (torch.exp, {}),
    activations.mish: (F.mish, {}),
    activations.glu: (F.glu, {}),
    activations.sparse_plus: (helpers.sparse_plus, {}),
    activations.sparse_sigmoid: (helpers.sparse_sigmoid, {}),
    activations.sparsemax: (helpers.sparsemax, {}),
    activations.softmax: (torch.softmax, {"dim": -1}),
    activations.log_softmax: (torch.log_softmax, {"dim": -1}),
}


def function_of(layer: Layer, activation: Any) -> tuple[Callable[..., Any], dict[str, Any]] | None:
    """A function of torch or of `helpers`, and its arguments; None for no activation.

    Raises:
        UnsupportedError: There is none.
    """
    if activation is activations.linear:
        return None
    if isinstance(activation, activations.ReLU):
        return _relu(activation.negative_slope, activation.max_value, activation.threshold)
    if isinstance(activation, activations.LeakyReLU):
        return F.leaky_relu, {"negative_slope": activation.negative_slope}
    if isinstance(activation, activations.ELU):
        return F.elu, {"alpha": activation.alpha}
    if isinstance(activation, activations.Softmax):
        axis = activation.axis
        if isinstance(axis, int) or len(axis) == 1:
            return torch.softmax, {"dim": axis if isinstance(axis, int) else axis[0]}
    try:
        return _FUNCTIONS[activation]
    except (KeyError, TypeError):
        name = getattr(activation, "__name__", repr(activation))
        raise refusal(layer, f"torch has no function for the activation {name}") from None


def _relu(slope: float, most: float | None, threshold: float) -> tuple[Callable[..., Any], dict[str, Any]]:
    if threshold == 0 and most is None:
        return (F.leaky_relu, {"negative_slope": slope}) if slope else (torch.relu, {})
    if threshold == 0 and most == 6 and not slope:
        return F.relu6, {}
    given = {"negative_slope": slope, "max_value": most, "threshold": threshold}
    return helpers.relu_between, {key: value for key, value in given.items() if value not in (0, None)}


def as_argument(layer: Layer, activation: Any) -> Callable[..., Any]:
    """An activation as a function of one tensor, for a module to keep."""
    found = function_of(layer, activation)
    if found is None:
        return helpers.identity
    function, options = found
    return functools.partial(function, **options) if options else function


def activate(t: Builder, layer: Layer, activation: Any, x: Value) -> Value:
    """The activation of a value."""
    found = function_of(layer, activation)
    return x if found is None else t.call(found[0], x, **found[1])


@translates(layers.Activation)
def _activation(t: Builder, layer: Any, x: Value) -> Value:
    return activate(t, layer, layer.activation, x)


@translates(layers.ReLU, layers.LeakyReLU, layers.ELU)
def _layer_function(t: Builder, layer: Any, x: Value) -> Value:
    return activate(t, layer, layer._as_activation(), x)
