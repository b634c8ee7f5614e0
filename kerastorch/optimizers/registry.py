"""Optimizers by their names and configs: `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from .. import registered
from .._serial import Table
from . import adam, legacy, rules, whole
from .optimizer import Optimizer

# Names of Keras that are not here, and what to use.
ABSENT = {
    **dict.fromkeys(
        ("MultiOptimizer", "OptimizerMap"),
        "for several rates give groups: build([{'params': [...], 'lr': 0.1}, ...]); for several rules apply one "
        "optimizer after the other in a train_step of your own.",
    ),
}
_RULES = (
    *(rules.SGD, rules.RMSprop, rules.Adagrad, rules.Adadelta, rules.Ftrl, rules.Lion),
    *(adam.Adam, adam.AdamW, adam.Adamax, adam.Nadam, adam.ScheduleFreeAdamW),
    *(whole.Adafactor, whole.Lamb, whole.Muon),
)


def _spelt(names: Mapping[str, Any]) -> dict[str, Any]:
    """Keras takes a name in any case: each under its own and in small letters."""
    return {spelling: value for name, value in names.items() for spelling in (name, name.lower())}


_ENTRIES = _spelt({cls.__name__: cls for cls in _RULES})
_TABLE: Table[Optimizer] = Table(
    "optimizer",
    _ENTRIES,
    (Optimizer,),
    refused=_spelt({name: text.rstrip(".") for name, text in ABSENT.items()}),
)
_LEGACY: Table[Optimizer] = Table(
    "legacy optimizer",
    _spelt({name: getattr(legacy, name) for name in legacy.__all__}),
    (Optimizer,),
    module="keras.optimizers.legacy",
)


def include(cls: type[Optimizer]) -> None:
    """Put a class of this package into the table: one that looks others up, so that the table cannot import it."""
    _ENTRIES.update(_spelt({cls.__name__: cls}))


def get(identifier: Any) -> Any:
    """The optimizer that a name, a config or a class stands for; one that is made already is returned as it is.

    Args:
        identifier: A name such as "adam", a config `{"class_name": ..., "config": {...}}` (with a module that ends in
            `.legacy` the old rules are meant), a class, or an optimizer, torch's too.

    Raises:
        ArgumentError: There is no such optimizer.
        UnsupportedError: Keras has it and kerastorch does not.
    """
    if isinstance(identifier, torch.optim.Optimizer):
        return identifier
    if isinstance(identifier, str) and identifier not in registered.known():
        identifier = identifier.lower()
    old = isinstance(identifier, Mapping) and str(identifier.get("module") or "").endswith(".legacy")
    return (_LEGACY if old else _TABLE).get(identifier)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The optimizer as a config, without its state.

    Raises:
        UnsupportedError: It is none of Keras's, and not registered.
    """
    return (_LEGACY if _LEGACY.has(optimizer) else _TABLE).serialize(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer that a config describes: `get`, with names of one's own.

    Args:
        config: See `get`.
        custom_objects: The classes of one's own optimizers, by name.
    """
    with registered.custom_object_scope(custom_objects):
        return get(config)
