"""Losses by their names and configs: `get`, `serialize`, `deserialize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ArgumentError, UnsupportedError, closest, quote
from . import classes, functions
from .loss import FunctionLoss, Loss

_CLASSES: dict[str, type[Loss]] = {
    name: value
    for name, value in vars(classes).items()
    if isinstance(value, type) and issubclass(value, FunctionLoss) and value is not FunctionLoss
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(functions, name)
    for name in (
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "categorical_hinge",
        "cosine_similarity",
        "ctc",
        "hinge",
        "huber",
        "kl_divergence",
        "log_cosh",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_error",
        "mean_squared_logarithmic_error",
        "poisson",
        "sparse_categorical_crossentropy",
        "squared_hinge",
    )
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
_ABSENT = ("dice", "tversky", "circle", "categorical_generalized_cross_entropy")


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
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier):
        return identifier
    if not isinstance(identifier, str):
        raise ArgumentError(f"{quote(identifier)} is no loss: expected a name such as 'mse', a function or a Loss.")
    name = _SHORT.get(identifier, identifier)
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in _CLASSES:
        return _CLASSES[name]()
    if name.lower() in _ABSENT:
        raise UnsupportedError(f"The loss {quote(name)} is not supported: write it as a function of (y_true, y_pred).")
    known = [*FUNCTIONS, *_CLASSES, *_SHORT]
    close = closest(name, known)
    hint = f"did you mean {close!r}?" if close else f"known: {', '.join(sorted(FUNCTIONS))}."
    raise ArgumentError(f"Unknown loss {quote(identifier)}; {hint}")


def serialize(loss: Any) -> Any:
    """The loss as a config; of a function of Keras's its name.

    Raises:
        UnsupportedError: It is none of Keras's.
    """
    for name, function in FUNCTIONS.items():
        if loss is function:
            return name
    if type(loss) in _CLASSES.values():
        return {
            "module": "keras.losses",
            "class_name": type(loss).__name__,
            "config": loss.get_config(),
            "registered_name": None,
        }
    raise UnsupportedError(f"{quote(loss)} is not one of Keras's losses, so no file can name it.")


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The loss that a config or a name describes.

    Args:
        config: A name, or `{"class_name": ..., "config": {...}}`.
        custom_objects: The classes and functions of one's own losses, by name.
    """
    name, inner = (config.get("class_name"), config.get("config")) if isinstance(config, Mapping) else (config, {})
    if name == "function":
        name, inner = inner, {}
    if not isinstance(name, str) or not (inner is None or isinstance(inner, Mapping)):
        raise ArgumentError(f"{quote(config)} is no config of a loss: expected class_name and config.")
    if custom_objects and name in custom_objects:
        found = custom_objects[name]
        return found.from_config(dict(inner or {})) if isinstance(found, type) else found
    if name in _CLASSES:
        return _CLASSES[name].from_config({key: value for key, value in (inner or {}).items() if key != "fn"})
    return get(name)
