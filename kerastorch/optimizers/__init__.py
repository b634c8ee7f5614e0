"""Keras's optimizers with Keras's arithmetic, as `torch.optim.Optimizer`s.

`torch.optim` has optimizers of the same names whose rules differ: where epsilon stands in Adam and RMSprop, what the
learning rate multiplies in SGD with momentum, Nadam's schedule, weight decay. A training that goes on in torch with
those leaves the path that Keras would have taken. These take it:

    optimizer = kt.optimizers.Adam(learning_rate=1e-3, clipnorm=1.0)
    optimizer.build(model)  # or Adam(..., params=model.parameters())
    loss.backward()
    optimizer.step()

Read `optimizer.py` first: what all have in common, in the order in which Keras does it. `rules.py`, `adam.py` and
`whole.py` have the update rules of Keras 3 and of tf.keras since 2.11; `legacy.py` those of tf.keras up to 2.10, which
newer ones have as `tf.keras.optimizers.legacy`, and of Keras before; `schedules.py` the schedules of the learning rate.
Nothing here knows a layer or a model.
"""

from collections.abc import Callable as _Callable
from typing import TYPE_CHECKING
from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from . import legacy, schedules
from .adam import Adam, Adamax, AdamW, Nadam, ScheduleFreeAdamW
from .loss_scale import LossScaleOptimizer
from .optimizer import Optimizer
from .registry import ABSENT as _ABSENT
from .registry import deserialize, get, serialize
from .rules import SGD, Adadelta, Adagrad, Ftrl, Lion, RMSprop
from .whole import Adafactor, Lamb, Muon

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "legacy",
    "schedules",
    "serialize",
]


_namespace = _Namespace(__name__, globals(), absent=_ABSENT)


if TYPE_CHECKING:
    load_keras_state: _Callable[..., _Any]
else:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_namespace.names()})
