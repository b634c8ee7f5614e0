"""The config of a layer that the caller gives, or that nobody has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import quote
from ..spec import Given, LayerSpec
from . import forms
from ._custom import Read, custom_config, is_activation, lambda_config, offered_object
from ._layers import argument, arguments_of, is_idle, supply
from ._objects import activation, dtype, kind_of, knows_activation, knows_object, small_object
from ._shared import WRAPPED
from ._values import mapping, trainable
from ._writer import Context


def given_spec(context: Context, item: Mapping[str, Any], name: str, given: Given, read: Read) -> LayerSpec:
    """Convert one layer that the caller gives, or that nobody has.

    Args:
        context: The conversion.
        item: `{"class_name", "config", ...}`.
        name: The layer's name.
        given: What stands for it.
        read: Converts a layer or model inside its config.
    """
    raw = mapping(item.get("config") or {}, f"The config of layer {quote(name)}")
    trained = trainable(raw, f"Layer {quote(name)}")
    class_name, era = item["class_name"], context.writer.era
    if given.source == "function":
        config = lambda_config(context.offered, given.key, raw, name)
        if config.get("dtype") is not None:
            config["dtype"] = dtype(config["dtype"], name)
        return LayerSpec(class_name, name, config, trained, era=era, given=given)
    if given.source != "custom_objects":
        return LayerSpec(class_name, name, raw, trained, era=era, given=given)
    base = given.based_on or ""
    form = forms.LAYERS.get(base)
    keys = frozenset() if form is None else arguments_of(context, form) - set(WRAPPED)

    def known(key: str, value: Any) -> Any:
        if form is not None and key in keys:
            return argument(context, base, form, name, key, value)
        return _translated(context, name, key, value)

    if form is not None:
        named = {form.aliases.get(key, key): value for key, value in raw.items()}
        raw = {key: value for key, value in named.items() if not is_idle(context, key, value, name, class_name, form)}
    config = custom_config(context.offered, raw, name, keys, known, read)
    if form is not None and all(key in config for key in form.required):
        supply(context, base, name, config)
    return LayerSpec(class_name, name, config, trained, era=era, given=given)


def _translated(context: Context, name: str, key: str, value: Any) -> Any:
    """An argument of one's own class in today's spelling; where Keras gives the value no meaning, it stays."""
    if key == "trainable":
        return trainable({key: value}, f"Layer {quote(name)}")
    if key == "dtype":
        return dtype(value, name, texts=True)
    given = offered_object(context.offered, value) is not None
    if is_activation(key):
        return activation(context, value, name, key) if given or knows_activation(context, value) else value
    known = given or knows_object(context, kind_of(key), value)
    return small_object(context, value, name, key) if known else value
