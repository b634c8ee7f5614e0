"""Following one number over the epochs: whether it has become better."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, quote
from .base import Callback

_HIGHER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou")


class Monitoring(Callback):
    """Base of callbacks that follow one number.

    Args:
        monitor: Its name in the logs.
        mode: "min", "max", or "auto": the higher the better for accuracies and their like, else the lower.
        min_delta: A smaller change is none.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ArgumentError(f"{type(self).__name__}: mode is {quote(mode)}, expected 'auto', 'min' or 'max'.")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        higher = any(word in monitor.lower() for word in _HIGHER)
        self._sign = 1.0 if mode == "max" or (mode == "auto" and higher) else -1.0

    def value(self, logs: Mapping[str, Any] | None) -> float | None:
        """The number in the logs; None, with a warning, if it is not there."""
        found = (logs or {}).get(self.monitor)
        if found is None:
            names = ", ".join(map(repr, logs or {}))
            warnings.warn(f"{type(self).__name__}: there is no {self.monitor!r} in the logs: {names}.", stacklevel=4)
        return None if found is None else float(found)

    def is_better(self, value: float, than: float | None) -> bool:
        """Whether a value is better than another by more than `min_delta`."""
        return than is None or self._sign * (value - than) > self.min_delta
