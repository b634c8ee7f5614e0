"""What a class without a `get_config` was made with, for its config: plain values, as Keras records them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

_PLAIN = (str, int, float, bool, type(None))
OF_EVERY_LAYER = ("name", "trainable", "dtype")  # what the config of every layer has, and knows better


@dataclass(frozen=True)
class Recorded:
    """The arguments of one constructor call.

    Args:
        arguments: By name, with defaults; None in the place of a layer or a tensor.
        problem: Why no file can have them; empty if it can.
        shareable: Whether a copy in this process can be made of them all the same: functions and the like are shared.
    """

    arguments: Mapping[str, Any]
    problem: str = ""
    shareable: bool = True


def record(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorded | None:
    """What a class is being made with; None if it does not take that, as its constructor is about to say."""
    signature = inspect.signature(cls.__init__)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    found: dict[str, Any] = {}
    for parameter in list(signature.parameters.values())[1:]:
        value = bound.arguments[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(value)
        elif parameter.kind is parameter.POSITIONAL_ONLY or (parameter.kind is parameter.VAR_POSITIONAL and value):
            return Recorded({}, f"it was given {parameter.name} by position alone", shareable=False)
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            found[parameter.name] = value
    found = {name: value for name, value in found.items() if name not in OF_EVERY_LAYER}
    strange = {name: value for name, value in found.items() if not _is_plain(value)}
    listed = ", ".join(f"{name} ({type(value).__name__})" for name, value in strange.items())
    return Recorded(
        {name: _kept(value) for name, value in found.items()},
        f"it was made with what is no plain value: {listed}" if strange else "",
        shareable=not any(isinstance(value, (nn.Module, Tensor)) for value in strange.values()),
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, dict)):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, _PLAIN)


def _kept(value: Any) -> Any:
    """A value as it is now; of modules and tensors nothing, so that a layer does not hold them."""
    if _is_plain(value):
        return copy.deepcopy(value)
    return None if isinstance(value, (nn.Module, Tensor)) else value


def accepted(cls: type, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A config in two: what the constructor of a class takes, and what every layer has and this one does not take."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return dict(config), {}
    names = {parameter.name for parameter in parameters}
    left = {key: value for key, value in config.items() if key in OF_EVERY_LAYER and key not in names}
    return {key: value for key, value in config.items() if key not in left}, left
