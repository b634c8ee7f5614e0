"""The list that calls the hooks of many callbacks: that of `fit`, and of a loop of one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ArgumentError, quote
from .base import PER_BATCH, Callback, History
from .progress import ProgbarLogger


class CallbackList(Callback):
    """Calls the hooks of many callbacks, in their order (`keras.callbacks.CallbackList`). It has their hooks itself.

    Args:
        callbacks: Callbacks, also in lists inside, or one.
        add_history: Add a `History`, if there is none; it is then `model.history`.
        add_progbar: Add a `ProgbarLogger`, if there is none.
        model: The model.
        **params: See `Callback.params`.

    Raises:
        ArgumentError: An item is no callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks: list[Callback] = _flat(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                hint = " Make an object of the class." if isinstance(callback, type) else ""
                raise ArgumentError(f"{quote(callback)} is no callback: expected objects of Callback.{hint}")
        for asked, cls in ((add_history, History), (add_progbar, ProgbarLogger)):
            if asked and not any(isinstance(callback, cls) for callback in self.callbacks):
                self.callbacks.append(cls())
        if model is not None:
            self.set_model(model)
        self.set_params(params)
        # Numbers of a batch are fetched from the device only for those who ask for them.
        self.follows_batches = any(map(_follows_batches, self.callbacks))

    def set_model(self, model: Any) -> None:
        """Say which model it is."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)
            if isinstance(callback, History):
                model.history = callback

    def set_params(self, params: dict[str, Any]) -> None:
        """Say how long the run is."""
        super().set_params(params)
        for callback in self.callbacks if params else ():
            callback.set_params(params)

    def call(self, hook: str, *place: int, logs: Any = None) -> None:
        """Call one hook of all.

        Args:
            hook: Its name.
            *place: The number of the epoch or of the batch.
            logs: The numbers, a dict that hooks may add to; None if there are none, for which a hook gets an empty one.
        """
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, hook)(*place, logs)

    def _told(self, hook: str, *place: int, logs: Any) -> None:
        self.call(hook, *place, logs=_plain(logs))


def _hook(name: str) -> Any:
    """A hook of the list, which is that of all in it; numbers in tensors and arrays become Python's."""
    if any(part in name for part in ("_batch_", "_epoch_")):

        def placed(self: CallbackList, place: int, logs: Any = None) -> None:
            self._told(name, place, logs=logs)

        return placed

    def plain(self: CallbackList, logs: Any = None) -> None:
        self._told(name, logs=logs)

    return plain


for _name in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(CallbackList, _name, _hook(_name))


def _flat(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    if isinstance(callbacks, Iterable):
        return [each for item in callbacks for each in _flat(item)]
    return [callbacks]


def _plain(logs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in (logs or {}).items():
        if isinstance(value, Mapping):
            found |= _plain(value)
        else:
            found[name] = value.item() if getattr(value, "ndim", None) == 0 else value
    return found


def _follows_batches(callback: Callback) -> bool:
    if callback.follows_batches is not None:
        return callback.follows_batches
    return any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in PER_BATCH)
