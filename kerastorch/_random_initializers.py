"""The initializers that draw numbers: normal, uniform, scaled by the fans, orthogonal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from ._initializer import Initializer, Target
from .errors import ArgumentError, ShapeError
from .seeds import SeedGenerator

_TRUNCATED_STDDEV = 0.87962566103423978  # of a unit normal cut at -2 and 2
_WITHIN_TWO = math.erf(math.sqrt(2.0))  # its share of the untruncated one


class RandomInitializer(Initializer):
    """Base of the initializers that draw numbers."""

    seed: int | SeedGenerator | None

    def check(self, to: Target) -> None:
        if not to.dtype.is_floating_point:
            raise ArgumentError(
                f"{type(self).__name__} draws real numbers, got dtype {to.dtype}; use 'zeros' or 'ones' there."
            )

    def values(self, to: Target) -> Tensor:
        generator, device = to.generator, to.device
        if self.seed is not None:
            # On the CPU whatever the device: the same seed is the same array everywhere.
            seed = self.seed.next() if isinstance(self.seed, SeedGenerator) else self.seed
            generator, device = torch.Generator().manual_seed(seed), torch.device("cpu")
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
        if isinstance(seed, Mapping):  # of a config
            self._set("seed", SeedGenerator.of_config(seed))
            return
        if (
            seed is None
            or isinstance(seed, SeedGenerator)
            or (isinstance(seed, int) and not isinstance(seed, bool) and -(2**63) <= seed < 2**63)
        ):
            return
        self._refuse("seed", "an integer of 64 bits, a SeedGenerator, or None for torch's global generator")


def truncated_normal_(out: Tensor, mean: float, stddev: float, generator: torch.Generator | None) -> Tensor:
    """Cut at two standard deviations: the inverse of the distribution function, applied to uniform numbers."""
    out.uniform_(-_WITHIN_TWO, _WITHIN_TWO, generator=generator)
    return out.erfinv_().mul_(math.sqrt(2.0)).clamp_(-2.0, 2.0).mul_(stddev).add_(mean)


@dataclass(frozen=True)
class _Normal(RandomInitializer):
    mean: float = 0.0
    stddev: float = 0.05
    seed: int | SeedGenerator | None = None

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
        return truncated_normal_(out, self.mean, self.stddev, generator)


@dataclass(frozen=True)
class RandomUniform(RandomInitializer):
    """Uniform distribution on [minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | SeedGenerator | None = None

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
            return truncated_normal_(out, 0.0, math.sqrt(variance) / _TRUNCATED_STDDEV, generator)
        return out.normal_(0.0, math.sqrt(variance), generator=generator)


class _Scaled(RandomInitializer):
    """Base of the initializers whose variance depends on the fans."""

    elided = frozenset({"input_axes", "output_axes"})
    input_axes: Sequence[int] | None
    output_axes: Sequence[int] | None

    def __post_init__(self) -> None:
        self._seeded()
        for name in ("input_axes", "output_axes"):
            self._axes(name, optional=True)
            if isinstance(getattr(self, name), int):
                self._set(name, (getattr(self, name),))

    def check(self, to: Target) -> None:
        super().check(to)
        rank = len(to.shape)
        for axis in (*(self.input_axes or ()), *(self.output_axes or ())):
            if not -rank <= axis < rank:
                raise ShapeError(f"{type(self).__name__}: shape {to.shape} has no axis {axis}; correct the fan axes.")

    def draw(self, out: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.law().draw(out, *compute_fans(out.shape, self.input_axes, self.output_axes), generator)

    def law(self) -> _Law:
        """What the numbers are drawn from."""
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
    seed: int | SeedGenerator | None = None
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
    seed: int | SeedGenerator | None = None
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
    seed: int | SeedGenerator | None = None

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
