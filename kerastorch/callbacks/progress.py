"""What a training prints: a bar on a terminal, a line for each epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from .base import Callback

_EVERY = 0.2  # seconds between two looks at the numbers, each of which waits for the device


class ProgbarLogger(Callback):
    """Print the course of a training or an evaluation, as Keras's (`keras.callbacks.ProgbarLogger`).

    Args:
        verbose: 1: a bar on a terminal, else as 2: one line at the end of each epoch.
    """

    def __init__(self, verbose: int = 1) -> None:
        self.verbose = verbose
        self.bar: Any = None
        self._training = False

    def on_train_begin(self, logs: Any = None) -> None:
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if (epochs := self.params.get("epochs") or 1) > 1:
            print(f"Epoch {epoch + 1}/{epochs}")
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._end(logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.advance(lambda: logs or {})

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._training:
            self.advance(lambda: logs or {})

    def on_test_begin(self, logs: Any = None) -> None:
        if not self._training:
            self._begin()

    def on_test_end(self, logs: Any = None) -> None:
        if not self._training:
            self._end(logs)

    def _begin(self) -> None:
        self._start, self._seen, self._shown = time.monotonic(), 0, 0.0
        if self.verbose == 1 and sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self.bar = Progress(*columns, transient=True)
            self._task = self.bar.add_task("", total=self.params.get("steps"))
            self.bar.start()

    def advance(self, numbers: Any) -> None:
        """After a batch.

        Args:
            numbers: Gives the numbers so far; called only when they are shown.
        """
        self._seen += 1
        if self.bar is not None:
            now = time.monotonic()
            if now - self._shown > _EVERY:
                self._shown = now
                self.bar.update(self._task, description=_line(numbers()))
            self.bar.advance(self._task)

    def _end(self, logs: Any) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        steps, seconds = self.params.get("steps") or self._seen, time.monotonic() - self._start
        print(f"{self._seen}/{steps} - {seconds:.0f}s - {_line(logs or {})}")


class OwnBar(ProgbarLogger):
    """That of `fit` and `evaluate` themselves, which call `advance`: numbers are fetched only where they are shown."""

    follows_batches = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Nothing: see `advance`."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Nothing: see `advance`."""


def _line(logs: Any) -> str:
    return " - ".join(f"{name}: {_shown(value)}" for name, value in logs.items())


def _shown(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"
