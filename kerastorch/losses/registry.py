"""Losses by their names and configs: `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._serial import Table
from . import classes, functions, sets
from .loss import FunctionLoss, Loss

_CLASSES: dict[str, type[Loss]] = {
    name: value
    for name, value in vars(classes).items()
    if isinstance(value, type) and issubclass(value, FunctionLoss) and name[0].isupper() and value is not FunctionLoss
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(module, name) for module in (functions, sets) for name in module.LOSSES
}
_SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "huber_loss": "huber",
    "cosine_proximity": "cosine_similarity",  # of Keras 1 and 2, with the same sign
}
_SHORT |= {short.upper(): name for short, name in _SHORT.items() if len(short) <= 4}
_TABLE: Table[Any] = Table(
    "loss",
    {**FUNCTIONS, **_CLASSES, **{short: FUNCTIONS[name] for short, name in _SHORT.items()}},
    (Loss,),
    module="keras.losses",
)


def is_keras_loss(value: Any) -> bool:
    """Whether a function, or the class of an object, is one of Keras's losses: the lower the better."""
    return type(value) in _CLASSES.values() or any(value is function for function in FUNCTIONS.values())


def get(identifier: Any) -> Any:
    """The loss that a name, a config, a class or a function stands for; None stays None.

    Args:
        identifier: "mse" or "mean_squared_error" (the function), "MeanSquaredError" (a new object of the class), a
            config `{"class_name": ..., "config": {...}}`, a class, or anything that can be called.

    Returns:
        A `Loss`, or a function of `(y_true, y_pred)`.

    Raises:
        ArgumentError: There is no such loss.
        UnsupportedError: Keras has it and kerastorch does not.
    """
    return None if identifier is None else _TABLE.get(identifier)


def serialize(loss: Any) -> Any:
    """The loss as a config; of a function of Keras's its name.

    Raises:
        UnsupportedError: It is none of Keras's, and not registered.
    """
    return _TABLE.serialize(loss)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a config or a name describes: `get`, with names of one's own.

    Args:
        config: A name, or `{"class_name": ..., "config": {...}}`.
        custom_objects: The classes and functions of one's own losses, by name.
    """
    return _TABLE.deserialize(config, custom_objects)
