"""One optimizer, loss or metric in a config: how it is named there, in every Keras."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...spec import TrainingConfig, Writer
from .. import detect_writer

_ROOTS = frozenset({"keras", "tf_keras", "builtins", "tensorflow"})


class Untranslatable(Exception):
    """Something that the other Keras cannot be told; it is left out, and this says why."""


@dataclass(frozen=True)
class Item:
    """A name, and the arguments of a class; a function, or a name by itself, has none.

    Attributes:
        name: Of Keras's, or of the user's.
        config: The arguments, None where only the name stands in the file.
        own: Whether the file says that it is the user's own.
        module: Where the file says that it comes from.
    """

    name: str
    config: Mapping[str, Any] | None
    own: bool = False
    module: str = ""


def stated_item(value: Any) -> bool:
    """Whether one object stands there, and not several in a list or dict."""
    return isinstance(value, str) or (isinstance(value, dict) and isinstance(value.get("class_name"), str))


def item_of(value: Any) -> Item:
    """The object that stands there: `stated_item` is true of it."""
    if isinstance(value, str):
        return Item(value, None)
    module, registered, name = value.get("module", "keras"), value.get("registered_name"), value["class_name"]
    own = not isinstance(module, str) or module.partition(".")[0] not in _ROOTS
    config = value.get("config")
    if name == "function":
        called = config if isinstance(config, str) else registered
        return Item(called if isinstance(called, str) else "?", None, own)
    # tf-keras registers its optimizers in its own package.
    package, _, bare = (registered if isinstance(registered, str) and ">" in registered else name).rpartition(">")
    own = own or package not in ("", "Custom", "keras", "tf_keras")
    arguments = config if isinstance(config, dict) else {}
    return Item(bare or name, arguments, own, module if isinstance(module, str) else "")


def tag(module: str, name: str, config: Mapping[str, Any], form: Literal["keras", "h5"]) -> dict[str, Any]:
    """An object of Keras's own as a file of this format names it."""
    if form == "h5":
        return {"class_name": name, "config": dict(config)}
    return {"module": module, "class_name": name, "config": dict(config), "registered_name": None}


def stated_training(
    config: Mapping[str, Any], legacy: Mapping[str, Any] | None, writer: Writer
) -> TrainingConfig | None:
    """What a file says of how its model was compiled; None if it says nothing.

    Args:
        config: The architecture, which has it in a `.keras` file.
        legacy: The `training_config` of an `.h5` file.
        writer: Who wrote the file.
    """
    compiled = config.get("compile_config")
    if isinstance(compiled, dict) and compiled:
        return TrainingConfig(json.dumps(compiled), "keras", writer)
    return TrainingConfig(json.dumps(legacy), "h5", writer) if legacy else None


def training_in(
    config: Mapping[str, Any] | None, legacy: Mapping[str, Any] | None, version: str | None, backend: str | None
) -> TrainingConfig | None:
    """The same of a file of which only the parts are known; None of weights alone."""
    return None if config is None else stated_training(config, legacy, detect_writer(config, version, backend))
