"""Models: Input, Model, Sequential, and how they are made from specs. `load_model` and the like come from above."""

from collections.abc import Callable as _Callable
from typing import TYPE_CHECKING
from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from ..outside import provide as _provide
from .build import build_model as build_model
from .build import model_from_config as _from_config
from .clone import clone_model as clone_model
from .input import Input as Input
from .input import InputLayer as InputLayer
from .model import Model as Model
from .sequential import Sequential as Sequential


def _summary(*args: _Any) -> None:
    from .summary_table import summary  # on use: it needs a table library

    summary(*args)


_provide("from_config", _from_config)
_provide("summary", _summary)
_namespace = _Namespace(
    __name__,
    globals(),
    hidden=("Input", "InputLayer", "build_model"),
)


if TYPE_CHECKING:
    load_model: _Callable[..., Model]
    model_from_config: _Callable[..., Model]
    model_from_json: _Callable[..., Model]
    model_from_yaml: _Callable[..., Model]
    save_model: _Callable[..., _Any]
else:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
