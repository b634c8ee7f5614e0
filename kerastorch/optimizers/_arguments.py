"""What the arguments of an optimizer may be, and the messages where they are something else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ..errors import ArgumentError, quote
from . import schedules


class Arguments:
    """The checks, for `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    weight_decay: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None

    def _check_common(self) -> None:
        clips = {name: getattr(self, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
        given = {name: value for name, value in clips.items() if value is not None}
        if len(given) > 1:
            raise ArgumentError(
                f"{type(self).__name__} clips in one way: got {', '.join(f'{k}={v!r}' for k, v in given.items())}."
            )
        for name, value in {**given, "weight_decay": self.weight_decay}.items():
            if value is not None:
                self._number(name, value)
        if self.use_ema:
            self._number("ema_momentum", self.ema_momentum, 0, 1)
        if self.use_ema and self.ema_overwrite_frequency is not None:
            self._count("ema_overwrite_frequency", 1)
        if self.gradient_accumulation_steps is not None:
            self._count("gradient_accumulation_steps", 2)

    def _number(self, name: str, value: Any, least: float = 0.0, most: float = float("inf")) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            bound = f"of at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
            self._refuse(name, f"a number {bound}", value)

    def _count(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._refuse(name, f"an integer of at least {least}, or None")

    def _refuse(self, name: str, expected: str, value: Any = ...) -> None:
        raise self._refusal(name, expected, getattr(self, name) if value is ... else value)

    def _refusal(self, name: str, expected: str, got: Any) -> ArgumentError:
        return ArgumentError(f"{type(self).__name__}: {name} is {quote(got)}, expected {expected.removesuffix('.')}.")

    def _checked_rate(self, rate: Any) -> Any:
        """A learning rate: a number as a float, a schedule or a function as it is, a schedule made of a config."""
        if isinstance(rate, Mapping):
            return schedules.deserialize(rate)
        if callable(rate):
            return rate
        if isinstance(rate, Tensor) or hasattr(rate, "item"):
            rate = rate.item() if getattr(rate, "ndim", 0) == 0 else rate
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            iterable = isinstance(rate, Iterable) and not isinstance(rate, str)
            hint = " What is trained is given as params=, or to build()." if iterable else ""
            raise self._refusal("learning_rate", f"a number, a LearningRateSchedule or a function.{hint}", rate)
        return float(rate)

    def _refuse_unknown(self, unknown: Mapping[str, Any]) -> None:
        advice = {
            "lr": "the learning rate is learning_rate",
            "decay": "use a schedule (kt.optimizers.schedules.InverseTimeDecay(lr, 1, decay)) or kt.optimizers.legacy",
        }
        hints = "; ".join(advice[name] for name in unknown if name in advice)
        raise ArgumentError(
            f"{type(self).__name__} has no argument {', '.join(map(quote, unknown))}"
            + (f": {hints}." if hints else ".")
        )
