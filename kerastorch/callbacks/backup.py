"""A training that is killed and goes on where it was."""

from __future__ import annotations

import os
from typing import Any

import torch

from ..distributed import pack, unpack
from ..errors import ArgumentError, quote
from ..paths import text_of
from .base import Callback
from .monitoring import Due

_FILE = "latest.npz"


class BackupAndRestore(Callback):
    """Keep what a training needs to go on, and go on with it (`keras.callbacks.BackupAndRestore`).

    `fit` with the same arguments begins after the last epoch that was kept, with the weights, the state of the
    optimizer (torch's too) and torch's random numbers of then: it ends with the numbers of a run that nobody has
    killed. What other callbacks remember is not kept, as in Keras.

    Args:
        backup_dir: A folder for this training alone. A file in it stays whole until the next one is.
        save_freq: "epoch", or a number of batches; then the epoch that was interrupted begins anew.
        double_checkpoint: Keras's; a file here stays whole until the next one is, so none beside it is needed.
        delete_checkpoint: Delete the file when the training ends.

    Raises:
        ArgumentError: An argument is of a wrong kind; or, in `fit`, the file is of another model.
    """

    def __init__(
        self, backup_dir: Any, save_freq: Any = "epoch", double_checkpoint: bool = False, delete_checkpoint: bool = True
    ) -> None:
        self._due = Due(save_freq, "BackupAndRestore")
        self.backup_dir, self.save_freq, self.delete_checkpoint = (
            text_of(backup_dir, "BackupAndRestore: backup_dir"),
            save_freq,
            delete_checkpoint,
        )
        self.double_checkpoint = double_checkpoint
        self.follows_batches = self._due.of_batches
        self._epoch = 0

    @property
    def _path(self) -> str:
        return os.path.join(self.backup_dir, _FILE)

    def on_train_begin(self, logs: Any = None) -> None:
        """Go on with what is there."""
        if os.path.exists(self._path):
            self.model.__dict__["_initial_epoch"] = self._restored()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember which epoch it is."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keep the state after so many batches."""
        if self._due.after(batch):
            self._keep(self._epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the state after an epoch."""
        if not self._due.of_batches:
            self._keep(epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Delete the file."""
        if self.delete_checkpoint and os.path.exists(self._path):
            os.unlink(self._path)

    # ------------------------------------------------------------------ the file

    def _keep(self, epoch: int) -> None:
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        state = {"epoch": epoch, **state_of(self.model), "chance": [torch.get_rng_state(), *devices]}
        os.makedirs(self.backup_dir, exist_ok=True)
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                file.write(pack(state))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def _restored(self) -> int:
        with open(self._path, "rb") as file:
            state = unpack(file.read())
        wanted = {key: tuple(value.shape) for key, value in self.model.state_dict().items()}
        found = {key: tuple(value.shape) for key, value in state["weights"].items()}
        if wanted != found:
            differ = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
            raise ArgumentError(
                f"BackupAndRestore: {quote(self._path)} is of another model: {', '.join(map(quote, differ[:5]))} "
                "differ. Give each training a folder of its own, or delete the file."
            )
        put_state(self.model, state)
        own, *devices = state["chance"]
        torch.set_rng_state(own)
        if devices and len(devices) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(devices)
        return int(state["epoch"])


def state_of(model: Any) -> dict[str, Any]:
    """What the steps of a training change, which `put_state` takes: the weights and the state of the optimizer."""
    optimizer = model.optimizer
    state = None if optimizer is None or not getattr(optimizer, "built", True) else optimizer.state_dict()
    return {"weights": dict(model.state_dict()), "optimizer": state}


def put_state(model: Any, state: dict[str, Any]) -> None:
    """Put a state of `state_of` into the model and its optimizer."""
    model.load_state_dict(state["weights"])
    if state["optimizer"] is not None:
        build = getattr(model.optimizer, "build", None)
        if build is not None:
            build(model)
        model.optimizer.load_state_dict(state["optimizer"])
