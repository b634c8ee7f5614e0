"""Keras's callbacks: what `fit` and `evaluate` tell of their course, and what reacts to it.

Read `base.py` first: the hooks of `Callback`. `callback_list.py` calls those of many. `stopping.py` ends a training,
`rates.py` changes the learning rate, `files.py` writes models and tables, `tensorboard.py` what TensorBoard shows,
`backup.py` lets a killed training go on, `averages.py` judges the averages of the weights, `progress.py` shows how far
a run is. A class of one's own is a subclass of `Callback` with the hooks that it needs. Nothing here knows a model
beyond its methods.
"""

from typing import TYPE_CHECKING
from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from .averages import SwapEMAWeights
from .backup import BackupAndRestore
from .base import Callback, History, LambdaCallback
from .callback_list import CallbackList
from .files import CSVLogger, ModelCheckpoint
from .progress import ProgbarLogger
from .rates import LearningRateScheduler, ReduceLROnPlateau
from .stopping import EarlyStopping, TerminateOnNaN
from .tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
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
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]

_namespace = _Namespace(
    __name__,
    globals(),
    absent={
        "OrbaxCheckpoint": "use ModelCheckpoint, or torch.save of the state dicts of model and optimizer.",
        "RemoteMonitor": "send the numbers in on_epoch_end of a Callback of your own.",
    },
)


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return sorted(__all__)
