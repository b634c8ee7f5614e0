"""Following one number over the epochs: whether it has become better."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..arguments import number
from ..errors import ArgumentError, quote
from .base import Callback


class Monitoring(Callback):
    """Base of callbacks that follow one number.

    Args:
        monitor: Its name in the logs.
        mode: "min", "max", or "auto": what the metric of this name says, and "min" for losses.
        min_delta: A smaller change is none.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"{type(self).__name__}: mode is {quote(mode)}, expected 'auto', 'min' or 'max'.")
        self.monitor, self.mode, self.min_delta = (
            monitor,
            mode,
            abs(number(type(self).__name__, "min_delta", min_delta)),
        )
        self._sign = {"max": 1.0, "min": -1.0, "auto": None}[mode]

    def value(self, logs: Mapping[str, Any] | None) -> float | None:
        """The number in the logs; None, with a warning, if it is not there.

        Raises:
            ArgumentError: The mode is "auto", and no metric of this name knows whether more is better.
        """
        if self._sign is None:
            self._sign = self._direction(logs)
        found = (logs or {}).get(self.monitor)
        if found is None:
            names = ", ".join(map(repr, logs or {}))
            warnings.warn(f"{type(self).__name__}: there is no {self.monitor!r} in the logs: {names}.", stacklevel=4)
        return None if found is None else float(found)

    def _direction(self, logs: Mapping[str, Any] | None) -> float:
        name = self.monitor.removeprefix("val_")
        known: dict[str, Any] = {}
        for metric in self.model.metrics:
            for inner in getattr(metric, "metrics", ()):
                known.setdefault(inner.name, inner)
            known |= getattr(metric, "by_name", {metric.name: metric})
        direction = "down" if name == "loss" else getattr(known.get(name), "_direction", None)
        if direction is None:
            raise ArgumentError(
                f"{type(self).__name__}: whether {quote(self.monitor)} should rise or fall is not known: give "
                f"mode='max' or mode='min'. The logs have {', '.join(map(repr, logs or {})) or 'nothing'}."
            )
        return 1.0 if direction == "up" else -1.0

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether a value is better than another by more than `min_delta`."""
        return than is None or (self._sign or -1.0) * (value - than) > self.min_delta


class Due:
    """When something that is done every so many batches is due, as Keras counts: a hook may stand for several batches.

    Args:
        every: "epoch", or a number of batches.
        owner: The class that asks, for messages.

    Raises:
        ArgumentError: It is something else.
    """

    def __init__(self, every: Any, owner: str) -> None:
        if every != "epoch" and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ArgumentError(f"{owner}: save_freq is {quote(every)}, expected 'epoch' or a number of batches.")
        self.of_batches = every != "epoch"
        self._every = int(every) if self.of_batches else 0
        self._seen, self._last = 0, -1

    def after(self, batch: int) -> bool:
        """Whether it is due after a batch of an epoch, counted from 0, at whose end a hook is called."""
        if not self.of_batches:
            return False
        self._seen += batch + 1 if batch <= self._last else batch - self._last
        self._last = batch
        if self._seen < self._every:
            return False
        self._seen = 0
        return True
