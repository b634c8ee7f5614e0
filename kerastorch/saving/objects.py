"""Any object as a config and back: `serialize_keras_object`, `deserialize_keras_object`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import activations, constraints, initializers, layers, losses, metrics, optimizers, registered, regularizers
from .._serial import plain, read_value
from ..dtypes import dtype_name
from ..errors import ArgumentError, KerasTorchError, UnsupportedError, quote
from ..seeds import SeedGenerator

_KINDS = {
    "activations": activations,
    "constraints": constraints,
    "initializers": initializers,
    "regularizers": regularizers,
}


_TRAINING = {
    "losses": (losses.Loss, losses),
    "metrics": (metrics.Metric, metrics),
    "optimizers": (optimizers.Optimizer, optimizers),
    "schedules": (optimizers.schedules.LearningRateSchedule, optimizers.schedules),
}


def serialize_keras_object(obj: Any) -> Any:
    """An object as plain values, in Keras 3's form: `keras.saving.serialize_keras_object`.

    Args:
        obj: A layer, model, initializer, regularizer, constraint, activation, loss, metric, optimizer or schedule; an
            object of a registered class, a registered function; a number, text, slice, array or tensor; lists, tuples
            and dicts of these.

    Raises:
        UnsupportedError: No config can name it, because it is neither Keras's nor registered.
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, (list, tuple)):
        return type(obj)(serialize_keras_object(item) for item in obj)
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        config = {name: serialize_keras_object(getattr(obj, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": config}
    if isinstance(obj, torch.dtype):
        return dtype_name(obj)
    if isinstance(obj, Tensor):
        value = obj.detach().cpu()
        return {"class_name": "__tensor__", "config": {"value": value.tolist(), "dtype": dtype_name(obj.dtype)}}
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()
    if isinstance(obj, SeedGenerator):
        return plain(obj)
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, layers.Layer):
        return layers.serialize(obj)
    for module in _KINDS.values():
        if module.TABLE.has(obj):
            return module.serialize(obj)
    named = registered.form_of(obj)
    kind = next((module for cls, module in _TRAINING.values() if isinstance(obj, cls)), None)
    if named is None and kind is not None:
        return kind.serialize(obj)
    if named is None:
        raise UnsupportedError(
            f"serialize_keras_object: no config can name {quote(obj)}; register its class or the function "
            "(kerastorch.saving.register_keras_serializable)."
        )
    return {**named, "config": serialize_keras_object(named["config"])}


def deserialize_keras_object(config: Any, custom_objects: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
    """The object that a config describes: `keras.saving.deserialize_keras_object`.

    Nothing is imported by a name, and no code in a config is run.

    Args:
        config: What `serialize_keras_object` returned, here or in Keras.
        custom_objects: Classes and functions of your own by their names.
        **kwargs: `safe_mode`, without effect: it is always safe here.

    Raises:
        UnsupportedError: The config names what is neither Keras's nor yours.
        ArgumentError: It is no config.
    """
    if kwargs.keys() - {"safe_mode"}:
        raise ArgumentError(f"deserialize_keras_object: unexpected arguments {sorted(kwargs)}.")
    with registered.custom_object_scope(custom_objects):
        return _object(config)


def _object(config: Any) -> Any:
    if config is None or isinstance(config, (str, bool, int, float)):
        return config
    if isinstance(config, (list, tuple)):
        return type(config)(map(_object, config))
    if not isinstance(config, Mapping):
        if _is_made(config):  # by `load_model`, before it hands the config to a class of one's own
            return config
        raise ArgumentError(f"deserialize_keras_object: expected a config, got {quote(config)}.")
    name, inner = config.get("class_name"), config.get("config")
    if "class_name" not in config or "config" not in config:
        return {key: _object(value) for key, value in config.items()}
    if not isinstance(name, str):
        raise ArgumentError(f"deserialize_keras_object: class_name is {quote(name)}, expected a text.")
    if name in ("__tensor__", "__numpy__"):
        value = read_value(config)
        return np.asarray(value) if name == "__numpy__" else torch.as_tensor(value)
    if name in _PLAIN:
        return _PLAIN[name](dict(inner or {}))
    own = registered.find(config.get("registered_name"), inner if name == "function" else name)
    if own is not None:
        return registered.made(own, None if name == "function" else _object(inner), "deserialize_keras_object")
    kind = str(config.get("module") or "").rpartition(".")[2]
    if kind == "random":
        return SeedGenerator.of_config(config)
    if kind in _KINDS:
        return _KINDS[kind].deserialize(config)
    if kind in _TRAINING:
        return _TRAINING[kind][1].deserialize(config)
    if name == "function":
        return _found(name, inner, config)
    return layers.deserialize(config)


def _found(name: str, inner: Any, config: Mapping[str, Any]) -> Any:
    """A function of Keras, which says no namespace: an activation, or another one."""
    for module in _KINDS.values():
        try:
            return module.deserialize(config)
        except KerasTorchError:
            continue
    raise UnsupportedError(
        f"deserialize_keras_object: unknown {name} {quote(inner)}; pass it in custom_objects, or register it."
    )


_PLAIN = {
    "__bytes__": lambda config: config["value"].encode("utf-8"),
    "__ellipsis__": lambda config: Ellipsis,
    "__slice__": lambda config: slice(*(_object(config.get(key)) for key in ("start", "stop", "step"))),
}


def _is_made(value: Any) -> bool:
    """Whether a value is one of those that a config stands for."""
    kinds = (layers.Layer, *(cls for cls, _ in _TRAINING.values()))
    if isinstance(value, kinds) or registered.name_of(value if callable(value) else type(value)) is not None:
        return True
    return any(module.TABLE.has(value) or isinstance(value, module.TABLE.base) for module in _KINDS.values())
