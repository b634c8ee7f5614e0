"""What the caller gives for classes, functions and layers of a file: `custom_objects` and `replace`.

This is the only place that makes something of them. A name in a file leads to an entry of the caller's dict, or
nowhere: it is never imported, and no attribute is looked up by it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from .. import registered
from ..base.layer import REGISTRY, Layer
from ..errors import ArgumentError, KerasTorchError, UnsafeFileError, UnsupportedError, quote
from ..layers.core.wrapped import Lambda, TorchModuleWrapper
from ..spec import GivenObject, LayerSpec, ModelSpec, Offered

# What every Keras layer's config has: left out where a function or a class without from_config does not take it.
_OF_EVERY_LAYER = ("name", "trainable", "dtype")


@dataclass(frozen=True)
class Provided:
    """What the caller gives, checked.

    Args:
        custom_objects: Names of classes and functions, with or without `package>`, -> a class, or a function.
        replace: Names or paths of layers -> a layer, a torch module, or a function on tensors.
        device: Where what they make gets its values; the default device if None.
    """

    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    replace: Mapping[str, Any] = field(default_factory=dict)
    device: torch.device | None = None

    def offered(self) -> Offered:
        """The names alone, for `compat`."""
        entries = self.custom_objects.items()
        return Offered(
            {key: _base_of(value) for key, value in entries},
            frozenset(key for key, value in entries if inspect.isroutine(value)),
            {key: _base_of(type(value)) for key, value in self.replace.items()},
        )

    def takes_text(self, spec: LayerSpec) -> bool:
        """Whether what is given for a layer takes arrays of text."""
        if spec.given is None or spec.given.source not in ("custom_objects", "replace"):
            return False
        given = self.replace if spec.given.source == "replace" else self.custom_objects
        return bool(getattr(given[spec.given.key], "takes_text", False))

    @contextmanager
    def making(self) -> Iterator[None]:
        """Where somebody's code makes something: its values are real, also while a model is made without any."""
        if self.device is None:
            yield
            return
        with torch.device(self.device):
            yield

    def object_for(self, given: GivenObject, config: Mapping[str, Any] | None) -> Any:
        """The activation, initializer, ... that stands in a config; a function without a config is meant itself."""
        value = self.custom_objects[given.key]
        if config is None and not isinstance(value, type):
            return value
        with self.making():
            return _make(given.key, value, config or {})

    def layer_for(self, spec: LayerSpec, config: Mapping[str, Any], bare: bool) -> Any:
        """The layer that stands for one of the file; with `bare` (a cell), as it is made."""
        assert spec.given is not None
        if spec.given.source == "replace":
            layer = self.replace[spec.given.key]
        elif spec.given.source == "function":
            layer = Lambda(**config, name=spec.name)
        else:
            with self.making():
                layer = _make(spec.given.key, self.custom_objects[spec.given.key], config)
        if not bare:
            layer = as_layer(layer, spec.name)
        if not isinstance(layer, Layer):
            return layer
        layer.name = spec.name
        if layer._class_name != spec.class_name:
            layer.__dict__["_class_in_file"] = spec.class_name
        if self.device is not None:
            layer._values_on = self.device
        if not spec.trainable:
            layer.trainable = False
        return layer

    def model_for(self, spec: ModelSpec, inputs: Any, outputs: Any, options: dict[str, Any]) -> Any:
        """The model of the caller's own class around a graph of layers."""
        assert spec.given is not None
        cls = self.custom_objects[spec.given.key]
        where = f"custom_objects[{quote(spec.given.key)}]"
        with _named(where, {"inputs": None, "outputs": None, **options}):
            model = cls(inputs, outputs, **options)
        if not isinstance(model, Layer):
            raise ArgumentError(f"{where}: expected a kerastorch.Model, got {quote(type(model).__name__)}.")
        if model._class_name != spec.class_name:
            model.__dict__["_class_in_file"] = spec.class_name
        return model


NOTHING = Provided()


def provided(custom_objects: Any, replace: Any, device: torch.device | None = None) -> Provided:
    """Check what the caller gives.

    Raises:
        ArgumentError: It is not what the arguments take; nothing was made yet.
    """
    for argument, value in (("custom_objects", custom_objects), ("replace", replace)):
        if value is not None and not isinstance(value, Mapping):
            raise ArgumentError(f"{argument}: expected a dict, got {quote(type(value).__name__)}.")
        wrong = [key for key in value or {} if not isinstance(key, str) or not key]
        if wrong:
            raise ArgumentError(f"{argument}: expected names as keys, got {quote(wrong[0])}.")
    for key, value in (custom_objects or {}).items():
        _check_custom(key, value)
    modules: dict[int, str] = {}
    for key, value in (replace or {}).items():
        _check_replacement(key, value)
        if isinstance(value, nn.Module) and modules.setdefault(id(value), key) != key:
            raise ArgumentError(
                f"replace: {quote(modules[id(value)])} and {quote(key)} are one and the same module; "
                "give each layer its own, for example copy.deepcopy of it."
            )
    return Provided(registered.known(custom_objects), dict(replace or {}), device)


def _check_custom(key: str, value: Any) -> None:
    where = f"custom_objects[{quote(key)}]"
    if key.rpartition(">")[2] == "InputLayer":
        raise ArgumentError(f"{where}: an InputLayer is an input of the model, which nothing can stand for.")
    if isinstance(value, nn.Module):
        raise ArgumentError(
            f"{where}: expected a class or a function that makes the layer from its config, got "
            f"{quote(type(value).__name__)}, which is made already; give its class, or replace={{layer name: module}}."
        )
    if not callable(value):
        raise ArgumentError(f"{where}: expected a class or a function, got {quote(value)}.")


def _check_replacement(key: str, value: Any) -> None:
    where = f"replace[{quote(key)}]"
    if isinstance(value, type):
        raise ArgumentError(
            f"{where}: expected a layer, a torch module or a function on tensors, got the class "
            f"{quote(value.__name__)}; give an object of it, or custom_objects={{class name: class}}."
        )
    if not callable(value):
        raise ArgumentError(f"{where}: expected a layer, a torch module or a function on tensors, got {quote(value)}.")


def _base_of(value: Any) -> str | None:
    """The class of our table that a class derives from, whose arguments its configs hold."""
    if not isinstance(value, type):
        return None
    for cls in value.__mro__:
        name = cls.__dict__.get("_class_name")
        if isinstance(name, str) and REGISTRY.get(name) is cls:
            return None if name in ("Functional", "Sequential", "InputLayer") else name
    return None


def _make(key: str, value: Any, config: Mapping[str, Any]) -> Any:
    """Make what an entry of `custom_objects` stands for.

    A class with `from_config` gets the config as its only argument; every other class or function gets it by name.
    """
    where = key.partition(">")[2] if key in registered.OF_KERASTORCH else f"custom_objects[{quote(key)}]"
    if isinstance(value, type) and hasattr(value, "from_config"):
        with _named(where, config):
            return value.from_config(dict(config))  # type: ignore[attr-defined]
    takes = _argument_names(value)
    arguments = {
        name: item for name, item in config.items() if takes is None or name in takes or name not in _OF_EVERY_LAYER
    }
    with _named(where, arguments):
        return value(**arguments)


def _argument_names(function: Callable[..., Any]) -> set[str] | None:
    """The names of a function's arguments; None if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {parameter.name for parameter in parameters}


@contextmanager
def _named(where: str, config: Mapping[str, Any]) -> Iterator[None]:
    """Say whose code it was that did not take the config of the file."""
    try:
        yield
    except UnsafeFileError:  # that is said of the file, and not of the caller's class
        raise
    except KerasTorchError as error:
        raise ArgumentError(f"{where}: {error}") from error
    except TypeError as error:
        shown = quote(", ".join(map(str, config)))
        raise ArgumentError(
            f"{where} does not take the config in the file (its keys: {shown}): {error}. A class with from_config gets "
            "the config as a dict; every other class or function gets it by name."
        ) from error


def as_layer(thing: Any, name: str) -> Layer:
    """A layer, a torch module or a function on tensors, as a layer."""
    if isinstance(thing, Layer):
        return thing
    if isinstance(thing, nn.Module):
        return TorchModuleWrapper(thing, name=name)
    if callable(thing) and not isinstance(thing, type):
        return Lambda(thing, name=name)
    raise UnsupportedError(
        f"layer {quote(name)}: expected a layer, a torch module or a function on tensors, got {quote(thing)}."
    )
