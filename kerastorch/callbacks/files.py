"""Callbacks that write files: models, and tables of numbers."""

from __future__ import annotations

import csv
import os
from typing import Any

from ..errors import ArgumentError, quote
from ..paths import text_of
from .base import Callback
from .monitoring import Monitoring


class ModelCheckpoint(Monitoring):
    """Save the model while it is trained (`keras.callbacks.ModelCheckpoint`).

    Args:
        filepath: Where; `{epoch}` and names of the logs are filled in, as in "model-{epoch:02d}-{val_loss:.2f}.keras".
        monitor: What `save_best_only` follows.
        verbose: 1 prints what is saved.
        save_best_only: Save only when the number has become better.
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
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ArgumentError(
                f"ModelCheckpoint: save_freq is {quote(save_freq)}, expected 'epoch' or a number of batches."
            )
        self.verbose, self.save_best_only, self.save_weights_only = verbose, save_best_only, save_weights_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        self._batches, self._epoch = 0, 0
        self.follows_batches = save_freq != "epoch"

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if isinstance(self.save_freq, int):
            self._batches += 1
            if self._batches % self.save_freq == 0:
                self._save(self._epoch, logs, batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Any, batch: int | None = None) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.is_better(value, self.best):
                return
            self.best = value
        filled = {**(logs or {}), "epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1})}
        try:
            path = self.filepath.format(**filled)
        except KeyError as error:
            raise ArgumentError(
                f"ModelCheckpoint: the name {quote(self.filepath)} asks for {error}, which is not in the logs: "
                f"{', '.join(map(repr, filled))}."
            ) from error
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: saving model to {path}")
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)  # as Keras does
        (self.model.save_weights if self.save_weights_only else self.model.save)(path, overwrite=True)


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
        row = [epoch, *(logs.get(name, "NA") for name in self._names[1:])]
        csv.writer(self._file, delimiter=self.separator).writerow(row)
        self._file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self._file.close()
        self._file = None
