"""What layers around a layer share: making the inner layer from a config, and writing it into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .. import registered
from ..errors import ArgumentError, KerasTorchError, UnsupportedError, did_you_mean, quote
from .layer import REGISTRY, Layer


class OwnConfig(dict[str, Any]):
    """The config of something that is not in our table; it holds the class, which no file can name."""

    def __init__(self, thing: Any) -> None:
        name = type(thing).__name__
        if not hasattr(thing, "get_config"):
            raise UnsupportedError(
                f"{name} has no get_config, so the layer around it has no config and cannot be copied for the other "
                "direction; give it a get_config that returns its constructor's arguments."
            )
        registered_name = registered.get_registered_name(type(thing))
        super().__init__(module=None, class_name=name, config=thing.get_config(), registered_name=registered_name)
        self.cls = type(thing)

    def make(self) -> Any:
        """Another one of the same class and configuration, with weights of its own."""
        make = getattr(self.cls, "from_config", None)
        try:
            return make(dict(self["config"])) if make is not None else self.cls(**self["config"])
        except KerasTorchError:
            raise
        except TypeError as error:
            raise ArgumentError(
                f"{self.cls.__name__}: its constructor does not take what its get_config returns "
                f"({', '.join(map(quote, self['config']))}): {error}; define get_config to match."
            ) from error


_form: ContextVar[Callable[[Any], dict[str, Any]] | None] = ContextVar("form", default=None)


@contextmanager
def written_as(form: Callable[[Any], dict[str, Any]]) -> Iterator[None]:
    """Every layer that is put into a config meanwhile, at any depth, stands there as `form(layer)`."""
    token = _form.set(form)
    try:
        yield
    finally:
        _form.reset(token)


def serialize_layer(layer: Any) -> dict[str, Any]:
    """A layer, or a cell that is none, as a config dict in Keras 3's form."""
    form = _form.get()
    return own_form(layer) if form is None else form(layer)


def own_form(layer: Any) -> dict[str, Any]:
    """`serialize_layer` for a copy in this process: nothing is translated."""
    if not isinstance(layer, Layer) or REGISTRY.get(layer._class_name) is not type(layer):
        return OwnConfig(layer)
    return {
        "module": "keras.layers",
        "class_name": layer._class_name,
        "config": layer.get_config(),
        "registered_name": None,
    }


def inner_layer(argument: str, value: Any) -> Layer:
    """A layer from a layer or from `serialize_layer`'s dict; the class is looked up in our table and nowhere else."""
    if isinstance(value, OwnConfig):
        value = value.make()
    if isinstance(value, Layer):
        return value
    if not isinstance(value, Mapping) or "class_name" not in value:
        raise ArgumentError(f"{argument}: expected a kerastorch layer, got {quote(type(value).__name__)}.")
    own = registered.find(value.get("registered_name"), value["class_name"])
    if own is not None:
        return registered.made(own, value.get("config"), argument)
    cls = REGISTRY.get(value["class_name"])
    if cls is None or value.get("module", "") is None:
        raise ArgumentError(
            f"{argument}: unknown layer class {quote(value['class_name'])}; if it is yours, pass the layer itself, or "
            "register the class (kerastorch.saving.register_keras_serializable)."
            f"{'' if cls is not None else did_you_mean(value['class_name'], REGISTRY)}"
        )
    return cls.from_config(value.get("config", {}))


def serialize(layer: Layer) -> dict[str, Any]:
    """A layer as a config, as `keras.layers.serialize`, for the `get_config` of a layer that holds it.

    Args:
        layer: Any layer or model.
    """
    return serialize_layer(layer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """A layer from its config, as `keras.layers.deserialize`, for the `from_config` of a layer that holds it.

    Args:
        config: What `serialize` returned. A layer is returned as it is: `load_model` makes the layers in the config of
            a class of your own before it hands that over.
        custom_objects: Classes of your own by their name, for this layer and for those inside it.
    """
    with registered.custom_object_scope(custom_objects):
        return inner_layer("config", config)
