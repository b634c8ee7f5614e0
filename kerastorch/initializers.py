"""Keras's initializers: called with a shape in Keras layout, they return a new tensor with Keras's distribution.

The streams of random numbers are torch's, so the numbers differ from those that Keras draws from the same seed.
As in Keras, an integer seed gives the same array at each call (and on each device). Without a seed each call draws
anew, from `generator` or torch's global one (`torch.manual_seed`). Keras repeats an object's first draw there, which
makes two layers that share the object start alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ._serial import Configured, Table, classes, read_value
from .errors import ArgumentError, ShapeError, quote

_TRUNCATED_STDDEV = 0.87962566103423978  # of a unit normal cut at -2 and 2
_WITHIN_TWO = math.erf(math.sqrt(2.0))  # its share of the untruncated one


class Target(NamedTuple):
    """The tensor that is wanted."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    generator: torch.Generator | None


class Initializer(Configured):
    """Base of all initializers. Your own one implements `values`, or is a function `(shape, dtype=None) -> tensor`."""

    ignored = frozenset({"dtype"})  # TensorFlow 1 wrote it; the dtype is the variable's

    def __call__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return a new tensor.

        Args:
            shape: In Keras's layout, from which the fans are computed: (in, out) for a kernel.
            dtype: The default float dtype of torch if None.
            device: On "meta" no numbers are drawn.
            generator: Draws the numbers of an initializer without a seed.
        """
        sizes = tuple(int(size) for size in shape)
        if any(size < 0 for size in sizes):
            raise ShapeError(f"{type(self).__name__}: expected sizes of 0 or more, got shape {sizes}.")
        place = torch.get_default_device() if device is None else torch.device(device)
        to = Target(sizes, dtype or torch.get_default_dtype(), place, generator)
        self.check(to)
        if place.type == "meta":
            return torch.empty(sizes, dtype=to.dtype, device=place)
        with torch.no_grad():
            return self.values(to)

    def check(self, to: Target) -> None:
        """Raise if the shape or the dtype is none that this initializer can fill."""

    def values(self, to: Target) -> Tensor:
        """Return the new tensor."""
        raise NotImplementedError


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


class RandomInitializer(Initializer):
    """Base of the initializers that draw numbers."""

    seed: int | None

    def check(self, to: Target) -> None:
        if not to.dtype.is_floating_point:
            raise ArgumentError(
                f"{type(self).__name__} draws real numbers, got dtype {to.dtype}; use 'zeros' or 'ones' there."
            )

    def values(self, to: Target) -> Tensor:
        generator, device = to.generator, to.device
        if self.seed is not None:
            # On the CPU whatever the device: the same seed is the same array everywhere.
            generator, device = torch.Generator().manual_seed(self.seed), torch.device("cpu")
        elif generator is not None:
            device = generator.device
        # Half precision is too coarse to draw in.
        wide = torch.float64 if to.dtype == torch.float64 else torch.float32
        return self.draw(torch.empty(to.shape, dtype=wide, device=device), generator).to(to.device, to.dtype)

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return random numbers in the shape of `out`, whose memory may be used."""
        raise NotImplementedError

    def _seeded(self) -> None:
        seed = self._plain("seed")
        if seed is None or (isinstance(seed, int) and not isinstance(seed, bool) and -(2**63) <= seed < 2**63):
            return
        self._refuse("seed", "an integer of 64 bits, or None for torch's global generator")


def _truncated_normal(out: Tensor, mean: float, stddev: float, generator: torch.Generator | None) -> Tensor:
    """Cut at two standard deviations: the inverse of the distribution function, applied to uniform numbers."""
    out.uniform_(-_WITHIN_TWO, _WITHIN_TWO, generator=generator)
    return out.erfinv_().mul_(math.sqrt(2.0)).clamp_(-2.0, 2.0).mul_(stddev).add_(mean)


@dataclass(frozen=True)
class _Normal(RandomInitializer):
    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        self._seeded()
        self._number("mean")
        self._number("stddev", least=0)


class RandomNormal(_Normal):
    """Normal distribution."""

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        return out.normal_(self.mean, self.stddev, generator=generator)


class TruncatedNormal(_Normal):
    """Normal distribution cut at two `stddev` from `mean`, so its own standard deviation is 0.88 `stddev`."""

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        return _truncated_normal(out, self.mean, self.stddev, generator)


@dataclass(frozen=True)
class RandomUniform(RandomInitializer):
    """Uniform distribution on [minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        self._seeded()
        self._number("minval")
        self._number("maxval", least=self.minval)

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        return out.uniform_(self.minval, self.maxval, generator=generator)


class _Law(NamedTuple):
    """A variance of `scale` / fan."""

    scale: float
    mode: str
    distribution: str

    def draw(self, out: Tensor, fan_in: int, fan_out: int, generator: torch.Generator | None) -> Tensor:
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return out.uniform_(-limit, limit, generator=generator)
        if self.distribution == "truncated_normal":
            return _truncated_normal(out, 0.0, math.sqrt(variance) / _TRUNCATED_STDDEV, generator)
        return out.normal_(0.0, math.sqrt(variance), generator=generator)


class _Scaled(RandomInitializer):
    """Base of the initializers whose variance depends on the fans."""

    elided = frozenset({"input_axes", "output_axes"})
    input_axes: Sequence[int] | None
    output_axes: Sequence[int] | None

    def __post_init__(self) -> None:
        self._seeded()
        self._axes("input_axes", optional=True)
        self._axes("output_axes", optional=True)

    def check(self, to: Target) -> None:
        super().check(to)
        rank = len(to.shape)
        for axis in (*(self.input_axes or ()), *(self.output_axes or ())):
            if not -rank <= axis < rank:
                raise ShapeError(f"{type(self).__name__}: shape {to.shape} has no axis {axis}; correct the fan axes.")

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.law().draw(out, *compute_fans(out.shape, self.input_axes, self.output_axes), generator)

    def law(self) -> _Law:
        raise NotImplementedError


@dataclass(frozen=True)
class VarianceScaling(_Scaled):
    """Variance `scale` / n, where n is the fan that `mode` names.

    Args:
        scale: A positive number.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (also called "normal"), "untruncated_normal" or "uniform".
        seed: An integer for the same array at each call.
        input_axes: With `output_axes`: the axes whose sizes make up the fans, where it is not the last two.
        output_axes: See `input_axes`.
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    input_axes: Sequence[int] | None = None
    output_axes: Sequence[int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number("scale", above=0)
        self._one_of("mode", ("fan_in", "fan_out", "fan_avg"))
        if isinstance(self.distribution, str):
            lower = self.distribution.lower()
            self._set("distribution", "truncated_normal" if lower == "normal" else lower)
        self._one_of("distribution", ("uniform", "truncated_normal", "untruncated_normal"))

    def law(self) -> _Law:
        return _Law(self.scale, self.mode, self.distribution)


@dataclass(frozen=True)
class _Named(_Scaled):
    """Base of the named cases of `VarianceScaling`; each states its `LAW`."""

    LAW: ClassVar[_Law]
    seed: int | None = None
    input_axes: Sequence[int] | None = None
    output_axes: Sequence[int] | None = None

    def law(self) -> _Law:
        return self.LAW


class GlorotUniform(_Named):
    """Uniform within sqrt(6 / (fan_in + fan_out)); also called Xavier."""

    LAW = _Law(1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal with the variance 2 / (fan_in + fan_out)."""

    LAW = _Law(1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Uniform within sqrt(6 / fan_in)."""

    LAW = _Law(2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal with the variance 2 / fan_in."""

    LAW = _Law(2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform within sqrt(3 / fan_in)."""

    LAW = _Law(1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal with the variance 1 / fan_in."""

    LAW = _Law(1.0, "fan_in", "truncated_normal")


@dataclass(frozen=True)
class Orthogonal(RandomInitializer):
    """`gain` times a random matrix with orthonormal columns (rows where there are fewer), all equally likely.

    More than two axes count as a matrix of shape (all but the last, the last).
    """

    gain: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        self._seeded()
        self._number("gain")

    def check(self, to: Target) -> None:
        super().check(to)
        if len(to.shape) < 2:
            raise ShapeError(f"Orthogonal: expected two axes or more, got {to.shape}; use another initializer there.")

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        rows, columns = math.prod(out.shape[:-1]), out.shape[-1]
        tall = out.view(max(rows, columns), min(rows, columns)).normal_(generator=generator)
        q, r = torch.linalg.qr(tall)
        # LAPACK chooses the signs of r's diagonal; with these signs instead q is uniform over the orthogonal matrices.
        q = q * r.diagonal().sign()
        return self.gain * (q if rows >= columns else q.T).reshape(out.shape)


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


def scaled_over(initializer: Any, input_axes: Sequence[int], output_axes: Sequence[int]) -> Any:
    """The initializer with these fan axes, if it scales by fans and states none of its own."""
    if not isinstance(initializer, _Scaled) or (initializer.input_axes is not None and initializer.output_axes):
        return initializer
    return replace(initializer, input_axes=tuple(input_axes), output_axes=tuple(output_axes))  # type: ignore[type-var]


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a shape in Keras layout, (..., in, out); axes before the last two count in both."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


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


def serialize(initializer: Initializer | None) -> dict[str, Any] | None:
    """Return the Keras 3 config of a built-in initializer."""
    return TABLE.serialize(initializer)
