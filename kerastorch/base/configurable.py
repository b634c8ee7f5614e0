"""The arguments of a layer's constructor: kept as attributes, written into a config, read from one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

from .. import activations, constraints, initializers, regularizers
from ..errors import ArgumentError, quote
from .dtype_policy import policy_name
from .graph_calls import Connected
from .registry import REGISTRY

# How an argument is understood and written, by the end of its name.
_KINDS = {
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
    "activation": activations,
}


@lru_cache(maxsize=1024)
def _kind_of(argument: str) -> Any:
    """The module that understands an argument, None if it is a plain value."""
    return next((module for end, module in _KINDS.items() if argument.endswith(end)), None)


class Configurable(Connected):
    """The part of `Layer` that is made from a config and writes one; abstract."""

    CONFIG: ClassVar[tuple[str, ...]] = ()  # constructor arguments that get_config writes, in Keras's order
    KEPT_AS: ClassVar[Mapping[str, str]] = {}  # the attributes of arguments whose own names mean something else
    INERT: ClassVar[tuple[str, ...]] = ()  # Keras arguments that are accepted and change no number
    BASE_CONFIG: ClassVar[tuple[str, ...]] = ("name", "trainable", "dtype")
    _class_name: ClassVar[str] = "Layer"

    def _configure(self, **arguments: Any) -> None:
        """Keep constructor arguments as attributes, each understood by the end of its name."""
        for key, value in arguments.items():
            kind = _kind_of(key)
            if kind is activations and isinstance(value, Configurable):
                value = value._as_activation()
            setattr(self, key, kind.get(value) if kind else value)

    def _as_activation(self) -> Any:
        """What stands for this layer where it is the `activation` of another: a function if it has no weights."""
        return self

    @classmethod
    def _config_keys(cls) -> tuple[str, ...]:
        """Every key that `from_config` accepts."""
        return (*cls.BASE_CONFIG, *cls.CONFIG, *(key for key in cls.INERT if key not in cls.CONFIG))

    def get_config(self) -> dict[str, Any]:
        """The constructor arguments as plain values, in Keras 3's spelling."""
        return {**self._base_config(), **{key: self._plain(key) for key in type(self).CONFIG}}

    def _plain(self, key: str) -> Any:
        """One constructor argument as a plain value."""
        value = getattr(self, type(self).KEPT_AS.get(key, key))
        kind = _kind_of(key)
        return kind.serialize(value) if kind else value

    def _base_config(self) -> dict[str, Any]:
        config = {"name": self.name, "trainable": self.trainable, "dtype": policy_name(self)}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Make a layer from `get_config()`'s result.

        Raises:
            ArgumentError: A key is not one of this class, or a value has the wrong type.
        """
        if REGISTRY.get(cls._class_name) is cls or isinstance(cls.__dict__.get("CONFIG"), tuple):
            unknown = sorted(
                set(config) - set(cls._config_keys()) - {"activity_regularizer", "batch_input_shape", "input_shape"}
            )
            if unknown:
                raise ArgumentError(
                    f"{cls._class_name}: unknown key(s) in the config: {', '.join(map(quote, unknown))}."
                )
        return cls(**config)
