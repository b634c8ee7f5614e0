"""Keras's weight constraints: called on a tensor in Keras layout, they return the allowed one.

`attach(optimizer, model)` makes a torch optimizer apply them after each step, as Keras's optimizers do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from ._serial import Configured, Table, classes
from .arrays import tensor_of
from .errors import ArgumentError
from .namespaces import Namespace

_EPSILON = 1e-7


class Constraint(Configured):
    """Base of the constraints; itself it leaves weights as they are. A subclass defines `__call__`."""

    def __call__(self, w: Any) -> Tensor:
        """The allowed weight for a weight: a tensor, a variable such as `dense.kernel`, or an array, of any shape."""
        return self._of(tensor_of(w))

    def _of(self, w: Tensor) -> Tensor:
        return w


@dataclass(frozen=True)
class NonNeg(Constraint):
    """Negative weights become 0."""

    def _of(self, w: Tensor) -> Tensor:
        return w.clamp(min=0)


@dataclass(frozen=True)
class MaxNorm(Constraint):
    """The norm over `axis` (0: the incoming weights of each unit of a `Dense`) is at most `max_value`."""

    max_value: float = 2
    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        self._number("max_value", least=0)
        self._axes("axis")

    def _of(self, w: Tensor) -> Tensor:
        norms = _norms(w, self.axis)
        return w * (norms.clamp(0, self.max_value) / (_EPSILON + norms))


@dataclass(frozen=True)
class UnitNorm(Constraint):
    """The norm over `axis` is 1."""

    axis: int | tuple[int, ...] = 0

    def __post_init__(self) -> None:
        self._axes("axis")

    def _of(self, w: Tensor) -> Tensor:
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

    def _of(self, w: Tensor) -> Tensor:
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


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[[Tensor], Tensor] | None:
    """Return a constraint from its config, as `keras.constraints.deserialize`.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Classes and functions of your own by their names.
    """
    return TABLE.deserialize(config, custom_objects)


def serialize(constraint: Callable[[Tensor], Tensor] | None) -> dict[str, Any] | None:
    """Return the Keras 3 config of a built-in constraint."""
    return TABLE.serialize(constraint)


class _Variable(Protocol):
    def parts(self) -> list[Tensor]: ...
    @property
    def value(self) -> Tensor: ...
    def write(self, array: Tensor) -> None: ...


@runtime_checkable
class _Constrained(Protocol):
    """A module with Keras variables of its own, some of them under a constraint."""

    def _constrained_variables(self) -> Sequence[tuple[_Variable, Callable[[Tensor], Tensor]]]: ...


def attach(optimizer: Optimizer, model: nn.Module) -> RemovableHandle:
    """Apply the constraints of a model's weights after each step of an optimizer, as Keras does after each update.

    A weight is brought, in Keras's layout, to what its `kernel_constraint`, `bias_constraint`, ... allows, if this
    optimizer has just updated it: weights that are frozen, that have no gradient or that belong to another optimizer
    stay as they are. A model without constraints is fine. A copy of the optimizer has no hook: attach to it, too.

    Args:
        optimizer: Any torch optimizer.
        model: A model or layer, or a module of your own with some inside; it must be built.

    Returns:
        A handle; its `remove()` ends it.

    Raises:
        ArgumentError: The model has constraints, and none of their weights belongs to the optimizer.
        NotBuiltError: A layer does not know its input shape yet.

    Example:
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1); handle = constraints.attach(optimizer, model)
    """
    if (pairs := _pairs(model)) and not _held(optimizer, pairs):
        raise ArgumentError(
            f"constraints.attach: the optimizer holds none of the {len(pairs)} constrained weights of "
            f"{type(model).__name__}; make it from this model's parameters(), after the model is on its device."
        )

    @torch.no_grad()
    def project(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        for variable, constraint in _held(optimizer, _pairs(model)):
            if any(part.grad is not None for part in variable.parts()):
                variable.write(constraint(variable.value))

    return optimizer.register_step_post_hook(project)


_Pairs = Sequence[tuple[_Variable, Callable[[Tensor], Tensor]]]


def _pairs(model: nn.Module) -> _Pairs:
    """Every constrained weight in a model, with its constraint."""
    own = [module._constrained_variables() for module in model.modules() if isinstance(module, _Constrained)]
    return [pair for pairs in own for pair in pairs]


def _held(optimizer: Optimizer, pairs: _Pairs) -> _Pairs:
    """The pairs whose weights the optimizer updates."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return [pair for pair in pairs if any(id(part) in held for part in pair[0].parts())]


_namespace = Namespace(__name__, globals(), homes=("constraints",))


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
