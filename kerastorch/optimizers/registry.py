"""Optimizers by their names and configs: `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..errors import ArgumentError, UnsupportedError, closest, quote
from . import adam, legacy, rules
from .optimizer import Optimizer

_CLASSES: dict[str, type[Optimizer]] = {
    cls.__name__: cls
    for cls in (
        rules.SGD,
        rules.RMSprop,
        adam.Adam,
        adam.AdamW,
        adam.Adamax,
        adam.Nadam,
        rules.Adagrad,
        rules.Adadelta,
        rules.Ftrl,
        rules.Lion,
    )
}
_BY_NAME = {name.lower(): cls for name, cls in _CLASSES.items()}
_ABSENT = ("Lamb", "Adafactor", "Muon", "ScheduleFreeAdamW", "LossScaleOptimizer", "MultiOptimizer")


def get(identifier: Any) -> torch.optim.Optimizer:
    """The optimizer that a name, a config or a class stands for; one that is made already is returned as it is.

    Args:
        identifier: A name such as "adam", a config `{"class_name": ..., "config": {...}}`, a class, or an optimizer,
            torch's too.

    Raises:
        ArgumentError: There is no such name.
        UnsupportedError: Keras has it and kerastorch does not.
    """
    if isinstance(identifier, torch.optim.Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return identifier()
    if isinstance(identifier, str):
        return _class_of(identifier)()
    raise ArgumentError(
        f"{quote(identifier)} is no optimizer: expected a name such as 'adam', a config or an optimizer."
    )


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The optimizer as a config, without its state."""
    old = isinstance(optimizer, tuple(getattr(legacy, name) for name in legacy.__all__))
    return {
        "module": "keras.optimizers.legacy" if old else "keras.optimizers",
        "class_name": type(optimizer).__name__,
        "config": optimizer.get_config(),
        "registered_name": None,
    }


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a config describes.

    Args:
        config: `{"class_name": ..., "config": {...}}`. A module that ends in `.legacy` means the old rules.
        custom_objects: The classes of one's own optimizers, by name.
    """
    name, inner = config.get("class_name"), config.get("config") or {}
    if not isinstance(name, str) or not isinstance(inner, Mapping):
        raise ArgumentError(f"{quote(dict(config))} is no config of an optimizer: expected class_name and config.")
    if custom_objects and name in custom_objects:
        return custom_objects[name].from_config(dict(inner))
    if str(config.get("module") or "").endswith(".legacy") and name in legacy.__all__:
        return getattr(legacy, name).from_config(inner)
    return _class_of(name).from_config(inner)


def _class_of(name: str) -> type[Optimizer]:
    found = _BY_NAME.get(name.lower())
    if found is not None:
        return found
    known = ", ".join(sorted(_CLASSES))
    if name.lower() in map(str.lower, _ABSENT):
        raise UnsupportedError(f"The optimizer {quote(name)} is not supported; there are {known}, and torch.optim.")
    close = closest(name, _BY_NAME)
    hint = f"did you mean {close!r}?" if close else f"known: {known}."
    raise ArgumentError(f"Unknown optimizer {quote(name)}; {hint}")
