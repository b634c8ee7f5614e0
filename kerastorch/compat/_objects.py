"""Activations, initializers, regularizers, constraints and dtypes: any spelling -> the current one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import CorruptFileError, UnsupportedFileError, quote
from ..spec import GivenObject
from . import forms, tables
from ._custom import offered_object
from ._values import how_to_give, is_own, mapping, numbers, refuse_custom, same
from ._writer import Context
from .tables import Kind

_CODE = "is Python code inside the file, which is never run: make the layer with your function, and pass it as"


def activation(context: Context, value: Any, layer: str, key: str) -> str | dict[str, Any] | GivenObject:
    """The current name of an activation that is given by name, as a function or as a layer.

    A layer with arguments for which there is no name stays a layer: `{"class_name", "config"}`, of today.
    """
    where = f"Layer {quote(layer)}, {key}"
    if value is None:
        return "linear"
    made = offered_object(context.offered, value)
    if made is not None:
        return made
    if isinstance(value, dict):
        value = _activation_name(context, value, layer, key)
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise CorruptFileError(f"{where}: expected the name of an activation, got {quote(value)}.")
    if not knows_activation(context, value):
        raise UnsupportedFileError(
            f"{where}: {quote(value)} is no activation of {context.writer}. {how_to_give(value)}"
        ).because("own code")
    if value == "hard_sigmoid":
        name = context.meant("hard_sigmoid", layer, f"{key} 'hard_sigmoid'")
        if name != value:
            context.rule(layer, f"{key} 'hard_sigmoid' is clip(0.2 x + 0.5, 0, 1), as before Keras 3")
        return name
    return tables.ACTIVATION_RENAMES.get(value, value)


def knows_activation(context: Context, value: Any) -> bool:
    """Whether a name is that of an activation, or a config that of one."""
    if isinstance(value, dict):
        class_name, config = value.get("class_name"), value.get("config")
        if class_name == "function":
            return knows_activation(context, config)
        return is_own(value) and class_name in (*tables.ACTIVATION_LAYERS, "Activation")
    return isinstance(value, str) and any(value in tables.ACTIVATIONS[era] for era in context.eras)


def _activation_name(context: Context, value: Mapping[str, Any], layer: str, key: str) -> Any:
    where = f"Layer {quote(layer)}, {key}"
    class_name, config = value.get("class_name"), value.get("config")
    if class_name == "__lambda__":
        raise UnsupportedFileError(f"{where} {_CODE} replace={{{quote(layer)}: ...}}.").because("own code")
    if class_name == "function" and isinstance(config, str):
        plain = value.get("registered_name") in ("function", config)
        refuse_custom({**value, "registered_name": None} if plain else value, where)
        return config
    refuse_custom(value, where)
    if isinstance(class_name, str) and isinstance(config, dict) and class_name in tables.ACTIVATION_LAYERS:
        return _layer_function(context, class_name, config, layer, key)
    if class_name == "PReLU":
        raise UnsupportedFileError(
            f"{where}: PReLU has weights. Make the activation linear and put that layer behind it in the model."
        )
    if class_name == "Activation" and isinstance(config, dict):
        return config.get("activation")
    raise UnsupportedFileError(f"{where}: expected the name of an activation, got {quote(value)}.")


def _layer_function(context: Context, class_name: str, config: Mapping[str, Any], layer: str, key: str) -> Any:
    """A layer without weights as an activation: a function's name, or the layer with its arguments."""
    form, where = forms.LAYERS[class_name], f"Layer {quote(layer)}, {key}"
    given: dict[str, Any] = {}
    for name, value in config.items():
        if name in forms.BASE_KEYS or name == "robust_masking":  # no mask gets here
            continue
        name = form.aliases.get(name, name)
        if name not in form.keys:
            raise UnsupportedFileError(f"{where}: {class_name} has no argument {quote(name)}.")
        given[name] = numbers(value, f"{where}, {name}")
    for function, arguments in tables.ACTIVATION_LAYERS[class_name]:
        if given.keys() == arguments.keys() and all(_close(given[name], arguments[name]) for name in arguments):
            context.rule(layer, f"{key}: the layer {class_name} is the function {function!r}")
            return function
    if class_name == "ThresholdedReLU":
        context.rule(layer, f"{key}: ThresholdedReLU is ReLU with that threshold")
        class_name, given = "ReLU", {"threshold": given.get("theta", 1.0)}
    return {"module": "keras.layers", "class_name": class_name, "config": given}


def _close(value: Any, wanted: Any) -> bool:
    if isinstance(value, (int, float)) and isinstance(wanted, float) and not isinstance(value, bool):
        return abs(value - wanted) <= 1e-7 * max(1.0, abs(wanted))  # TensorFlow stores 0.2 as 0.20000000298
    return same(value, (wanted,))


def small_object(context: Context, value: Any, layer: str, key: str) -> dict[str, Any] | GivenObject | None:
    """An initializer, regularizer or constraint as `{"class_name", "config"}` in Keras 3's spelling."""
    kind = kind_of(key)
    where = f"Layer {quote(layer)}, {key}"
    if value is None:
        return None
    made = offered_object(context.offered, value)
    if made is not None:
        return made
    if isinstance(value, str):
        if context.old and value in kind.old_strings:
            name, arguments = kind.old_strings[value]
            return {"class_name": name, "config": dict(arguments)}
        return {"class_name": _class_of(kind, value, where), "config": {}}
    item = mapping(value, where)
    if item.get("class_name") == "__lambda__":
        raise UnsupportedFileError(f"{where} {_CODE} replace={{{quote(layer)}: ...}}.").because("own code")
    refuse_custom(item, where)
    name = _class_of(kind, item.get("class_name"), where)
    config = dict(mapping(item.get("config") or {}, where))
    config.pop("dtype", None)
    for empty in ("input_axes", "output_axes"):
        if config.get(empty, 0) is None:
            del config[empty]
    unknown = sorted(set(config) - kind.classes[name])
    if unknown:
        raise UnsupportedFileError(
            f"{where}: {name} has no argument {', '.join(map(quote, unknown))}; "
            f"it takes {', '.join(sorted(kind.classes[name])) or 'none'}."
        )
    if config.get("distribution") == "normal":  # tf_keras 2.21 reads it so too
        config["distribution"] = "truncated_normal"
    if isinstance(config.get("value"), dict):
        config["value"] = _array(config["value"], where)
    return {"class_name": name, "config": config}


def kind_of(key: str) -> Kind:
    """Which kind of object the argument is."""
    return next(kind for ending, kind in tables.KINDS.items() if key.endswith(ending))


def knows_object(context: Context, kind: Kind, value: Any) -> bool:
    """Whether a name or a config is that of one of Keras's own objects of this kind."""
    if isinstance(value, dict):
        class_name = value.get("class_name")
        return is_own(value) and isinstance(class_name, str) and class_name in kind.spellings
    return isinstance(value, str) and (value in kind.spellings or (context.old and value in kind.old_strings))


def _class_of(kind: Kind, name: Any, where: str) -> str:
    if not isinstance(name, str) or name not in kind.spellings:
        raise UnsupportedFileError(
            f"{where}: {quote(name)} is no {kind.name} of Keras. It has {', '.join(kind.classes)}. {how_to_give(name)}"
        ).because("own code")
    return kind.spellings[name]


def _array(value: Mapping[str, Any], where: str) -> Any:
    config = value.get("config")
    if value.get("class_name") not in ("__numpy__", "__tensor__") or not isinstance(config, dict):
        raise UnsupportedFileError(f"{where}: expected a number or an array, got {quote(value)}.")
    return config.get("value")


def dtype(value: Any, layer: str, texts: bool = False) -> str:
    """The name of a dtype policy; with `texts` also "string", of what takes text."""
    where = f"Layer {quote(layer)}, dtype"
    name = value
    if isinstance(value, dict):
        class_name, config = value.get("class_name"), mapping(value.get("config") or {}, where)
        if isinstance(class_name, str) and (class_name.startswith("Quantized") or class_name == "Int4DTypePolicy"):
            raise UnsupportedFileError(
                f"{where}: quantized policy {class_name} ({quote(config.get('mode'))}) is not supported; "
                "save the model before quantizing it."
            )
        if class_name not in tuple(tables.POLICY_CLASSES):
            raise UnsupportedFileError(
                f"{where}: {quote(class_name)} is no dtype policy that is read; use a plain dtype."
            )
        name = config.get("name")
    if isinstance(name, str) and "_from_" in name:
        raise UnsupportedFileError(
            f"{where}: quantized policy {quote(name)} is not supported; save the model before quantizing it."
        )
    if not isinstance(name, str) or (name not in tables.POLICIES and not (texts and name == "string")):
        raise UnsupportedFileError(f"{where}: expected a dtype such as 'float32', got {quote(value)}.")
    return name
