"""A call of a file, fitted to what the caller gave for the layer: as it stands there, as one list, or by position."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ..base.graph import SymbolicTensor
from ..base.layer import Layer
from ..errors import UnsupportedError, counted, quote
from ..layers.core.wrapped import FunctionOrModule
from ..structure import leaves

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_OF_THE_LAYER = ("mask", "training")  # the layer hands them on by itself


def fitted(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], first: str) -> Arguments:
    """The arguments for `layer`, which stands for one of the file that was called with these.

    A file names the arguments of a class that nobody has here: tf.keras writes `layer(labels, y_pred)` as
    `layer(labels, y_pred=y_pred)`. What was given takes the tensors

    - as they stand in the file, if it has arguments for them,
    - else in one list, if it has one argument: every recipe does,
    - else one after the other, in the order of the file.

    Args:
        layer: What stands for the layer of the file.
        args: The arguments that the file gives by position.
        kwargs: Those that it gives by name.
        first: The name that it gives to the first of `args`; "" if none.

    Raises:
        UnsupportedError: It takes them in none of these ways.
    """
    if len(args) == 1 and not kwargs:
        return args, kwargs
    signature = _signature(layer)
    if signature is None:  # by position is the only way
        tensors = [value for value in kwargs.values() if _has_tensor(value)]
        return (*args, *tensors), {key: value for key, value in kwargs.items() if not _has_tensor(value)}
    own = {key: kwargs[key] for key in _OF_THE_LAYER if key in kwargs}
    named = {key: value for key, value in kwargs.items() if key not in own}
    if first and _takes(signature, (), {first: args[0], **named}):
        bound = signature.bind(**{first: args[0], **named})
        return bound.args, {**bound.kwargs, **own}
    if _takes(signature, args, named):
        return args, kwargs
    options = {key: value for key, value in named.items() if not _has_tensor(value)}
    tensors = [*args, *(value for key, value in named.items() if key not in options)]
    one_by_one, as_list = tuple(tensors), (tensors,)
    any_number = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in signature.parameters.values())
    for way in (one_by_one,) if any_number or len(tensors) == 1 else (as_list, one_by_one):
        if _takes(signature, way, options):
            return way, {**options, **own}
    names = [*([first] if first else []), *named]
    shown = ", ".join([*([] if first else ["a tensor"] * len(args)), *(f"{name}=..." for name in names)])
    raise UnsupportedError(
        f"the file calls layer {quote(layer.name)} with ({shown}), which "
        f"{quote(_name_of(layer))}{_shown(signature)} does not take: "
        f"give something that takes {_wanted(len(tensors), options)}."
    )


def _has_tensor(value: Any) -> bool:
    """Whether a symbolic tensor stands in an argument, or a constant one."""
    return any(isinstance(leaf, (SymbolicTensor, Tensor)) for leaf in leaves(value))


def _signature(layer: Layer) -> inspect.Signature | None:
    """The arguments that are left to a file; None where nothing tells them (`torch.relu`)."""
    if isinstance(layer, FunctionOrModule):
        signature = layer.signature
    else:
        signature = inspect.signature(getattr(layer, "call", layer.forward))
    if signature is None:
        return None
    kept = [parameter for name, parameter in signature.parameters.items() if name not in _OF_THE_LAYER]
    return signature.replace(parameters=kept, return_annotation=inspect.Signature.empty)


def _takes(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call has a place for each argument, and no tensor where a number or a text is expected."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return False
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    return not any(
        isinstance(defaults[name], (bool, int, float, str)) and _has_tensor(value)
        for name, value in bound.arguments.items()
    )


def _name_of(layer: Layer) -> str:
    thing = layer.wrapped if isinstance(layer, FunctionOrModule) else layer
    return getattr(thing, "__name__", type(thing).__name__)


def _shown(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"


def _wanted(count: int, options: Mapping[str, Any]) -> str:
    behind = f", and {', '.join(options)}" if options else ""
    several = counted(count, "tensor")
    return f"one list of {several}, or {several}{behind}" if count > 1 else f"one tensor{behind}"
