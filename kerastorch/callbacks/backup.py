"""A training that is killed and goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, quote
from .base import Callback

_FILE, _META = "latest.npz", "meta"


class BackupAndRestore(Callback):
    """Keep what a training needs to go on, and go on with it (`keras.callbacks.BackupAndRestore`).

    `fit` with the same arguments begins after the last epoch that was kept, with the weights, the state of the
    optimizer (torch's too) and torch's random numbers of then: it ends with the numbers of a run that nobody has
    killed. What other callbacks remember is not kept, as in Keras.

    Args:
        backup_dir: A folder for this training alone. A file in it stays whole until the next one is.
        save_freq: "epoch", or a number of batches; then the epoch that was interrupted begins anew.
        delete_checkpoint: Delete the file when the training ends.

    Raises:
        ArgumentError: An argument is of a wrong kind; or, in `fit`, the file is of another model.
    """

    def __init__(self, backup_dir: Any, save_freq: Any = "epoch", delete_checkpoint: bool = True) -> None:
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1):
            raise ArgumentError(
                f"BackupAndRestore: save_freq is {quote(save_freq)}, expected 'epoch' or a number of batches."
            )
        self.backup_dir, self.save_freq, self.delete_checkpoint = os.fspath(backup_dir), save_freq, delete_checkpoint
        self.follows_batches = save_freq != "epoch"
        self._epoch, self._batches = 0, 0

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
        self._batches += 1
        if isinstance(self.save_freq, int) and self._batches % self.save_freq == 0:
            self._keep(self._epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the state after an epoch."""
        if self.save_freq == "epoch":
            self._keep(epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Delete the file."""
        if self.delete_checkpoint and os.path.exists(self._path):
            os.unlink(self._path)

    # ------------------------------------------------------------------ the file

    def _keep(self, epoch: int) -> None:
        packed = _Packed()
        weights = packed.of({key: value.detach() for key, value in self.model.state_dict().items()})
        optimizer = packed.of(self.model.optimizer.state_dict())
        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        chance = packed.of([torch.get_rng_state(), *devices])
        meta = {"epoch": epoch, "weights": weights, "optimizer": optimizer, "chance": chance}
        packed.arrays[_META] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        os.makedirs(self.backup_dir, exist_ok=True)
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                np.savez(file, allow_pickle=False, **packed.arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        finally:
            if os.path.exists(temporary):
                os.unlink(temporary)

    def _restored(self) -> int:
        with np.load(self._path, allow_pickle=False) as stored:
            arrays = dict(stored)
        meta = json.loads(arrays[_META].tobytes())
        weights = _unpacked(meta["weights"], arrays)
        wanted = {key: tuple(value.shape) for key, value in self.model.state_dict().items()}
        found = {key: tuple(value.shape) for key, value in weights.items()}
        if wanted != found:
            differ = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
            raise ArgumentError(
                f"BackupAndRestore: {quote(self._path)} is of another model: {', '.join(map(quote, differ[:5]))} "
                "differ. Give each training a folder of its own, or delete the file."
            )
        self.model.load_state_dict(weights)
        build = getattr(self.model.optimizer, "build", None)
        if build is not None:
            build(self.model)
        self.model.optimizer.load_state_dict(_unpacked(meta["optimizer"], arrays))
        own, *devices = _unpacked(meta["chance"], arrays)
        torch.set_rng_state(own)
        if devices and len(devices) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(devices)
        return int(meta["epoch"])


class _Packed:
    """Tensors in nested lists and dicts as arrays; the rest as JSON that names them."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            name = f"array_{len(self.arrays)}"
            dense = value.detach().cpu().contiguous()
            dtype = str(dense.dtype).removeprefix("torch.")
            self.arrays[name] = (dense.view(torch.int16) if dense.dtype == torch.bfloat16 else dense).numpy()
            return {"array": name, "dtype": dtype}
        if isinstance(value, Mapping):
            return {"items": [[key, self.of(item)] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            return {"tuple" if isinstance(value, tuple) else "list": [self.of(item) for item in value]}
        if value is None or isinstance(value, (bool, int, float, str)):
            return {"value": float(value) if isinstance(value, float) else value}
        raise ArgumentError(f"BackupAndRestore: the optimizer keeps {quote(value)}, which no file of numbers can hold.")


def _unpacked(packed: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if "array" in packed:
        tensor = torch.from_numpy(np.array(arrays[packed["array"]]))
        return tensor.view(torch.bfloat16) if packed["dtype"] == "bfloat16" else tensor
    if "items" in packed:
        return {key: _unpacked(item, arrays) for key, item in packed["items"]}
    for kind, make in (("tuple", tuple), ("list", list)):
        if kind in packed:
            return make(_unpacked(item, arrays) for item in packed[kind])
    return packed["value"]
