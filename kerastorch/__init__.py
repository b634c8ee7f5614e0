"""Keras recurrent models, running on PyTorch, with nothing of Keras or TensorFlow installed."""

from typing import TYPE_CHECKING
from typing import Any as _Any

from . import activations as activations
from . import backend as backend
from . import callbacks as callbacks
from . import constraints as constraints
from . import convert as convert
from . import dtype_policies as dtype_policies
from . import errors as errors
from . import initializers as initializers
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import namespaces as _namespaces
from . import old_paths as _old_paths
from . import ops as ops
from . import optimizers as optimizers
from . import preprocessing as preprocessing
from . import random as random
from . import recipes as recipes
from . import regularizers as regularizers
from . import utils as utils
from .backend import Variable as Variable
from .dtypes import DTypePolicy as DTypePolicy
from .errors import KerasTorchError as KerasTorchError
from .errors import closest as _closest
from .initializers import Initializer as Initializer
from .interop import from_torch as from_torch
from .layers import Layer as Layer
from .losses import Loss as Loss
from .metrics import Metric as Metric
from .models import Input as Input
from .models import Model as Model
from .models import Sequential as Sequential
from .models import clone_model as clone_model
from .models import outside as _outside
from .optimizers import Optimizer as Optimizer
from .random import set_seed as set_seed
from .regularizers import Regularizer as Regularizer

if TYPE_CHECKING:
    from . import export as export
    from . import saving as saving
    from .export import onnx_translations as onnx_translations
    from .leaving import to_source as to_source
    from .load import Limits as Limits
    from .load import LoadReport as LoadReport
    from .load import load_model as load_model
    from .load import load_weights as load_weights
    from .load import model_from_config as model_from_config
    from .load import model_from_json as model_from_json
    from .parity import ParityReport as ParityReport
    from .parity import assert_keras_parity as assert_keras_parity
    from .parity import check_parity as check_parity
    from .parity import read_recording as read_recording
    from .saving import SaveReport as SaveReport
    from .saving import save_model as save_model
    from .saving import save_weights as save_weights
    from .saving import to_json as to_json
    from .scanning import ScanReport as ScanReport
    from .scanning import scan as scan

# The readers and writers of files are a third of the import time: they come when they are asked for.
_READERS = ("Limits", "LoadReport", "load_model", "load_weights", "model_from_config", "model_from_json")
_WRITERS = ("SaveReport", "save_model", "save_weights", "to_json")
_EXPORTERS = ("onnx_translations",)
_LEAVING = ("to_source",)
_SCANNERS = ("ScanReport", "scan")
_CHECKERS = ("ParityReport", "assert_keras_parity", "check_parity", "read_recording")
_ABSENT = {
    "applications": "use torchvision's, or load the model from a file of Keras.",
    "datasets": "most of these files hold pickled objects, which kerastorch never runs: load them once in Keras and "
    "save arrays (numpy.savez); utils.get_file fetches plain ones, torchvision.datasets has MNIST and CIFAR.",
    **dict.fromkeys(("Quantizer", "quantizers"), "use torch.ao.quantization on the model."),
    **dict.fromkeys(("distribution", "distillation"), "use torch.distributed, or a loop in torch."),
    **dict.fromkeys(("RematScope", "remat"), "use torch.utils.checkpoint."),
    **dict.fromkeys(("StatelessScope", "SymbolicScope"), "torch.func.functional_call computes without changing state."),
    "FloatDTypePolicy": "use kerastorch.DTypePolicy.",
    "mixed_precision": "give a layer its dtype, dtype='mixed_float16', or use torch.autocast.",
    "Function": "use Model(inputs, outputs).",
    "device": "use torch.device(...) as a context manager.",
    "name_scope": "give layers their names.",
    "tree": "use torch.utils._pytree, or optree.",
    "visualization": "pictures of models are not there yet; model.summary() shows layers, shapes and connections.",
    "wrappers": "use skorch, which makes estimators of torch modules.",
}


def _fetch(name: str) -> _Any:
    if name in _READERS:
        from . import load

        globals().update({item: getattr(load, item) for item in _READERS})
        return globals()[name]
    if name in (*_WRITERS, "saving"):
        from .saving import SaveReport, save_model, save_weights, to_json

        # The import itself has set `saving`.
        globals().update(SaveReport=SaveReport, save_model=save_model, save_weights=save_weights, to_json=to_json)
        return globals()[name]
    if name in (*_LEAVING, "to_torch"):
        from . import leaving

        globals().update({item: getattr(leaving, item) for item in _LEAVING})
        return getattr(leaving, name)
    if name in _CHECKERS:
        from . import parity

        globals().update({item: getattr(parity, item) for item in _CHECKERS})
        return globals()[name]
    if name in _SCANNERS:
        from . import scanning

        globals().update({item: getattr(scanning, item) for item in _SCANNERS})
        return globals()[name]
    if name in (*_EXPORTERS, "export"):
        from .export import onnx_translations

        globals().update(onnx_translations=onnx_translations)  # the import itself has set `export`
        return globals()[name]
    if name == "__version__":
        return version()
    if name in _ABSENT:
        return _namespaces.absent("keras", name, _ABSENT[name])
    near = None if name.startswith("_") else _closest(name, __dir__(), 0.75)
    hint = f"; did you mean {near!r}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


if TYPE_CHECKING:  # a type checker would take every name for one that is there
    __version__: str
else:
    __getattr__ = _fetch


def version() -> str:
    """The version of kerastorch."""
    from importlib.metadata import version

    return version("kerastorch")


def _on_use(name: str) -> _Any:
    return lambda *args, **options: _fetch(name)(*args, **options)


def _on_use_of_training(name: str) -> _Any:
    def call(*args: _Any, **options: _Any) -> _Any:
        from .training import METHODS

        for method, function in METHODS.items():  # from now on they are called at once
            _outside.provide(method, function)
        return METHODS[name](*args, **options)

    return call


for _name in ("load_weights", "save_model", "save_weights", "to_json"):
    _outside.provide(_name, _on_use(_name))
_outside.provide("to_torch", _on_use("to_torch"))


def _fetching(*names: str) -> dict[str, _Any]:
    return {name: lambda name=name: _fetch(name) for name in names}


for _name in _outside.TRAINING:
    _outside.provide(_name, _on_use_of_training(_name))


_namespaces.fill("models", **_fetching("load_model", "model_from_config", "model_from_json", "save_model"))
_namespaces.fill(
    "utils",
    **{
        name: lambda name=name: getattr(_fetch("saving"), name)
        for name in ("serialize_keras_object", "deserialize_keras_object")
    },
)


def _export(*args: _Any, **options: _Any) -> None:
    from .export import export_model

    export_model(*args, **options)


_outside.provide("export", _export)


def _load_keras_state() -> _Any:
    from .resuming import load_keras_state

    return load_keras_state


_namespaces.fill("optimizers", load_keras_state=_load_keras_state)
_namespaces.fill("layers", Input=lambda: Input, InputLayer=lambda: models.InputLayer)

_old_paths.register()
_MODULES = (
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "convert",
    "dtype_policies",
    "errors",
    "export",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "recipes",
    "regularizers",
    "saving",
    "utils",
)


def __dir__() -> list[str]:
    modules = type(_namespaces)
    held = [name for name, value in globals().items() if not name.startswith("_") and not isinstance(value, modules)]
    fetched = {*_READERS, *_WRITERS, *_LEAVING, *_EXPORTERS, *_SCANNERS, *_CHECKERS}
    names = {*held, *_MODULES, *fetched, "__version__"}
    return sorted(names - {"TYPE_CHECKING"})
