"""What the caller gives by name: which entry a config means, and the config for it.

Of the config of a class of one's own, this is brought to the current spelling, because its meaning depends on the
Keras that wrote it: the arguments of a class of the table that it derives from; activations, initializers,
regularizers and constraints under the names that Keras gives such arguments; the dtype; tuples; and layers and models,
which become layers and models. Everything else is passed on as it stands in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UnsupportedFileError, quote
from ..registered import own_name
from ..spec import GivenObject, LayerSpec, ModelSpec, Offered
from . import forms, tables
from ._values import MAX_NESTING, is_own, sequence

Read = Callable[[Mapping[str, Any], str], "LayerSpec | ModelSpec"]


def offered_name(offered: Offered, item: Mapping[str, Any]) -> str | None:
    """The key of `custom_objects` that a config's class means: its registered name `package>Name`, or `Name`."""
    names = offered.classes
    for name in (item.get("registered_name"), item.get("class_name")):
        if isinstance(name, str):
            for key in (name, name.rpartition(">")[2]):
                if key in names:
                    return key
    # A layer of Keras that kerastorch has, but not in the table: one of text, with words where others have weights.
    return own_name(item.get("class_name")) if is_own(item) else None


def offered_function(offered: Offered, value: Any) -> str | None:
    """The key of `custom_objects` that a name in a file, or the config of a function, means."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        names: tuple[Any, ...] = (value.get("registered_name"), value.get("config"))
    else:
        names = (value,)
    for name in names:
        if isinstance(name, str):
            for key in (name, name.rpartition(">")[2]):
                if key in offered.classes:
                    return key
    return None


def offered_object(offered: Offered, value: Any) -> GivenObject | None:
    """An activation, initializer, regularizer or constraint that the caller gives."""
    key = offered_function(offered, value)
    if key is not None:
        return GivenObject(key)
    key = offered_name(offered, value) if isinstance(value, dict) else None
    if key is None:
        return None
    config = value.get("config")
    return GivenObject(key, dict(config) if isinstance(config, dict) else {})


def named_function(value: Any, kind: Any) -> str | None:
    """The name of a function in a Lambda's config, where a name stands for it and no code."""
    if isinstance(value, dict) and value.get("class_name") == "function":
        value, kind = value.get("config"), "function"
    return value if isinstance(value, str) and kind == "function" else None


def lambda_function(item: Mapping[str, Any]) -> str | None:
    """The name of a Lambda's function; None if the file has code in its place."""
    config = item.get("config")
    if item.get("class_name") != "Lambda" or not isinstance(config, dict) or not is_own(item):
        return None
    return named_function(config.get("function"), config.get("function_type"))


def offered_lambda(offered: Offered, item: Mapping[str, Any]) -> str | None:
    """The key of `custom_objects` that a Lambda names as its function."""
    return offered_function(offered, lambda_function(item))


def lambda_config(offered: Offered, key: str, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments of a Lambda whose function is `custom_objects[key]`."""
    made = {kept: config[kept] for kept in ("trainable", "dtype") if kept in config}
    made |= {"function": GivenObject(key), "arguments": config.get("arguments") or {}}
    for argument in ("output_shape", "mask"):
        value, kind = config.get(argument), config.get(f"{argument}_type")
        function = offered_function(offered, named_function(value, kind))
        if function is not None:
            made[argument] = GivenObject(function)
        elif isinstance(value, list) and kind in (None, "raw") and argument == "output_shape":
            made[argument] = value
        elif value is not None and argument == "mask":
            raise UnsupportedFileError(
                f"Layer {quote(name)}: its mask is Python code, which is never run: pass "
                f"replace={{{quote(name)}: layers.Lambda(..., mask=...)}}."
            )
    return made


# What Keras 1 and 2 wrote into the config of a first layer, and is the model's: its input.
_OF_THE_MODEL = ("batch_input_shape", "input_dtype")


def custom_config(
    offered: Offered,
    config: Mapping[str, Any],
    name: str,
    keys: frozenset[str],
    known: Callable[[str, Any], Any],
    read: Read,
) -> dict[str, Any]:
    """The config of a layer whose class the caller gives.

    Args:
        offered: What the caller gives.
        config: As it stands in the file.
        name: The layer's name.
        keys: Arguments of the class of the table that it derives from.
        known: Converts the value of one of those, and of every other argument to which Keras itself gives a meaning.
        read: Converts a layer or model inside the config.
    """
    convert = _Conversion(offered, name, keys, known, read)
    return {key: convert.argument(key, value) for key, value in config.items() if key not in _OF_THE_MODEL}


@dataclass(frozen=True)
class _Conversion:
    """The arguments of one layer of one's own."""

    offered: Offered
    name: str
    keys: frozenset[str]
    known: Callable[[str, Any], Any]
    read: Read

    def argument(self, key: str, value: Any) -> Any:
        if key == "name" or value is None:
            return value
        if isinstance(value, str) and value in self.offered.functions:
            return GivenObject(value)  # tf.keras does so with every argument
        if key in self.keys or is_keras_argument(key):
            return self.known(key, value)
        return self.value(value, 0)

    def value(self, value: Any, depth: int) -> Any:
        if depth > MAX_NESTING:
            raise UnsupportedFileError(f"Layer {quote(self.name)}: its config is nested more than {MAX_NESTING} deep.")
        if isinstance(value, list):
            return [self.value(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        class_name = value.get("class_name")
        if not isinstance(class_name, str):
            return {key: self.value(item, depth + 1) for key, item in value.items()}
        if class_name in ("__tuple__", "TensorShape"):
            items = sequence(value, f"Layer {quote(self.name)}, a tuple")
            return tuple(self.value(item, depth + 1) for item in items)
        made = offered_object(self.offered, value)
        if made is not None:
            inner = {key: self.value(item, depth + 1) for key, item in (made.config or {}).items()}
            return GivenObject(made.key, None if made.config is None else inner)
        if is_own(value) and (class_name in forms.LAYERS or class_name in tables.MODELS):
            return self.read(value, self.name)
        return value


def is_keras_argument(key: str) -> bool:
    """Whether an argument of this name has a meaning of Keras's own in a class of one's own, too."""
    return key in ("dtype", "trainable") or is_activation(key) or any(key.endswith(end) for end in tables.KINDS)


def is_activation(key: str) -> bool:
    return key in tables.ACTIVATION_KEYS or key.endswith("_activation")
