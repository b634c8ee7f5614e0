"""Models of a person's own class with a config of their own: the same lines make them in Keras and here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from .layers import flat

WORDS, TIME = 9, 4


def classes(k: ModuleType) -> dict[str, Any]:
    """The classes by their names; `k` is a Keras, or kerastorch."""
    lay = k.layers

    def tagger(units: int) -> tuple[Any, Any]:
        words = k.Input((TIME,))
        x = lay.Embedding(WORDS, 3, mask_zero=True)(words)
        forth, back = lay.Dense(units)(x), lay.Dense(units, activation="tanh")(x)
        return words, lay.Dense(2)(lay.Concatenate()([back, lay.Dense(units)(forth)]))

    class Tagger(k.Model):
        """A graph that the constructor makes, with the constructor's argument as config."""

        def __init__(self, units: int = 3, **base: Any) -> None:
            words, tags = tagger(units)
            super().__init__(inputs=words, outputs=tags, **base)
            self.units = units

        def get_config(self) -> dict[str, Any]:
            return {"units": self.units}

    class Adding(Tagger):
        """The same, which adds to Keras's config."""

        def get_config(self) -> dict[str, Any]:
            config = super(Tagger, self).get_config()
            return {**{key: config[key] for key in ("name", "trainable") if key in config}, "units": self.units}

    class Unsaid(k.Model):
        """A graph that the constructor makes, without a config of its own."""

        def __init__(self, **base: Any) -> None:
            words, tags = tagger(3)
            super().__init__(inputs=words, outputs=tags, **base)

    class Graph(k.Model):
        """Keras's own constructor, and config."""

    class Chain(k.Sequential):
        """A chain that the constructor makes."""

        def __init__(self, units: int = 3, **base: Any) -> None:
            super().__init__([lay.Embedding(WORDS, 3, mask_zero=True), lay.LSTM(units), lay.Dense(2)], **base)
            self.units = units

        def get_config(self) -> dict[str, Any]:
            return {"units": self.units}

        @classmethod
        def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
            return cls(**config)

    class Called(k.Model):
        """Python code in the place of a graph."""

        def __init__(self, units: int = 3, **base: Any) -> None:
            super().__init__(**base)
            self.embed, self.read = lay.Embedding(WORDS, 3), lay.GRU(units)
            self.units = units

        def call(self, x: Any) -> Any:
            return self.read(self.embed(x))

        def get_config(self) -> dict[str, Any]:
            return {"units": self.units}

    class Doubled(lay.Layer):
        """A layer that hands its mask on."""

        def __init__(self, **base: Any) -> None:
            super().__init__(**base)
            self.supports_masking = True

        def call(self, x: Any) -> Any:
            return x * 2

    return {cls.__name__: cls for cls in (Tagger, Adding, Unsaid, Graph, Chain, Called, Doubled)}


def made(k: ModuleType, name: str) -> Any:
    """A model: the class itself, or called twice `Inside` a graph of Keras's or at its `End`; `Masked` has a layer."""
    own = classes(k)
    if name == "Masked":
        words = k.Input((TIME,))
        x = own["Doubled"]()(k.layers.Embedding(WORDS, 3, mask_zero=True)(words))
        return k.Model(words, k.layers.LSTM(2)(x))
    place, _, inner = name.rpartition(" ")
    model = graph(k, own["Graph"]) if inner == "Graph" else own[inner](**({"units": 4} if place else {}))
    if not place:
        return model
    words = k.Input((TIME,))
    one, other = model(words), model(k.layers.Rescaling(1.0)(words))
    outputs = [one, other] if place == "End" else k.layers.Dense(2)(k.layers.Add()([one, other]))
    return k.Model(words, outputs)


def graph(k: ModuleType, cls: Any) -> Any:
    """A model of a class that takes a graph."""
    words = k.Input((TIME,))
    return cls(words, k.layers.LSTM(2)(k.layers.Embedding(WORDS, 3, mask_zero=True)(words)))


def read(k: ModuleType, path: str, x: np.ndarray) -> tuple[list[np.ndarray], str]:
    """What a file computes, and the class of its model."""
    model = k.models.load_model(path, compile=False, custom_objects=classes(k))
    return [np.asarray(output) for output in flat(model(x))], type(model).__name__
