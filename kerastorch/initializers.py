"""Keras's initializers: called with a shape in Keras layout, they return a new tensor with Keras's distribution.

The streams of random numbers are torch's, so the numbers differ from those that Keras draws from the same seed.
As in Keras, an integer seed gives the same array at each call (and on each device). Without a seed each call draws
anew, from `generator` or torch's global one (`torch.manual_seed`). Keras repeats an object's first draw there, which
makes two layers that share the object start alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from . import registered
from ._initializer import Initializer as Initializer
from ._initializer import Target
from ._random_initializers import GlorotNormal as GlorotNormal
from ._random_initializers import GlorotUniform as GlorotUniform
from ._random_initializers import HeNormal as HeNormal
from ._random_initializers import HeUniform as HeUniform
from ._random_initializers import LecunNormal as LecunNormal
from ._random_initializers import LecunUniform as LecunUniform
from ._random_initializers import Orthogonal as Orthogonal
from ._random_initializers import RandomInitializer as RandomInitializer
from ._random_initializers import RandomNormal as RandomNormal
from ._random_initializers import RandomUniform as RandomUniform
from ._random_initializers import TruncatedNormal as TruncatedNormal
from ._random_initializers import VarianceScaling as VarianceScaling
from ._random_initializers import compute_fans as compute_fans
from ._random_initializers import scaled_over as scaled_over
from ._serial import Table, classes, read_value
from .errors import ShapeError, quote
from .namespaces import Namespace


@dataclass(frozen=True)
class Zeros(Initializer):
    """All 0."""

    def values(self, to: Target) -> Tensor:
        return torch.zeros(to.shape, dtype=to.dtype, device=to.device)


@dataclass(frozen=True)
class Ones(Initializer):
    """All 1."""

    def values(self, to: Target) -> Tensor:
        return torch.ones(to.shape, dtype=to.dtype, device=to.device)


@dataclass(frozen=True, eq=False)
class Constant(Initializer):
    """One number, or an array that is broadcast to the shape.

    Args:
        value: A number, (nested) lists of numbers, a numpy array or a tensor.
    """

    value: Any = 0.0

    def __post_init__(self) -> None:
        self._set("value", read_value(self.value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        return type(self.value) is type(other.value) and np.array_equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.value.tobytes() if isinstance(self.value, np.ndarray) else self.value)

    def check(self, to: Target) -> None:
        have = np.shape(self.value)
        missing = len(to.shape) - len(have)
        if missing < 0 or any(size not in (1, want) for size, want in zip(have, to.shape[missing:], strict=True)):
            raise ShapeError(
                f"Constant: a value of shape {have} cannot fill a variable of shape {to.shape}; "
                "give a number, or an array of that shape."
            )

    def values(self, to: Target) -> Tensor:
        if not isinstance(self.value, np.ndarray):
            return torch.full(to.shape, self.value, dtype=to.dtype, device=to.device)
        return torch.from_numpy(self.value).to(to.device, to.dtype).expand(to.shape).clone()


@dataclass(frozen=True)
class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        self._number("gain")

    def check(self, to: Target) -> None:
        if len(to.shape) != 2:
            raise ShapeError(f"Identity: expected a matrix, got shape {to.shape}; use another initializer there.")

    def values(self, to: Target) -> Tensor:
        return self.gain * torch.eye(*to.shape, dtype=to.dtype, device=to.device)


@dataclass(frozen=True, eq=False)
class _Function(Initializer):
    """Somebody's function `(shape, dtype=None) -> tensor or array`."""

    function: Callable[..., Any]

    def values(self, to: Target) -> Tensor:
        found = torch.as_tensor(self.function(to.shape, dtype=to.dtype))
        if tuple(found.shape) != to.shape:
            raise ShapeError(
                f"The initializer {quote(self.function)} gives shape {tuple(found.shape)}, expected {to.shape}; "
                "a single number for all is `Constant(number)`."
            )
        return found.detach().to(to.device, to.dtype, copy=True)


zeros = Zeros
ones = Ones
constant = Constant
identity = IdentityInitializer = Identity
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = OrthogonalInitializer = Orthogonal

TABLE: Table[Any] = Table(
    "initializer",
    classes(
        Zeros, Ones, Constant, RandomNormal, RandomUniform, TruncatedNormal, VarianceScaling, Orthogonal, Identity,
        GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal,
        IdentityInitializer=Identity, OrthogonalInitializer=Orthogonal,
        normal=RandomNormal, uniform=RandomUniform, one=Ones, zero=Zeros,
    ),
    base=(Initializer,),
    refused={
        **dict.fromkeys(("STFT", "STFTInitializer", "stft"), "it needs scipy's windows; give the kernel as an array"),
    },
)  # fmt: skip


def get(identifier: Any) -> Initializer | None:
    """Return an initializer.

    Args:
        identifier: A Keras name ("glorot_uniform"), a config dict, an initializer, or None for none; a numpy array or a
            tensor of the variable's very shape; or any function `(shape, dtype=None)` to a tensor or an array.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (Tensor, np.ndarray)):
        return _Function(lambda shape, dtype=None: identifier)
    found = TABLE.get(identifier)
    return found if isinstance(found, Initializer) else _Function(found)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Initializer | None:
    """Return an initializer from its config, as `keras.initializers.deserialize`.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Classes and functions of your own by their names.
    """
    with registered.custom_object_scope(custom_objects):
        return get(config)


def serialize(initializer: Initializer | None) -> dict[str, Any] | None:
    """Return the Keras 3 config of a built-in initializer."""
    return TABLE.serialize(initializer)


_namespace = Namespace(
    __name__,
    globals(),
    homes=("initializers", "_initializer", "_random_initializers"),
    hidden=("Target", "compute_fans", "scaled_over"),
    absent=TABLE.refused,
)


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
