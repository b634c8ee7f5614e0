"""Metrics by their names and configs: `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import registered
from .._serial import Table, snake_case
from ..losses.registry import FUNCTIONS
from . import confusion, curves, means, metric, overlap, scores
from .metric import MeanMetricWrapper, Metric

_CLASSES: dict[str, type[Metric]] = {
    name: value
    for module in (means, confusion, curves, scores, overlap, metric)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Metric) and name[0] != "_"
    if value not in (Metric, MeanMetricWrapper, means.Named, confusion.Confusion)  # these know no value by themselves
}
_BY_NAME: dict[str, type[Metric]] = {
    **{snake_case(name): cls for name, cls in _CLASSES.items()},
    **{cls.NAME: cls for cls in _CLASSES.values() if issubclass(cls, means.Named)},
    "mse": means.MeanSquaredError,
    "mae": means.MeanAbsoluteError,
    "mape": means.MeanAbsolutePercentageError,
    "msle": means.MeanSquaredLogarithmicError,
    "rmse": means.RootMeanSquaredError,
    "bce": means.BinaryCrossentropy,
    "kld": means.KLDivergence,
    "log_cosh": means.LogCoshError,
}
_BY_NAME |= {name.upper(): _BY_NAME[name] for name in ("mse", "mae", "mape", "msle")}
_TABLE: Table[Any] = Table(
    "metric",
    {**FUNCTIONS, **_CLASSES, **_BY_NAME},
    (Metric,),
)


def get(identifier: Any) -> Metric:
    """A new metric for a name, a class, a config or a function of `(y_true, y_pred)`; a metric is itself.

    Args:
        identifier: A name such as "mse", "binary_accuracy" or "AUC"; "accuracy" means `Accuracy`, since which accuracy
            is meant depends on the shapes.

    Raises:
        ArgumentError: There is no such metric.
        UnsupportedError: Keras has it and kerastorch does not.
    """
    found = _TABLE.get(identifier)
    return found if isinstance(found, Metric) else MeanMetricWrapper(found)


def serialize(metric: Metric) -> dict[str, Any]:
    """The metric as a config, without its state.

    Raises:
        UnsupportedError: It is none of Keras's, and not registered.
    """
    return _TABLE.serialize(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric:
    """The metric that a config or a name describes: `get`, with names of one's own.

    Args:
        config: A name, or `{"class_name": ..., "config": {...}}`.
        custom_objects: The classes of one's own metrics, by name.
    """
    with registered.custom_object_scope(custom_objects):
        return get(config)
