"""The learning rate as it is read: a number that can be assigned to, as Keras's variable."""

from __future__ import annotations

from typing import Any

import numpy as np


class Rate(float):
    """A learning rate, and the optimizer that it belongs to."""

    _optimizer: Any = None

    @classmethod
    def of(cls, optimizer: Any, value: Any) -> Rate:
        """The number, which knows its optimizer."""
        made = cls(value)
        made._optimizer = optimizer
        return made

    @property
    def value(self) -> float:
        """The number alone."""
        return float(self)

    def numpy(self) -> np.float32:
        """The number in float32, as Keras keeps it."""
        return np.float32(self)

    def assign(self, value: Any) -> float:
        """Set the optimizer's learning rate, as `optimizer.learning_rate = value`."""
        self._optimizer.learning_rate = float(value)
        return float(value)

    def __reduce__(self) -> Any:
        return float, (float(self),)
