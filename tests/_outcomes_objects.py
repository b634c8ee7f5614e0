"""Objects of Python as configs in Keras 3's form, and back: a set of outcomes, see `_outcomes.py`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import torch
from _outcomes import plain
from _outcomes_arguments import FUNCTION, bare, of, of_array
from _outcomes_layers import told

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import KerasTorchError


@kt.saving.register_keras_serializable("tests")
class Scale(kt.initializers.Initializer):
    """An object of a registered class."""

    def __init__(self, by: Any = 2) -> None:
        self.by = by

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return torch.full(tuple(shape), float(self.by))

    def get_config(self) -> dict[str, Any]:
        return {"by": self.by}


@kt.saving.register_keras_serializable("tests")
def doubled(x: Any) -> Any:
    return 2 * x


class Unregistered:
    pass


def objects() -> Iterator[tuple[str, Callable[[], Any]]]:
    """What Keras 3's `serialize_keras_object` makes of an object, and what comes back."""
    values: dict[str, Any] = {
        **{repr(value): value for value in (None, True, 3, 2.5, "text", b"bytes", [1, (2, 3)], {"a": [None]}, (), {})},
        **{
            repr(value): value
            for value in (..., slice(1, None, 2), slice(None), torch.float16, np.float32(1.5), np.int64(3))
        },
        "tensor": torch.tensor([[1, 2]]),
        "parameter": torch.nn.Parameter(torch.tensor([1.5])),
        "array": np.array([1.0, 2.0], "float32"),
        "array of one": np.array(3, "int64"),
        "layer": layers.Dense(2, name="d"),
        "initializer": kt.initializers.GlorotUniform(seed=3),
        "regularizer": kt.regularizers.L2(0.5),
        "constraint": kt.constraints.NonNeg(),
        "activation": kt.activations.relu,
        "registered": Scale(3),
        "registered class": Scale,
        "registered function": doubled,
        "class of nobody": Unregistered,
        "list of layers": [layers.Dense(2, name="d"), slice(1, 2)],
        "dict of objects": {"a": kt.initializers.Zeros(), "b": torch.float32},
    }
    for name, value in values.items():

        def there(value: Any = value) -> Any:
            return plain_of(kt.saving.serialize_keras_object(value))

        def back(value: Any = value) -> Any:
            return said(kt.saving.deserialize_keras_object(kt.saving.serialize_keras_object(value)))

        yield f"object {name}", there
        yield f"object {name} and back", back
    for name, value in of_training().items():
        yield f"object {name}", lambda value=value: plain_of(kt.saving.serialize_keras_object(value))
        yield (
            f"object {name} and back",
            lambda value=value: said(kt.saving.deserialize_keras_object(kt.saving.serialize_keras_object(value))),
        )
    for place, name in product(
        ("losses", "metrics", "optimizers", "optimizers.schedules", "callbacks", "layers", "constraints", ""),
        ("Huber", "AUC", "SGD", "CosineDecay", "EarlyStopping", "Dense", "NonNeg", "Nobody"),
    ):
        config = {"class_name": name, "config": {}, "module": f"keras.{place}", "registered_name": None}
        yield (
            f"config of {name} in {place}",
            lambda config=config: made_of(copy.deepcopy(config)),
        )
    for value in of_training().values():
        # What `load_model` has made already is handed on as it is.
        yield f"made {type(value).__name__}", lambda value=value: kt.saving.deserialize_keras_object(value) is value
    configs: list[Any] = [
        *(
            bare("__bytes__", value="x"),
            bare("__ellipsis__"),
            bare("__slice__", start=1, stop=None, step=2),
            of_array([1.5]),
        ),
        *(
            of_array([1, 2], "__tensor__"),
            bare("Dense", units=2, name="d"),
            of("Zeros", "keras.initializers"),
            of("Zeros", "x"),
        ),
        *(
            {"class_name": 3, "config": {}},
            {"class_name": "Dense"},
            {"a": {"class_name": "__ellipsis__", "config": {}}},
            3,
            None,
        ),
        *(
            FUNCTION,
            {**FUNCTION, "config": "nobody"},
            {**FUNCTION, "config": "doubled"},
            {**FUNCTION, "config": "mine"},
        ),
        *(
            {**FUNCTION, "module": "keras.activations"},
            of("Mine", "mine", "mine>Mine"),
            of("Scale", "x", "tests>Scale", by=[1]),
        ),
        *(
            of("Nobody", "keras.layers"),
            of("L2", "keras.regularizers", l2=0.5),
            of("relu", "keras.activations"),
            {1, 2},
            object,
        ),
    ]
    for number, config in enumerate(configs):
        for given in (None, {"Mine": Scale, "mine": doubled}):
            yield (
                f"config {number} as an object, given {sorted(given or ())}",
                lambda config=config, given=given: said(kt.saving.deserialize_keras_object(config, given)),
            )
    yield "an argument that is none", lambda: kt.saving.deserialize_keras_object(3, safe=True)
    yield "safe_mode", lambda: kt.saving.deserialize_keras_object(3, safe_mode=False)


def of_training() -> dict[str, Any]:
    """Objects of every kind that training has, with arguments other than the defaults."""
    schedule = kt.optimizers.schedules.ExponentialDecay(0.5, 3, 0.25, staircase=True)
    return {
        "loss": kt.losses.Huber(delta=0.5, name="h", reduction="sum"),
        "metric": kt.metrics.TopKCategoricalAccuracy(k=3, name="top"),
        "optimizer": kt.optimizers.RMSprop(0.25, rho=0.5, momentum=0.125),
        "optimizer with a schedule": kt.optimizers.Adam(schedule, beta_1=0.5),
        "schedule": schedule,
        "list of them": [kt.losses.MeanAbsoluteError(), {"m": kt.metrics.Mean(name="mean")}, (schedule,)],
    }


def made_of(config: Any) -> Any:
    """What a config stands for, or that there is none: of the names that there are another one may come."""
    try:
        return said(kt.saving.deserialize_keras_object(config))
    except KerasTorchError as error:
        return [type(error).__name__, str(error).partition("; ")[0]]


def plain_of(value: Any) -> Any:
    return {"tuple": list(map(plain_of, value))} if isinstance(value, tuple) else plain(value)


def said(value: Any) -> Any:
    """What an object is: its type, its config and its values."""
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(said, value)]
    if isinstance(value, dict):
        return {key: said(each) for key, each in value.items()}
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return [type(value).__name__, str(value.dtype), value.tolist()]
    if hasattr(value, "get_config") and not isinstance(value, type):
        return [type(value).__name__, plain(value.get_config())]
    return getattr(value, "__name__", [type(value).__name__, str(value)])


@cache
def serialized() -> dict[str, Callable[[], Any]]:
    return {key: told(lambda case=case: plain(case())) for key, case in objects()}
