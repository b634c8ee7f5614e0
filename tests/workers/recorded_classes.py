"""Classes of one's own without `get_config`: the same code with Keras or kerastorch as `k`."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np


def recorded(k: ModuleType) -> dict[str, Any]:
    """The configs of classes that have no `get_config`, what is made of them again, and which have none."""

    class Kept(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, units: int, sizes: Any = (1, 2), options: Any = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units, self.sizes, self.options = units, sizes, options

        def call(self, x: Any) -> Any:
            return x

    class Derived(Kept):
        def __init__(self, units: int, more: float = 0.5, **kwargs: Any) -> None:
            super().__init__(units * 2, **kwargs)
            self.more = more

    class Asking(Kept):
        def get_config(self) -> Any:
            return {**super().get_config(), "units": self.units}

    class Listed(Kept):
        def __init__(self, *units: int, **kwargs: Any) -> None:
            super().__init__(len(units), **kwargs)

    made = {
        "defaults": Kept(3, name="a"),
        "all": Kept(3, [4, {"x": (1.5, None)}], options={"deep": True}, trainable=False, name="b"),
        "derived": Derived(3, name="c"),
        "asking": Asking(4, name="d"),
        "no positions": Listed(name="e"),
    }
    found: dict[str, Any] = {}
    for label, layer in made.items():
        config = layer.get_config()
        again = type(layer).from_config(dict(config))
        found[label] = [
            sorted(config),
            {key: value for key, value in config.items() if key != "dtype"},
            [again.name, again.trainable, again.units],
        ]
    for label, make in {
        "array": lambda: Kept(np.ones(2)),
        "function": lambda: Kept(len),
        "layer": lambda: Kept(1, options=k.layers.Dense(2)),
        "inside": lambda: Kept(1, options={"a": [np.float32(3)]}),
        "positions": lambda: Listed(1, 2),
    }.items():
        try:
            make().get_config()
            found[label] = "a config"
        except NotImplementedError:
            found[label] = "none"
    return found


def own_cells_without_config(k: ModuleType, folder: str, x: np.ndarray, arrays: list[np.ndarray]) -> dict[str, Any]:
    """A cell and a layer without `get_config` in wrappers: cloned, saved, loaded, made from configs."""

    class Cell(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, units: int, scale: float = 1.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = self.state_size = self.output_size = units
            self.scale = scale

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.built = True

        def call(self, x: Any, states: Any) -> Any:
            y = x @ self.kernel * self.scale + states[0]
            return y, [y]

    class Twice(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self, factor: float, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, x: Any) -> Any:
            return x * self.factor

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    objects = {"Cell": Cell, "Twice": Twice}
    with k.saving.custom_object_scope(objects):
        rnn = k.layers.RNN(Cell(3, scale=0.5), return_sequences=True)
        inner = [k.layers.Bidirectional(rnn), k.layers.TimeDistributed(Twice(3.0)), k.layers.RNN(Cell(2))]
        model = k.Sequential([k.Input((4, 2)), *inner])
        model.set_weights(arrays)
        clone = k.models.clone_model(model)
    clone.set_weights(arrays)
    path = f"{folder}/{k.__name__}.keras"
    model.save(path)
    loaded = k.models.load_model(path, custom_objects=objects)
    config = k.layers.serialize(model.layers[0])
    again = k.layers.deserialize(config, custom_objects=objects)
    remade = k.Sequential.from_config(model.get_config(), custom_objects=objects)
    remade.set_weights(arrays)
    return {
        "outputs": [m.predict(x, verbose=0) for m in (model, clone, loaded, remade)],
        "scales": [again.forward_layer.cell.scale, again.backward_layer.cell.scale, again.forward_layer.cell.units],
    }
