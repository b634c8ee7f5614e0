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
    from .saving import SaveReport as SaveReport
    from .saving import save_model as save_model
    from .saving import save_weights as save_weights
    from .saving import to_json as to_json

# The readers and writers of files are a third of the import time: they come when they are asked for.
_READERS = ("LoadReport", "load_model", "load_weights", "model_from_json")
_WRITERS = ("SaveReport", "save_model", "save_weights", "to_json")
_ON_USE = (*_READERS, *_WRITERS)


def __getattr__(name: str) -> _Any:
    if name in _READERS:
        from . import load

        globals().update({item: getattr(load, item) for item in _READERS})
        return globals()[name]
    if name in _WRITERS:
        from . import saving

        globals().update({item: getattr(saving, item) for item in _WRITERS})
        return globals()[name]
    if name == "__version__":
        from importlib.metadata import version

        return version("kerastorch")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _on_use(name: str) -> _Any:
    return lambda *args, **options: __getattr__(name)(*args, **options)


for _name in ("load_weights", "save_model", "save_weights", "to_json"):
    _model_files.provide(_name, _on_use(_name))


def __dir__() -> list[str]:
    return sorted([*globals(), *_ON_USE, "__version__"])
