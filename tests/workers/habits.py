"""What people write around layers, run as it stands with Keras, tf-keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# ---------------------------------------------------------------- training= and inputs= in every call


def takes_training(k: ModuleType, cases: dict[str, tuple[str, dict[str, Any], Any, int | None]]) -> dict[str, Any]:
    """Of each layer: what goes wrong where it is called with `training=`, by position and by name."""
    found: dict[str, Any] = {}
    for label, (name, config, shapes, words) in cases.items():
        layer = getattr(k.layers, name)(**config)
        several = isinstance(shapes[0], (tuple, list))
        arrays = [
            random(*shape) if words is None else np.zeros(shape, "int32") for shape in (shapes if several else [shapes])
        ]
        if name in ("MultiHeadAttention", "GroupQueryAttention"):
            calls = [lambda t, layer=layer, a=arrays: layer(*a, training=t)]
        else:
            x = arrays if several else arrays[0]
            calls = [
                lambda t, layer=layer, x=x: layer(x, training=t),
                lambda t, layer=layer, x=x: layer(inputs=x, training=t),
                lambda t, layer=layer, x=x: layer(sequences=x, training=t),
            ]
        answers = []
        for call in calls:
            for training in (False, True, None):
                try:
                    call(training)
                    answers.append("fine")
                except (TypeError, ValueError) as error:
                    answers.append(type(error).__name__)
        found[label] = answers
    return found


def reached_by_training(k: ModuleType) -> dict[str, list[bool]]:
    """Which `training` arrives at a layer inside others that say nothing of it."""
    seen: list[bool] = []

    class Probe(k.layers.Layer):  # type: ignore[name-defined]
        def call(self, x: Any, training: Any = None) -> Any:
            seen.append(bool(training))
            return x

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    class Block(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.probe = Probe()

        def call(self, x: Any) -> Any:
            return self.probe(x)

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

        def get_config(self) -> Any:
            return super().get_config()

    class Knowing(Block):
        def call(self, x: Any, training: Any = None) -> Any:
            return self.probe(x)

    class Telling(Block):
        def call(self, x: Any, training: Any = None) -> Any:
            return self.probe(x, training=training)

    class Cell(Block):
        state_size = output_size = 3

        def call(self, x: Any, states: Any) -> Any:
            return self.probe(x), states

    class Own(k.Model):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()

        def call(self, x: Any) -> Any:
            return self.block(x)

    def functional() -> Any:
        x = k.Input((4, 3))
        return k.Model(x, Knowing()(Block()(x)))

    makers: dict[str, Any] = {
        "block": Block,
        "knowing": Knowing,
        "telling": Telling,
        "own model": Own,
        "sequential": lambda: k.Sequential([Block(), k.layers.Dense(2), k.layers.Dropout(0.5)]),
        "functional": functional,
        "time distributed": lambda: k.layers.TimeDistributed(Block()),
        "cell": lambda: k.layers.RNN(Cell(), return_sequences=True),
        "stacked": lambda: k.layers.RNN([k.layers.LSTMCell(3), Cell()]),
    }
    x = random(2, 4, 3)
    answers = {}
    for label, make in makers.items():
        layer = make()
        layer(x)
        kept = []
        for training in (True, False):
            seen.clear()
            layer(x, training=training)
            kept.append(sorted(set(seen)))
        answers[label] = kept
    return answers
