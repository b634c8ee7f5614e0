"""Keras recurrent models, running on PyTorch, with nothing of Keras or TensorFlow installed."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from . import activations as activations
from . import constraints as constraints
from . import convert as convert
from . import initializers as initializers
from . import layers as layers
from . import ops as ops
from . import recipes as recipes
from . import regularizers as regularizers
from .errors import KerasTorchError as KerasTorchError
from .interop import from_torch as from_torch
from .models import Input as Input
from .models import Model as Model
from .models import Sequential as Sequential
from .models import _files as _model_files
from .models import clone_model as clone_model
from .random import set_seed as set_seed

if _TYPE_CHECKING:
    from .load import LoadReport as LoadReport
    from .load import load_model as load_model
    from .load import load_weights as load_weights
    from .load import model_from_json as model_from_json

# The readers of files are a third of the import time: they come when they are asked for.
_ON_USE = ("LoadReport", "load_model", "load_weights", "model_from_json")


def __getattr__(name: str) -> _Any:
    if name in _ON_USE:
        from . import load

        globals().update({item: getattr(load, item) for item in _ON_USE})
        return globals()[name]
    if name == "__version__":
        from importlib.metadata import version

        return version("kerastorch")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _load_weights(*args: _Any, **options: _Any) -> _Any:
    return __getattr__("load_weights")(*args, **options)


_model_files.provide("load_weights", _load_weights)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ON_USE, "__version__"])
