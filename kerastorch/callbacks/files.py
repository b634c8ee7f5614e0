"""Callbacks that write files: models, and tables of numbers."""

from __future__ import annotations

import csv
import os
from typing import Any

from ..errors import ArgumentError, quote
from ..paths import text_of
from .base import Callback
from .monitoring import Due, Monitoring


class ModelCheckpoint(Monitoring):
    """Save the model while it is trained (`keras.callbacks.ModelCheckpoint`).

    Args:
        filepath: Where; `{epoch}` and names of the logs are filled in, as in "model-{epoch:02d}-{val_loss:.2f}.keras".
        monitor: What `save_best_only` follows.
        verbose: 1 prints what is saved.
        save_best_only: Save only when the number has become better; always, with a warning, where there is none.
        save_weights_only: Save the weights alone; the name then ends with ".weights.h5".
        mode: See `Monitoring`.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: What the first number must be better than.

    Raises:
        ArgumentError: The name does not fit, or an argument is of a wrong kind.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = text_of(filepath, "ModelCheckpoint: filepath")
        if save_weights_only and not self.filepath.endswith(".weights.h5"):
            raise ArgumentError(
                "ModelCheckpoint: with save_weights_only the name must end with .weights.h5, got "
                f"{quote(self.filepath)}."
            )
        if not save_weights_only and not self.filepath.endswith((".keras", ".h5")):
            raise ArgumentError(f"ModelCheckpoint: the name must end with .keras or .h5, got {quote(self.filepath)}.")
        self._due = Due(save_freq, "ModelCheckpoint")
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        self._epoch = 0
        self.follows_batches = self._due.of_batches

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._due.after(batch):
            self._save(self._epoch, logs, batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not self._due.of_batches:
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Any, batch: int | None = None) -> None:
        filled = {**(logs or {}), "epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1})}
        try:
            path = self.filepath.format(**filled)
        except KeyError as error:
            raise ArgumentError(
                f"ModelCheckpoint: the name {quote(self.filepath)} asks for {error}, which is not in the logs: "
                f"{', '.join(map(repr, filled))}."
            ) from error
        if not self._is_due(f"\nEpoch {epoch + 1}: ", path, logs):
            return
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)  # as Keras does
        (self.model.save_weights if self.save_weights_only else self.model.save)(path, overwrite=True)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _is_due(self, start: str, path: str, logs: Any) -> bool:
        """Whether to save, which is said where that is asked for. A number that is not there holds nothing back."""
        value = self.value(logs) if self.save_best_only else None
        better = value is None or self.is_better(value, self.best)
        best = "None" if self.best is None else f"{self.best:.5f}"
        news = f"saving model to {path}" if better else f"{self.monitor} did not improve from {best}"
        if value is not None and better:
            self.best, news = value, f"{self.monitor} improved from {best} to {value:.5f}, {news}"
        if self.verbose:
            print(start + news)
        return better


class CSVLogger(Callback):
    """Write the numbers of each epoch into a table (`keras.callbacks.CSVLogger`).

    Args:
        filename: The file.
        separator: Between the columns.
        append: Go on in a file that is there.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = text_of(filename, "CSVLogger: filename"), separator, append
        self._file: Any = None
        self._names: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        going_on = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115 - closed at the end
        self._names = []
        self._heads = not going_on

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        if not self._names:
            names = sorted(logs)
            if not any(name.startswith("val_") for name in names):  # a later epoch may be validated
                names += [f"val_{name}" for name in names]
            self._names = ["epoch", *names]
            if self._heads:
                csv.writer(self._file, delimiter=self.separator).writerow(self._names)
        row = [epoch, *(_cell(logs.get(name, "NA")) for name in self._names[1:])]
        csv.writer(self._file, delimiter=self.separator).writerow(row)
        self._file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self._file.close()
        self._file = None


def _cell(value: Any) -> Any:
    """A number or a text as it is; of a metric with several numbers, all of them in brackets, as Keras writes them."""
    return f'"[{", ".join(map(str, value))}]"' if isinstance(value, (list, tuple)) else value
