"""Nested outputs, and the parts of a training in a loop of one's own: the same code with Keras or kerastorch as `k`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .fit_habits import _every, _fit, _model, _told, arrays

Nest = Callable[[Any, Any, Any], Any]


def _three(k: ModuleType, nest: Nest, own: bool = False) -> Any:
    """A model of three outputs in others; `own`: of a class of one's own."""
    x, random = k.Input((3,)), np.random.default_rng(4)
    parts = [k.layers.Dense(units, name=f"o{units}") for units in (1, 2, 3)]
    model = k.Model(x, nest(*(part(x) for part in parts)))
    if own:

        class Own(k.Model):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.parts = parts

            def call(self, x: Any) -> Any:
                return nest(*(part(x) for part in self.parts))

        model = Own()
    for part in parts:
        part.set_weights([random.normal(size=np.shape(each)).astype("float32") for each in part.get_weights()])
    return model


def nested(k: ModuleType) -> list[Any]:
    """Losses, weights of losses, metrics and targets of outputs in dicts and lists in others."""
    random = np.random.default_rng(5)
    x = random.normal(size=(8, 3)).astype("float32")
    targets = [random.normal(size=(8, units)).astype("float32") for units in (1, 2, 3)]
    nests: tuple[Nest, ...] = (
        lambda a, b, c: {"b": {"d": b, "c": a}, "a": c},
        lambda a, b, c: [a, [b, c]],
        lambda a, b, c: {"a": a, "b": [b, c]},
    )
    found: list[Any] = []
    for nest in nests:
        ways: tuple[dict[str, Any], ...] = (
            {"loss": "mse"},
            {"loss": nest("mse", "mae", "mse"), "loss_weights": nest(1.0, 2.0, 0.5)},
            {"loss": ["mse", "mae", "mse"], "metrics": nest(["mae"], ["mae", "mse"], "mae")},
            {"loss": "mse", "metrics": {"o1": ["mae"], "o2": ["mse"], "o3": ["mae", "mse"]}},
            {"loss": nest("mse", None, "mae"), "weighted_metrics": nest(None, ["mae"], None)},
            {"loss": "mse", "metrics": ["mae"]},
        )
        for way in ways:

            def run(way: dict[str, Any] = way, nest: Nest = nest) -> Any:
                model = _three(k, nest)
                model.compile(k.optimizers.SGD(0.125), run_eagerly=True, **way)
                return [_fit(model, x, nest(*targets)), model.evaluate(x, nest(*targets), verbose=0, return_dict=True)]

            found.append(_told(run))
        model = _three(k, nest, own=True)
        model.compile(k.optimizers.SGD(0.125), "mse", run_eagerly=True)
        found.append(_fit(model, x, nest(*targets)))
    return found


def lists_of_callbacks(k: ModuleType) -> list[Any]:
    """A list of callbacks in a loop of one's own, and one given to `fit`."""
    x, y = arrays(13)
    calls: list[Any] = []
    model = _model(k)
    given = k.callbacks.CallbackList([_every(k, calls, {})], add_history=True, model=model, epochs=2, steps=1)
    given.on_train_begin()
    for epoch in range(2):
        given.on_epoch_begin(epoch)
        given.on_train_batch_begin(0)
        logs = {"loss": np.float32(model.train_on_batch(x, y)), "more": {"size": np.array(2.0)}}
        given.on_train_batch_end(0, logs)
        given.on_epoch_end(epoch, logs)
    given.on_train_end(logs)
    found = [calls, sorted(model.history.history.items()), model.history.epoch, sorted(given.params.items())]
    stops = k.callbacks.EarlyStopping("loss", patience=0, mode="max")
    given = k.callbacks.CallbackList([stops], add_history=True, model=model)
    found.append(_fit(model, x, y, epochs=5, callbacks=given))
    found.append(stops.get_monitor_value({"loss": 2.0}))
    slower = k.callbacks.ReduceLROnPlateau("loss", mode="max", patience=1, cooldown=1, factor=0.5)
    return [*found, _fit(model, x, y, epochs=4, callbacks=[slower]), slower.in_cooldown()]


def scaled_losses(k: ModuleType) -> list[Any]:
    """The arguments of an optimizer that scales losses."""
    scaling, found = k.optimizers.LossScaleOptimizer, []
    ways: tuple[dict[str, Any], ...] = (
        {"dynamic": True, "clipnorm": None, "use_ema": False, "ema_momentum": 0.99, "name": "mine"},
        {"dynamic": False},
        {"weight_decay": 0.1},
        {"use_ema": True},
        {"loss_scale_factor": 2.0},
        {"nobody": 1},
    )
    for way in ways:

        def made(way: dict[str, Any] = way) -> Any:
            config = scaling(k.optimizers.SGD(0.5), **way).get_config()
            config["inner_optimizer"] = config["inner_optimizer"]["class_name"]
            return sorted(config.items())

        def from_config(way: dict[str, Any] = way) -> Any:
            config = {**scaling(k.optimizers.SGD(0.5)).get_config(), **way}
            return scaling.from_config(config).initial_scale

        found += [_told(made), _told(from_config)]
    return found


def metrics_of_layers(k: ModuleType) -> list[Any]:
    """The metrics that a layer and what is inside it keep."""

    class Inner(k.layers.Layer):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.size = k.metrics.Mean(name="size")

        def call(self, x: Any) -> Any:
            self.size.update_state(x)
            return x

    class Outer(Inner):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def call(self, x: Any) -> Any:
            return self.inner(super().call(2 * x))

    layer, plain = Outer(), k.layers.Dense(2)
    layer(np.arange(6, dtype="float32").reshape(2, 3))
    numbers = [[float(np.array(each)) for each in metric.variables] for metric in layer.metrics]
    names = [metric.name for metric in layer.metrics]
    return [names, numbers, len(layer.metrics_variables), plain.metrics, plain.metrics_variables]
