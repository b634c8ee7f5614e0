"""Keras's regularizers: called on a tensor in Keras layout, they return the penalty as a scalar tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ._serial import Configured, Table, classes
from .arrays import tensor_of
from .errors import ShapeError
from .namespaces import Namespace


class Regularizer(Configured):
    """Base of the built-in regularizers."""

    def __call__(self, x: Any) -> Tensor:
        """The penalty, a scalar, on a tensor, a variable such as `dense.kernel`, or an array, of any shape."""
        return self._of(tensor_of(x))

    def _of(self, x: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class L1(Regularizer):
    """l1 * sum(|x|)."""

    l1: float = 0.01

    def __post_init__(self) -> None:
        _factor(self, "l1", 0.01)

    def _of(self, x: Tensor) -> Tensor:
        return self.l1 * x.abs().sum()


@dataclass(frozen=True)
class L2(Regularizer):
    """l2 * sum(x^2)."""

    l2: float = 0.01

    def __post_init__(self) -> None:
        _factor(self, "l2", 0.01)

    def _of(self, x: Tensor) -> Tensor:
        return self.l2 * x.square().sum()


@dataclass(frozen=True)
class L1L2(Regularizer):
    """l1 * sum(|x|) + l2 * sum(x^2); a factor of 0 leaves its part out."""

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        _factor(self, "l1", 0.0)
        _factor(self, "l2", 0.0)

    def _of(self, x: Tensor) -> Tensor:
        penalty = x.new_zeros(())
        if self.l1:
            penalty = penalty + self.l1 * x.abs().sum()
        if self.l2:
            penalty = penalty + self.l2 * x.square().sum()
        return penalty


@dataclass(frozen=True)
class OrthogonalRegularizer(Regularizer):
    """factor * the mean |cosine| between each two rows (or columns) of a matrix; 0 where there is only one."""

    factor: float = 0.01
    mode: str = "rows"

    def __post_init__(self) -> None:
        self._number("factor", least=0)
        self._one_of("mode", ("rows", "columns"))

    def _of(self, x: Tensor) -> Tensor:
        if x.ndim != 2:
            raise ShapeError(
                f"OrthogonalRegularizer: expected a matrix, got shape {tuple(x.shape)}; use it on a Dense kernel."
            )
        rows = x if self.mode == "rows" else x.T
        # Keras bounds 1 / norm by 1e7: the same value, and here a row of zeros has the gradient 0 instead of NaN.
        unit = rows * rows.square().sum(1, keepdim=True).clamp(min=1e-14).rsqrt()
        size = len(rows)
        cosines = (unit @ unit.T) * (1.0 - torch.eye(size, dtype=x.dtype, device=x.device))
        return self.factor * 0.5 * cosines.abs().sum() / max(size * (size - 1) / 2, 1)


def _factor(regularizer: Regularizer, name: str, default: float) -> None:
    if getattr(regularizer, name) is None:
        regularizer._set(name, default)
    regularizer._number(name, least=0)
    regularizer._set(name, float(getattr(regularizer, name)))


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

TABLE: Table[Callable[[Tensor], Tensor]] = Table(
    "regularizer",
    classes(L1, L2, L1L2, OrthogonalRegularizer, l1_l2=L1L2),
    base=(Regularizer,),
    # Only Keras 2 takes this string, and it means these factors; the "l1l2" and "L1L2" of Keras 3 are zeros.
    strings={"l1_l2": L1L2(0.01, 0.01)},
)


def get(identifier: Any) -> Callable[[Tensor], Tensor] | None:
    """Return a regularizer.

    Args:
        identifier: A Keras name ("l2"), a config dict, a regularizer, or None for none; or any function from a tensor
            to a scalar tensor, which is returned as it is.
    """
    return None if identifier is None else TABLE.get(identifier)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Callable[[Tensor], Tensor] | None:
    """Return a regularizer from its config, as `keras.regularizers.deserialize`.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Classes and functions of your own by their names.
    """
    return TABLE.deserialize(config, custom_objects)


def serialize(regularizer: Callable[[Tensor], Tensor] | None) -> dict[str, Any] | None:
    """Return the Keras 3 config of a built-in regularizer."""
    return TABLE.serialize(regularizer)


_namespace = Namespace(__name__, globals(), homes=("regularizers",))


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
