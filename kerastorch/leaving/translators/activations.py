"""Activation functions: which of torch's, or of `helpers`, computes one of ours, and layers that are one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from ... import activations, layers
from ...activations.records import RECORDS, Record
from ...base.layer import Layer
from .. import helpers
from ..builder import Builder, Value, refusal, translates

_RECORDS = {record.function: record for record in RECORDS}


def function_of_record(record: Record) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function of torch, or of `helpers`, that computes an activation, and its arguments."""
    if record.torch is None:
        return getattr(helpers, str(record.helper)), {}
    return record.torch.function, dict(record.torch.options)


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
        return function_of_record(_RECORDS[activation])
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
