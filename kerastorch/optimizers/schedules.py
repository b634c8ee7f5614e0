"""Keras's schedules of the learning rate: `schedule(step)` is the rate of a step, which counts from 0."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._serial import Configured, Table
from ..arguments import number
from ..errors import ArgumentError, counted

_NUMBERS = frozenset(
    {"initial_learning_rate", "decay_rate", "end_learning_rate", "power", "alpha", "m_mul"}
    | {"warmup_target", "warmup_steps"}
)
_MAY_LACK = frozenset({"warmup_target"})


class LearningRateSchedule:
    """Base of schedules, also of one's own: a subclass defines `__call__(step)` and, to be saved, `get_config`."""

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step.

        Args:
            step: How many steps were done, an integer.
        """
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step).")

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        raise NotImplementedError(f"{type(self).__name__} must define get_config to be saved.")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """Make the schedule that `config` describes."""
        return cls(**config)

    def serialized(self) -> dict[str, Any]:
        """Itself as a config of an optimizer holds it."""
        own = not type(self).__module__.startswith(__package__ or "kerastorch")
        return {
            "module": None if own else "keras.optimizers.schedules",
            "class_name": type(self).__name__,
            "config": self.get_config(),
            "registered_name": type(self).__name__ if own else None,
        }


class _Schedule(Configured, LearningRateSchedule):
    """A schedule of Keras's own. Its arguments are the fields of a frozen dataclass."""

    module = "keras.optimizers.schedules"
    elided = frozenset({"name"})  # tf-keras writes null there, which Keras 3 does not take

    def __post_init__(self) -> None:
        steps = {"decay_steps", "first_decay_steps", "t_mul"} & set(self.arguments())
        for name in steps:
            self._number(name, above=0)
        for name in sorted(_NUMBERS & set(self.arguments())):
            if not (name in _MAY_LACK and getattr(self, name) is None):
                number(type(self).__name__, name, getattr(self, name))


@dataclass(frozen=True)
class ExponentialDecay(_Schedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`; the exponent is rounded down for a `staircase`."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str | None = "ExponentialDecay"

    def __call__(self, step: Any) -> float:
        share = float(step) / self.decay_steps
        return self.initial_learning_rate * self.decay_rate ** (math.floor(share) if self.staircase else share)


@dataclass(frozen=True)
class InverseTimeDecay(_Schedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`; the quotient rounded down for a `staircase`."""

    initial_learning_rate: float
    decay_steps: float
    decay_rate: float
    staircase: bool = False
    name: str | None = "InverseTimeDecay"

    def __call__(self, step: Any) -> float:
        share = float(step) / self.decay_steps
        return self.initial_learning_rate / (1 + self.decay_rate * (math.floor(share) if self.staircase else share))


@dataclass(frozen=True)
class PiecewiseConstantDecay(_Schedule):
    """`values[i]` up to and including step `boundaries[i]`, the last value after the last boundary."""

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str | None = "PiecewiseConstant"

    def __post_init__(self) -> None:
        for name in ("boundaries", "values"):
            listed = getattr(self, name)
            if isinstance(listed, (str, bytes, Mapping)) or not hasattr(listed, "__len__"):
                self._refuse(name, "a list of numbers")
            for value in listed:
                number(type(self).__name__, name, value)
        if len(self.boundaries) != len(self.values) - 1:
            raise ArgumentError(
                "PiecewiseConstantDecay: expected one value more than boundaries, got "
                f"{counted(len(self.values), 'value')} "
                f"and {len(self.boundaries)} boundaries."
            )

    def __call__(self, step: Any) -> float:
        return self.values[bisect.bisect_left(self.boundaries, float(step))]


@dataclass(frozen=True)
class PolynomialDecay(_Schedule):
    """From `initial_learning_rate` to `end_learning_rate` in `decay_steps`, by the `power` of what is left.

    With `cycle` it starts again, each time over one more multiple of `decay_steps`.
    """

    initial_learning_rate: float
    decay_steps: float
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str | None = "PolynomialDecay"

    def __call__(self, step: Any) -> float:
        at, steps = float(step), float(self.decay_steps)
        if self.cycle:
            steps *= 1.0 if at == 0 else math.ceil(at / steps)
        share = 1 - min(at, steps) / steps
        return (self.initial_learning_rate - self.end_learning_rate) * share**self.power + self.end_learning_rate


@dataclass(frozen=True)
class CosineDecay(_Schedule):
    """Half a wave of a cosine from the start to `alpha` times it, after a linear warm-up.

    The warm-up goes from `initial_learning_rate` to `warmup_target` in `warmup_steps`; None: there is none.
    """

    initial_learning_rate: float
    decay_steps: float
    alpha: float = 0.0
    name: str | None = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: float = 0

    def __call__(self, step: Any) -> float:
        at, start = float(step), self.initial_learning_rate
        if self.warmup_target is not None:
            if at < self.warmup_steps:
                return (self.warmup_target - start) * (at / self.warmup_steps) + start
            at, start = at - self.warmup_steps, self.warmup_target
        wave = 0.5 * (1 + math.cos(math.pi * min(at, self.decay_steps) / self.decay_steps))
        return start * ((1 - self.alpha) * wave + self.alpha)


@dataclass(frozen=True)
class CosineDecayRestarts(_Schedule):
    """Cosines one after the other, each `t_mul` times as long and `m_mul` times as high as the one before."""

    initial_learning_rate: float
    first_decay_steps: float
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str | None = "SGDRDecay"

    def __call__(self, step: Any) -> float:
        share = float(step) / self.first_decay_steps
        if self.t_mul == 1:
            restarts = math.floor(share)
            share -= restarts
        else:
            restarts = math.floor(math.log(1 - share * (1 - self.t_mul)) / math.log(self.t_mul))
            share = (share - (1 - self.t_mul**restarts) / (1 - self.t_mul)) / self.t_mul**restarts
        wave = 0.5 * self.m_mul**restarts * (1 + math.cos(math.pi * share))
        return self.initial_learning_rate * ((1 - self.alpha) * wave + self.alpha)


_TABLE: Table[LearningRateSchedule] = Table(
    "learning rate schedule",
    {
        cls.__name__: cls
        for cls in (
            ExponentialDecay,
            InverseTimeDecay,
            PiecewiseConstantDecay,
            PolynomialDecay,
            CosineDecay,
            CosineDecayRestarts,
        )
    },
    (LearningRateSchedule,),
)


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """The schedule as a config."""
    return learning_rate_schedule.serialized()


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """The schedule that a config describes.

    Args:
        config: `{"class_name": ..., "config": {...}}`.
        custom_objects: The classes of one's own schedules, by name.

    Raises:
        UnsupportedError: It is none of Keras's, and not in `custom_objects`.
    """
    name, inner = config.get("class_name"), config.get("config")
    if custom_objects and name in custom_objects:
        made: Any = custom_objects[str(name)]
        return made.from_config(inner) if hasattr(made, "from_config") else made(**(inner or {}))
    return _TABLE.get(config)
