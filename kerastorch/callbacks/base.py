"""The hooks of callbacks, and the history that every training keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError, quote

PER_BATCH = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


class Callback:
    """Base of callbacks (`keras.callbacks.Callback`). A subclass defines the hooks that it needs.

    `logs` are numbers by name: "loss", the metrics, with "val_" before those of validation; where there are none yet,
    it is an empty dict.

    Attributes:
        model: The model that is trained or evaluated.
        params: "epochs", "steps" (batches of an epoch, None if not known) and "verbose".
        follows_batches: Whether hooks of batches are to be called, for which numbers are fetched from the device each
            time. None: if the class defines one.
    """

    model: Any = None
    follows_batches: bool | None = None
    params: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def set_model(self, model: Any) -> None:
        """Say which model it is."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Say how long the run is."""
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch; `logs` are those of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After an epoch and its validation."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of an epoch, counted from 0."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch; `logs` are the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Before an evaluation, also that of an epoch."""

    def on_test_end(self, logs: Any = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before `predict`, which ends after the batch in which `self.model.stop_predicting` is set to True."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of `predict`; `logs` has its "outputs", tensors."""


class History(Callback):
    """What `fit` returns (`keras.callbacks.History`).

    Attributes:
        history: Name -> the number of each epoch.
        epoch: The epochs, counted from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback made of functions (`keras.callbacks.LambdaCallback`).

    Args:
        on_epoch_begin: A function of `(epoch, logs)`.
        on_epoch_end: Likewise.
        on_train_begin: A function of `(logs)`.
        on_train_end: Likewise.
        on_train_batch_begin: A function of `(batch, logs)`.
        on_train_batch_end: Likewise.
        **hooks: Functions by the names of other hooks.

    Raises:
        ArgumentError: There is no such hook.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **hooks: Callable[..., Any] | None,
    ) -> None:
        hooks |= {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end}
        hooks |= {"on_train_begin": on_train_begin, "on_train_end": on_train_end}
        hooks |= {"on_train_batch_begin": on_train_batch_begin, "on_train_batch_end": on_train_batch_end}
        for name, function in hooks.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                raise ArgumentError(f"LambdaCallback: there is no hook {quote(name)}.")
            if function is not None:
                setattr(self, name, _without_logs(function) if name in ("on_train_begin", "on_train_end") else function)
        self.follows_batches = any(hooks.get(name) is not None for name in PER_BATCH)


def _without_logs(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda logs=None: function(logs)
