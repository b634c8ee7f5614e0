"""Keras's weight constraints: called on a tensor in Keras layout, they return the allowed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ._serial import Configured, Table, classes

_EPSILON = 1e-7


class Constraint(Configured):
    """Base of the built-in constraints."""

    def __call__(self, w: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Negative weights become 0."""

    def __call__(self, w: Tensor) -> Tensor:
        return w.clamp(min=0)


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """The norm over `axis` (0: the incoming weights of each unit of a `Dense`) is at most `max_value`."""

    max_value: float = 2
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        self._number("max_value", least=0)
        self._axes("axis")

    def __call__(self, w: Tensor) -> Tensor:
        norms = _norms(w, self.axis)
        return w * (norms.clamp(0, self.max_value) / (_EPSILON + norms))


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """The norm over `axis` is 1."""

    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        self._axes("axis")

    def __call__(self, w: Tensor) -> Tensor:
        return w / (_EPSILON + _norms(w, self.axis))


@dataclass(frozen=True)
class MinMaxNorm(Constraint):
    """The norm over `axis` moves by `rate` (1: all the way) into `min_value` to `max_value`."""

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        for name in ("min_value", "max_value", "rate"):
            self._number(name, least=0)
        self._axes("axis")

    def __call__(self, w: Tensor) -> Tensor:
        norms = _norms(w, self.axis)
        desired = self.rate * norms.clamp(self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (_EPSILON + norms))


def _norms(w: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    return w.square().sum(axis, keepdim=True).sqrt()


max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

TABLE: Table[Callable[[Tensor], Tensor]] = Table(
    "constraint",
    classes(MaxNorm, MinMaxNorm, NonNeg, UnitNorm),
    base=(Constraint,),
    refused=dict.fromkeys(
        ("RadialConstraint", "radial_constraint"),
        "Keras 3 has dropped it; give a function of your own",
    ),
)


def get(identifier: Any) -> Callable[[Tensor], Tensor] | None:
    """Return a constraint.

    Args:
        identifier: A Keras name ("max_norm"), a config dict, a constraint, or None for none; or any function from a
            tensor to a tensor of the same shape, which is returned as it is.
    """
    return None if identifier is None else TABLE.get(identifier)


def serialize(constraint: Callable[[Tensor], Tensor] | None) -> dict[str, Any] | None:
    """Return the Keras 3 config of a built-in constraint."""
    return TABLE.serialize(constraint)
