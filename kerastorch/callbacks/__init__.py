"""Keras's callbacks: what `fit` and `evaluate` tell of their course, and what reacts to it.

Read `base.py` first: the hooks of `Callback`, and the list that calls them. `stopping.py` ends a training, `rates.py`
changes the learning rate, `files.py` writes models and tables, `progress.py` shows how far a run is. A class of one's
own is a subclass of `Callback` with the hooks that it needs. Nothing here knows a model beyond its methods.
"""

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
