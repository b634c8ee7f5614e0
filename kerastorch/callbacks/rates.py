"""Callbacks that change the learning rate."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..arguments import number
from ..errors import ArgumentError, quote
from .base import Callback
from .monitoring import Monitoring


def rate_of(optimizer: Any) -> float:
    """The learning rate of an optimizer of kerastorch or of torch."""
    if hasattr(type(optimizer), "learning_rate"):
        return float(optimizer.learning_rate)
    return float(optimizer.param_groups[0]["lr"])


def set_rate(optimizer: Any, rate: float) -> None:
    """Set the learning rate of an optimizer of kerastorch or of torch."""
    if hasattr(type(optimizer), "learning_rate"):
        optimizer.learning_rate = rate
        return
    for group in optimizer.param_groups:
        group["lr"] = rate


class LearningRateScheduler(Callback):
    """Set the learning rate of each epoch (`keras.callbacks.LearningRateScheduler`).

    Args:
        schedule: `schedule(epoch, rate)`, or `schedule(epoch)`: the new rate.
        verbose: 1 prints it.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose
        self._takes = 2 if _takes_two(schedule) else 1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        rate = self.schedule(*(epoch, rate_of(self.model.optimizer))[: self._takes])
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise ArgumentError(f"LearningRateScheduler: the schedule returned {quote(rate)}, expected a number.")
        set_rate(self.model.optimizer, float(rate))
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = rate_of(self.model.optimizer)


def _takes_two(schedule: Callable[..., Any]) -> bool:
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a built-in function that does not say
        return True
    return True


class ReduceLROnPlateau(Monitoring):
    """Lower the learning rate when a number no longer gets better (`keras.callbacks.ReduceLROnPlateau`).

    Args:
        monitor: Its name in the logs.
        factor: The new rate is the old one times this; below 1.
        patience: How many epochs without a change for the better are borne.
        verbose: 1 prints the new rate.
        mode: See `Monitoring`.
        min_delta: A smaller change is none.
        cooldown: So many epochs after a change do not count.
        min_lr: The rate does not fall below it.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if number(type(self).__name__, "factor", factor) >= 1.0:
            raise ArgumentError(f"ReduceLROnPlateau: factor is {quote(factor)}, expected a number below 1.")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self._forget()

    def _forget(self) -> None:
        self.wait, self.cooldown_counter = 0, 0
        self.best: float | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = rate_of(self.model.optimizer)
        value = self.value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_better(value, self.best):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def in_cooldown(self) -> bool:
        """Whether epochs do not count yet, after a change."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch: int) -> None:
        old = rate_of(self.model.optimizer)
        if old <= self.min_lr:
            return
        rate = max(old * self.factor, self.min_lr)
        set_rate(self.model.optimizer, rate)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        self.cooldown_counter, self.wait = self.cooldown, 0
