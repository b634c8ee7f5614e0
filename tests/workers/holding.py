"""Layers of a person's own class around others, in the ways in which Keras's guides write their configs."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

WAYS = ("one", "many", "each", "dict", "raw", "shape")


def classes(k: ModuleType) -> dict[str, Any]:
    """Way -> class."""
    lay = k.layers

    class Holder(lay.Layer):
        def __init__(self, held: Any, **options: Any) -> None:
            super().__init__(**options)
            self.held = held

        def call(self, x: Any) -> Any:
            held = self.held
            for layer in (
                held.values() if isinstance(held, dict) else held if isinstance(held, (list, tuple)) else [held]
            ):
                x = layer(x)
            return x

        def get_config(self) -> Any:
            return {**super().get_config(), "held": k.saving.serialize_keras_object(self.held)}

        @classmethod
        def from_config(cls, config: Any) -> Any:
            return cls(k.saving.deserialize_keras_object(config.pop("held")), **config)

    class Each(Holder):
        def get_config(self) -> Any:
            return {**super().get_config(), "held": [lay.serialize(layer) for layer in self.held]}

        @classmethod
        def from_config(cls, config: Any) -> Any:
            config["held"] = [lay.deserialize(item) for item in config["held"]]
            return cls(**config)

    class Raw(Holder):
        """The objects themselves stand in the config, and the constructor takes what is made of them."""

        def __init__(self, held: Any, **options: Any) -> None:
            super().__init__(k.saving.deserialize_keras_object(held) if isinstance(held, dict) else held, **options)

        def get_config(self) -> Any:
            return {**super().get_config(), "held": self.held}

        @classmethod
        def from_config(cls, config: Any) -> Any:
            return cls(**config)

    class Told(Holder):
        """It says its output shape, so that its call need not be run for that."""

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 3)

    return {"one": Holder, "many": Holder, "each": Each, "dict": Holder, "raw": Raw, "shape": Told}


def made(k: ModuleType, way: str, sequential: bool) -> Any:
    lay = k.layers
    many = [lay.Dense(5, activation="tanh", name="a"), lay.Dense(3, name="b")]
    held = {"one": many[1], "raw": many[1], "shape": many[1], "dict": {"x": many[0], "y": many[1]}}.get(way, many)
    holder = classes(k)[way](held, name="holder")
    if sequential:
        model = k.Sequential([lay.Input((4,)), holder, lay.Dense(2, name="end")])
    else:
        start = lay.Input((4,))
        model = k.Model(start, lay.Dense(2, name="end")(holder(start)))
    return model


def write(k: ModuleType, way: str, sequential: bool, path: str, x: np.ndarray) -> tuple[int, Any, Any]:
    """How many weights there are before any call, the weights, and what the model computes; it is saved."""
    model = made(k, way, sequential)
    count, rng = model.count_params(), np.random.default_rng(4)
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    model.save(path)
    return count, model.get_weights(), np.asarray(model.predict(x, verbose=0))


def read(k: ModuleType, way: str, path: str, x: np.ndarray) -> tuple[Any, Any]:
    """What a model that is loaded has and computes."""
    cls = classes(k)[way]
    model = k.models.load_model(path, custom_objects={cls.__name__: cls}, compile=False)
    return model.get_weights(), np.asarray(model.predict(x, verbose=0))
