"""What the parts of kerastorch have from others that stand above them, fetched when it is first asked for.

`Model.save` is of the writers, `layers.Input` of the models: the functions and names are handed in here, by the names
of their modules, so that `import kerastorch.files` brings no torch along and `import kerastorch.layers` no writer.
Every import is written out, so that what imports what can be seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import namespaces, outside

# The methods of models, and what optimizers list -> the module and the function that does their work.
_METHODS = {
    "load_weights": ("load", "load_weights"),
    "save_model": ("saving", "save_model"),
    "save_weights": ("saving", "save_weights"),
    "to_json": ("saving", "to_json"),
    "to_torch": ("leaving", "to_torch"),
    "export": ("export", "export_model"),
    "html": ("drawing", "html_of"),
    "svg": ("drawing", "svg_of"),
    "compile_from_config": ("resuming", "compile_from_config"),
    "get_compile_config": ("resuming", "compile_config"),
    "get_state_tree": ("resuming", "state_tree"),
    "set_state_tree": ("resuming", "set_state_tree"),
    "optimizer_variables": ("resuming", "optimizer_variables"),
    "set_optimizer_variables": ("resuming", "set_optimizer_variables"),
}
# The names in a namespace of Keras -> the module that has them here.
_NAMES = {
    "models": {
        "load_model": "load",
        "model_from_config": "architectures",
        "model_from_json": "architectures",
        "model_from_yaml": "architectures",
        "save_model": "saving",
    },
    "convert": {"Copied": "transfer", "copy_weights": "transfer"},
    "utils": {
        "serialize_keras_object": "saving",
        "deserialize_keras_object": "saving",
        "plot_model": "drawing",
        "model_to_dot": "drawing",
    },
    "optimizers": {"load_keras_state": "resuming"},
    "layers": {"Input": "models", "InputLayer": "models"},
}


def part(name: str) -> Any:
    """A module of kerastorch by its name; it is imported now if it was not before."""
    there = sys.modules.get(f"kerastorch.{name}")
    if there is not None:  # maybe one that is being read just now, which the package does not have yet
        return there
    found: Any
    match name:
        case "activations":
            import kerastorch.activations as found
        case "architectures":
            import kerastorch.architectures as found
        case "backend":
            import kerastorch.backend as found
        case "callbacks":
            import kerastorch.callbacks as found
        case "constraints":
            import kerastorch.constraints as found
        case "convert":
            import kerastorch.convert as found
        case "dtype_policies":
            import kerastorch.dtype_policies as found
        case "dtypes":
            import kerastorch.dtypes as found
        case "errors":
            import kerastorch.errors as found
        case "drawing":
            import kerastorch.drawing as found
        case "export":
            import kerastorch.export as found
        case "initializers":
            import kerastorch.initializers as found
        case "interop":
            import kerastorch.interop as found
        case "layers":
            import kerastorch.layers as found
        case "leaving":
            import kerastorch.leaving as found
        case "load":
            import kerastorch.load as found
        case "losses":
            import kerastorch.losses as found
        case "metrics":
            import kerastorch.metrics as found
        case "models":
            import kerastorch.models as found
        case "ops":
            import kerastorch.ops as found
        case "optimizers":
            import kerastorch.optimizers as found
        case "parity":
            import kerastorch.parity as found
        case "preprocessing":
            import kerastorch.preprocessing as found
        case "random":
            import kerastorch.random as found
        case "recipes":
            import kerastorch.recipes as found
        case "regularizers":
            import kerastorch.regularizers as found
        case "resuming":
            import kerastorch.resuming as found
        case "saving":
            import kerastorch.saving as found
        case "scanning":
            import kerastorch.scanning as found
        case "transfer":
            import kerastorch.transfer as found
        case "summaries":
            import kerastorch.summaries as found
        case "training":
            import kerastorch.training as found
        case "utils":
            import kerastorch.utils as found
        case _:
            raise ImportError(f"kerastorch has no part {name!r}.")
    return found


def fetch(module: str, name: str) -> Any:
    """An object of a module of kerastorch."""
    return getattr(part(module), name)


def _calling(module: str, name: str) -> Callable[..., Any]:
    return lambda *args, **options: fetch(module, name)(*args, **options)


def _fetching(module: str, name: str) -> Callable[[], Any]:
    return lambda: fetch(module, name)


def _of_training(name: str) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        methods = fetch("training", "METHODS")
        for method, function in methods.items():  # from now on they are called at once
            outside.provide(method, function)
        return methods[name](*args, **options)

    return call


def _models() -> None:
    """A model is a layer as well: whoever knows the layers by their names knows these."""
    part("models")


def connect() -> None:
    """Hand everything in; nothing is imported yet."""
    namespaces.when_there("layers", _models)
    for method, place in _METHODS.items():
        outside.provide(method, _calling(*place))
    for method in outside.TRAINING:
        outside.provide(method, _of_training(method))
    for namespace, names in _NAMES.items():
        namespaces.fill(namespace, **{name: _fetching(module, name) for name, module in names.items()})
