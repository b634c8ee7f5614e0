"""Modules of older Kerases, by which people's import lines name what stands in the namespaces today.

`from keras.layers.recurrent import LSTM`, `from keras.engine.topology import Layer`, `from keras.utils.np_utils import
to_categorical`: none of these modules has code of its own. Each asks the namespaces that its names have gone to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from . import namespaces

_LAYERS = (
    "advanced_activations convolutional convolutional_recurrent core cudnn_recurrent embeddings local merge noise "
    "normalization pooling recurrent rnn wrappers preprocessing experimental experimental.preprocessing"
)
_UTILS = "conv_utils data_utils generic_utils io_utils layer_utils np_utils vis_utils"
_ENGINE = "engine engine.base_layer engine.input_layer engine.network engine.sequential engine.topology engine.training"
# The module of old -> where its names are, below `kerastorch`.
PATHS: dict[str, tuple[str, ...]] = {
    **{f"layers.{name}": ("layers",) for name in _LAYERS.split()},
    **{f"utils.{name}": ("utils",) for name in _UTILS.split()},
    **dict.fromkeys(_ENGINE.split(), ("layers", "models")),
    "backend.tensorflow_backend": ("backend",),
    "models.sequential": ("models",),
}
# Those that are modules of kerastorch as well, without names of their own; the rest is made here.
_THERE = (
    *(f"layers.{name}" for name in ("convolutional", "core", "normalization", "pooling", "preprocessing", "rnn")),
    "models.sequential",
)
# Modules none of whose names are here -> what to use.
_NOT_HERE = {
    "datasets": "load the arrays with numpy from the files in ~/.keras/datasets, or use torchvision.datasets.",
    "applications": "use torchvision's models, or load the model from a file of Keras.",
    "preprocessing.image": "images are read by torchvision.io or PIL, and changed by torchvision.transforms.",
}


class OldPath(ModuleType):
    """A module that asks others for its names."""

    def __init__(self, name: str, get: Callable[[str], Any]) -> None:
        super().__init__(name, f"A module of older Kerases: see `{__name__}`.")
        self.__dict__.update(__path__=[], _get=get)

    def __getattr__(self, name: str) -> Any:
        return self._get(name)


def _getter(path: str, targets: tuple[str, ...]) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for target in targets:
            module = getattr(sys.modules["kerastorch"], target)
            if name in dir(module) or name in module._namespace.absent:
                return getattr(module, name)
        return getattr(getattr(sys.modules["kerastorch"], targets[0]), name)  # whose error makes suggestions

    return get


def _refusing(path: str, instead: str) -> Callable[[str], Any]:
    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return namespaces.absent(f"keras.{path}", name, instead)

    return get


def register() -> None:
    """Put the modules where Python's imports find them, before any module of kerastorch that has their names."""
    getters = {path: _getter(path, targets) for path, targets in PATHS.items() if path not in _THERE}
    getters |= {path: _refusing(path, instead) for path, instead in _NOT_HERE.items()}
    for path, get in getters.items():
        name = f"kerastorch.{path}"
        made = sys.modules[name] = OldPath(name, get)
        parent, _, last = path.rpartition(".")
        if isinstance(holder := sys.modules.get(f"kerastorch.{parent}"), OldPath):
            holder.__dict__[last] = made
        elif parent:
            namespaces.keep(parent, last, made)
    for namespace in {path.partition(".")[0] for path in _THERE}:
        namespaces.when_there(namespace, partial(_join, namespace))


def _join(namespace: str) -> None:
    """Let the modules of a namespace that are there have the names that Keras had in them."""
    for path in _THERE:
        if path.startswith(f"{namespace}."):
            sys.modules[f"kerastorch.{path}"].__dict__.setdefault("__getattr__", _getter(path, PATHS[path]))
