"""Training or not, and choices between tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..base.graph import SymbolicTensor
from ..base.training_mode import phases
from ..errors import ArgumentError, quote
from ..ops.computed import tensor

__all__ = ["in_test_phase", "in_train_phase", "learning_phase", "learning_phase_scope", "set_learning_phase", "switch"]

_phase: list[int] = [0]


def learning_phase() -> int:
    """1 where the layer whose `call` runs is in training, else 0; outside of layers what `set_learning_phase` said."""
    return int(phases[-1]) if phases else _phase[-1]


def set_learning_phase(value: Any) -> None:
    """Say what `learning_phase()` is outside of layers; those know their own mode (`model.train()`).

    Args:
        value: 0 or 1.
    """
    if value not in (0, 1):
        raise ArgumentError(f"set_learning_phase: expected 0 or 1, got {quote(value)}.")
    _phase[-1] = int(value)


@contextmanager
def learning_phase_scope(value: Any) -> Iterator[None]:
    """`set_learning_phase` for a while."""
    before = _phase[-1]
    set_learning_phase(value)
    try:
        yield
    finally:
        _phase[-1] = before


def _value(thing: Any) -> Any:
    return thing() if callable(thing) and not isinstance(thing, torch.Tensor) else thing


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """x in training, else alt; either may be a function without arguments.

    Args:
        x: What is meant in training.
        alt: What is meant else.
        training: Which it is; the mode of the layer whose `call` runs, if None.
    """
    chosen = learning_phase() if training is None else training
    if isinstance(chosen, torch.Tensor):
        return switch(chosen, x, alt)
    return _value(x) if chosen else _value(alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """alt in training, else x; see `in_train_phase`."""
    return in_train_phase(alt, x, training)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two tensors by a condition: of one value, or value by value.

    Args:
        condition: A tensor; with fewer axes than the others it counts for whole parts of them.
        then_expression: A tensor, or a function without arguments.
        else_expression: The same.

    Raises:
        ArgumentError: The condition has more axes than the tensors.
    """
    from .. import ops

    chosen = condition if isinstance(condition, SymbolicTensor) else tensor(condition)
    if not chosen.shape and not isinstance(chosen, SymbolicTensor):
        return ops.cond(chosen, lambda: _value(then_expression), lambda: _value(else_expression))
    yes, no = _value(then_expression), _value(else_expression)
    missing = len(yes.shape) - len(chosen.shape)
    if missing < 0:
        raise ArgumentError(
            f"switch: the condition has shape {tuple(chosen.shape)}, more axes than what it chooses, "
            f"{tuple(yes.shape)}."
        )
    for _ in range(missing if len(chosen.shape) > 1 else 0):
        chosen = ops.expand_dims(chosen, -1)
    return ops.where(ops.cast(chosen, "bool"), yes, no)
