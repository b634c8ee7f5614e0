"""Keras's callbacks: what `fit` and `evaluate` tell of their course, and what reacts to it.

Read `base.py` first: the hooks of `Callback`, and the list that calls them. `stopping.py` ends a training, `rates.py`
changes the learning rate, `files.py` writes models and tables, `progress.py` shows how far a run is. A class of one's
own is a subclass of `Callback` with the hooks that it needs. Nothing here knows a model beyond its methods.
"""

from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from .base import Callback, CallbackList, History, LambdaCallback
from .files import CSVLogger, ModelCheckpoint
from .progress import ProgbarLogger
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

_namespace = _Namespace(
    __name__,
    globals(),
    absent={
        "BackupAndRestore": "save with ModelCheckpoint, and go on with load_weights and fit(initial_epoch=...).",
        "OrbaxCheckpoint": "use ModelCheckpoint, or torch.save of the state dicts of model and optimizer.",
        "RemoteMonitor": "send the numbers in on_epoch_end of a Callback of your own.",
        "SwapEMAWeights": "give the optimizer use_ema=True, and call its finalize_variable_values() before judging.",
        "TensorBoard": "use torch.utils.tensorboard.SummaryWriter in on_epoch_end of a Callback of your own.",
    },
)


def __getattr__(name: str) -> _Any:
    return _namespace.get(name)


def __dir__() -> list[str]:
    return sorted(__all__)
