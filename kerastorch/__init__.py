"""Keras recurrent models, running on PyTorch, with nothing of Keras or TensorFlow installed.

The parts come when they are asked for: `import kerastorch.files` reads files of Keras without torch.
"""

from typing import TYPE_CHECKING
from typing import Any as _Any

from . import errors as errors
from . import namespaces as _namespaces
from . import old_paths as _old_paths
from . import packaged as _packaged
from . import wiring as _wiring

if TYPE_CHECKING:
    from . import activations as activations
    from . import backend as backend
    from . import callbacks as callbacks
    from . import constraints as constraints
    from . import convert as convert
    from . import dtype_policies as dtype_policies
    from . import export as export
    from . import initializers as initializers
    from . import layers as layers
    from . import losses as losses
    from . import metrics as metrics
    from . import models as models
    from . import ops as ops
    from . import optimizers as optimizers
    from . import preprocessing as preprocessing
    from . import random as random
    from . import recipes as recipes
    from . import regularizers as regularizers
    from . import saving as saving
    from . import utils as utils
    from .architectures import model_from_config as model_from_config
    from .architectures import model_from_json as model_from_json
    from .architectures import model_from_yaml as model_from_yaml
    from .backend import Variable as Variable
    from .drawing import plot_model as plot_model
    from .dtype_policies import FloatDTypePolicy as FloatDTypePolicy
    from .dtypes import DTypePolicy as DTypePolicy
    from .errors import KerasTorchError as KerasTorchError
    from .export import onnx_translations as onnx_translations
    from .initializers import Initializer as Initializer
    from .interop import from_torch as from_torch
    from .layers import InputSpec as InputSpec
    from .layers import Layer as Layer
    from .leaving import to_source as to_source
    from .load import Limits as Limits
    from .load import LoadReport as LoadReport
    from .load import load_model as load_model
    from .load import load_weights as load_weights
    from .losses import Loss as Loss
    from .metrics import Metric as Metric
    from .models import Input as Input
    from .models import Model as Model
    from .models import Sequential as Sequential
    from .models import clone_model as clone_model
    from .optimizers import Optimizer as Optimizer
    from .parity import ParityReport as ParityReport
    from .parity import assert_keras_parity as assert_keras_parity
    from .parity import check_parity as check_parity
    from .parity import read_recording as read_recording
    from .random import set_seed as set_seed
    from .regularizers import Regularizer as Regularizer
    from .saving import SaveReport as SaveReport
    from .saving import save_model as save_model
    from .saving import save_weights as save_weights
    from .saving import to_json as to_json
    from .scanning import ScanReport as ScanReport
    from .scanning import scan as scan
    from .summaries import summary as summary
    from .transfer import copy_weights as copy_weights

_MODULES = (
    *("activations", "backend", "callbacks", "constraints", "convert", "dtype_policies", "errors", "export"),
    *("initializers", "layers", "losses", "metrics", "models", "ops", "optimizers", "preprocessing", "random"),
    *("recipes", "regularizers", "saving", "utils"),
)
# The modules, and what of them stands here as well.
_NAMES = {
    "backend": ("Variable",),
    "dtype_policies": ("FloatDTypePolicy",),
    "dtypes": ("DTypePolicy",),
    "drawing": ("plot_model",),
    "errors": ("KerasTorchError",),
    "export": ("onnx_translations",),
    "initializers": ("Initializer",),
    "interop": ("from_torch",),
    "layers": ("InputSpec", "Layer"),
    "leaving": ("to_source",),
    "architectures": ("model_from_config", "model_from_json", "model_from_yaml"),
    "load": ("Limits", "LoadReport", "load_model", "load_weights"),
    "losses": ("Loss",),
    "metrics": ("Metric",),
    "models": ("Input", "Model", "Sequential", "clone_model"),
    "optimizers": ("Optimizer",),
    "parity": ("ParityReport", "assert_keras_parity", "check_parity", "read_recording"),
    "random": ("set_seed",),
    "regularizers": ("Regularizer",),
    "summaries": ("summary",),
    "saving": ("SaveReport", "save_model", "save_weights", "to_json"),
    "scanning": ("ScanReport", "scan"),
    "transfer": ("copy_weights",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}
_ABSENT = {
    "applications": "use torchvision's, or load the model from a file of Keras.",
    "datasets": "most of these files hold pickled objects, which kerastorch never runs: load them once in Keras and "
    "save arrays (numpy.savez); utils.get_file fetches plain ones, torchvision.datasets has MNIST and CIFAR.",
    **dict.fromkeys(("Quantizer", "quantizers"), "use torch.ao.quantization on the model."),
    **dict.fromkeys(("distribution", "distillation"), "use torch.distributed, or a loop in torch."),
    **dict.fromkeys(("RematScope", "remat"), "use torch.utils.checkpoint."),
    **dict.fromkeys(("StatelessScope", "SymbolicScope"), "torch.func.functional_call computes without changing state."),
    "KerasTensor": "Input(shape) makes one, and utils.is_keras_tensor(x) knows one.",
    "Operation": "write a subclass of Layer.",
    "config": "backend has floatx, epsilon, image_data_format and what sets them.",
    "legacy": "saving has serialize_keras_object and deserialize_keras_object.",
    "src": "these are Keras's inner modules: import the name from its public place.",
    "mixed_precision": "give a layer its dtype, dtype='mixed_float16', or use torch.autocast.",
    "Function": "use Model(inputs, outputs).",
    "device": "use torch.device(...) as a context manager.",
    "name_scope": "give layers their names.",
    "tree": "use torch.utils._pytree, or optree.",
    "visualization": "plot_model draws a model; for curves and images use matplotlib.",
    "wrappers": "use skorch, which makes estimators of torch modules.",
}


def _fetch(name: str) -> _Any:
    if name in _HOMES:
        globals()[name] = _wiring.fetch(_HOMES[name], name)
        return globals()[name]
    if name in _MODULES:
        return _wiring.part(name)
    if name == "__version__":
        return version()
    if name in _ABSENT:
        return _namespaces.absent("keras", name, _ABSENT[name])
    near = None if name.startswith("_") else errors.closest(name, __dir__(), 0.75)
    hint = f"; did you mean {near!r}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


if TYPE_CHECKING:  # a type checker would take every name for one that is there
    __version__: str
else:
    __getattr__ = _fetch


def version() -> str:
    """The version of kerastorch that is installed; "0+unknown" where it runs from its sources."""
    return _packaged.installed_version() or "0+unknown"


_wiring.connect()
_old_paths.register()


def __dir__() -> list[str]:
    return sorted({*_HOMES, *_MODULES, "__version__", "version"})
