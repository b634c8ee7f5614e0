"""Metrics by their names and configs: `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, closest, quote
from ..losses.registry import FUNCTIONS
from . import confusion, means, metric
from .metric import MeanMetricWrapper, Metric

_CLASSES: dict[str, type[Metric]] = {
    name: value
    for module in (means, confusion, metric)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Metric) and name[0] != "_" and name not in ("Metric",)
}
_BY_NAME: dict[str, type[Metric]] = {}
for _class in _CLASSES.values():
    if issubclass(_class, means._Named):
        _BY_NAME[_class.NAME] = _class
_BY_NAME |= {
    "mse": means.MeanSquaredError,
    "mae": means.MeanAbsoluteError,
    "mape": means.MeanAbsolutePercentageError,
    "msle": means.MeanSquaredLogarithmicError,
    "rmse": means.RootMeanSquaredError,
    "bce": means.BinaryCrossentropy,
    "kld": means.KLDivergence,
    "log_cosh": means.LogCoshError,
    "auc": confusion.AUC,
    "precision": confusion.Precision,
    "recall": confusion.Recall,
}
_BY_NAME |= {name.upper(): _BY_NAME[name] for name in ("mse", "mae", "mape", "msle")}


def get(identifier: Any) -> Metric:
    """A new metric for a name, a class, a config or a function of `(y_true, y_pred)`; a metric is itself.

    Args:
        identifier: A name such as "mse", "binary_accuracy" or "AUC"; "accuracy" means `Accuracy`, since which accuracy
            is meant depends on the shapes.

    Raises:
        ArgumentError: There is no such metric.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, Mapping):
        name, config = identifier.get("class_name"), identifier.get("config") or {}
        if not isinstance(name, str) or name not in _CLASSES:
            raise ArgumentError(f"{quote(dict(identifier))} is no config of a metric of kerastorch.")
        return _CLASSES[name].from_config({key: value for key, value in config.items() if key != "fn"})
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, str):
        if identifier in _BY_NAME:
            return _BY_NAME[identifier]()
        if identifier in _CLASSES:
            return _CLASSES[identifier]()
        if identifier in FUNCTIONS:
            return MeanMetricWrapper(FUNCTIONS[identifier], identifier)
        known = [*_BY_NAME, *_CLASSES]
        close = closest(identifier, known)
        hint = f"did you mean {close!r}?" if close else f"known: {', '.join(sorted(_BY_NAME))}."
        raise ArgumentError(f"Unknown metric {quote(identifier)}; {hint}")
    if callable(identifier):
        return MeanMetricWrapper(identifier)
    raise ArgumentError(f"{quote(identifier)} is no metric: expected a name, a function or a Metric.")


def serialize(metric: Metric) -> dict[str, Any]:
    """The metric as a config, without its state.

    Raises:
        ArgumentError: It is none of Keras's.
    """
    if type(metric) not in _CLASSES.values() or type(metric) is MeanMetricWrapper:
        raise ArgumentError(f"{quote(metric)} is not one of Keras's metrics, so no file can name it.")
    return {
        "module": "keras.metrics",
        "class_name": type(metric).__name__,
        "config": metric.get_config(),
        "registered_name": None,
    }


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric:
    """The metric that a config or a name describes.

    Args:
        config: A name, or `{"class_name": ..., "config": {...}}`.
        custom_objects: The classes of one's own metrics, by name.
    """
    name = config.get("class_name") if isinstance(config, Mapping) else config
    if custom_objects and name in custom_objects:
        made = custom_objects[str(name)]
        return made.from_config(config.get("config") or {}) if isinstance(config, Mapping) else get(made)
    return get(config)
