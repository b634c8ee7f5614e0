"""The arguments of a layer's constructor: kept as attributes, written into a config, read from one."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from .. import activations, constraints, initializers, regularizers
from .._serial import keeps_objects
from ..errors import ArgumentError, NoConfigError, did_you_mean, plural, quote
from .dtype_policy import policy_name
from .graph_calls import Connected
from .recording import Recorded, accepted, record
from .registry import REGISTRY

# How an argument is understood and written, by the end of its name.
_KINDS = {
    "_initializer": initializers,
    "_regularizer": regularizers,
    "_constraint": constraints,
    "activation": activations,
}


@lru_cache(maxsize=1024)
def kind_of(argument: str) -> Any:
    """The module that understands an argument, None if it is a plain value."""
    return next((module for end, module in _KINDS.items() if argument.endswith(end)), None)


class Configurable(Connected):
    """The part of `Layer` that is made from a config and writes one; abstract."""

    CONFIG: ClassVar[tuple[str, ...]] = ()  # constructor arguments that get_config writes, in Keras's order
    KEPT_AS: ClassVar[Mapping[str, str]] = {}  # the attributes of arguments whose own names mean something else
    INERT: ClassVar[tuple[str, ...]] = ()  # more that a config may have: not written
    BASE_CONFIG: ClassVar[tuple[str, ...]] = ("name", "trainable", "dtype")
    _class_name: ClassVar[str] = "Layer"
    _class_in_file: str | None = None  # of the layer for which somebody gave this one, by which files name its place
    # Whether `get_config` of this class takes what was recorded; and whether it is what a class of a person's own has.
    _config_is_recorded: ClassVar[bool] = True
    _records: ClassVar[bool] = False
    _recorded: Recorded | None = None

    if TYPE_CHECKING:  # what `_configure` keeps, in layers that have such arguments
        kernel_initializer: Any
        kernel_regularizer: Any
        kernel_constraint: Any
        recurrent_initializer: Any
        recurrent_regularizer: Any
        recurrent_constraint: Any
        bias_initializer: Any
        bias_regularizer: Any
        bias_constraint: Any
        depthwise_initializer: Any
        depthwise_regularizer: Any
        depthwise_constraint: Any
        pointwise_initializer: Any
        pointwise_regularizer: Any
        pointwise_constraint: Any
        embeddings_initializer: Any
        embeddings_regularizer: Any
        embeddings_constraint: Any
        gamma_initializer: Any
        gamma_regularizer: Any
        gamma_constraint: Any
        beta_initializer: Any
        beta_regularizer: Any
        beta_constraint: Any
        alpha_initializer: Any
        alpha_regularizer: Any
        alpha_constraint: Any
        moving_mean_initializer: Any
        moving_mean_regularizer: Any
        moving_mean_constraint: Any
        moving_variance_initializer: Any
        moving_variance_regularizer: Any
        moving_variance_constraint: Any
        W_regularizer: Any
        W_constraint: Any
        b_regularizer: Any
        b_constraint: Any

    if not TYPE_CHECKING:  # to a type checker the arguments are those of `__init__`

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            self = super().__new__(cls)
            if cls._records:
                self.__dict__["_recorded"] = record(cls, args, kwargs)
            return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        home = next(base for base in cls.__mro__ if "get_config" in base.__dict__)
        cls._records = bool(home.__dict__.get("_config_is_recorded")) and not cls.CONFIG

    def _configure(self, **arguments: Any) -> None:
        """Keep constructor arguments as attributes, each understood by the end of its name."""
        for key, value in arguments.items():
            kind = kind_of(key)
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
        """The constructor arguments as plain values, in Keras 3's spelling.

        A class of your own that does not define it has the values that its constructor was called with.

        Raises:
            NoConfigError: Not all of those are plain: numbers, texts, booleans, None, and lists and dicts of them.
        """
        return self._recorded_config() | {key: self._plain(key) for key in type(self).CONFIG}

    def _recorded_config(self) -> dict[str, Any]:
        """What every layer writes, and of a class of a person's own without `get_config` what it was made with."""
        recorded = self._recorded if type(self)._records else None
        if recorded is None:
            return self._base_config()
        if recorded.problem and not (keeps_objects() and recorded.shareable):
            raise NoConfigError(
                f"{type(self).__name__} {quote(self.name)} has no config: {recorded.problem}. Define get_config, for "
                "example: return {**super().get_config(), 'units': self.units}; and from_config where an argument is "
                "made from its value there."
            )
        return {**recorded.arguments, **self._base_config()}

    def _plain(self, key: str) -> Any:
        """One constructor argument as a plain value."""
        value = getattr(self, type(self).KEPT_AS.get(key, key))
        kind = kind_of(key)
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
                    f"{cls._class_name}: unknown {plural(len(unknown), 'key')} in the config: "
                    f"{', '.join(map(quote, unknown))}."
                    f"{did_you_mean(unknown[0], cls._config_keys())}"
                )
        if not cls._records:
            return cls(**config)
        taken, left = accepted(cls, config)
        made = cls(**taken)
        if "name" in left:
            made.name = left["name"]
        if not left.get("trainable", True):
            made.trainable = False
        return made


def unknown_arguments(cls: type[Configurable], unknown: Iterable[str]) -> ArgumentError:
    """The error for arguments that no constructor of a layer takes."""
    classes = [base for base in cls.__mro__ if issubclass(base, Configurable)]
    constructors = [vars(base)["__init__"] for base in classes if "__init__" in vars(base)]
    parameters = [parameter for made in constructors for parameter in inspect.signature(made).parameters.values()]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [*cls._config_keys(), *(one.name for one in parameters if one.kind in named and one.name != "self")]
    return ArgumentError(
        f"{cls.__name__} has no argument {', '.join(map(repr, sorted(unknown)))}.{did_you_mean(min(unknown), known)} "
        f"It takes: {', '.join(cls._config_keys())}."
    )
