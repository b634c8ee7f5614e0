"""`keras.saving`: models into files, and, from `load`, back."""

from typing import TYPE_CHECKING
from typing import Any as _Any

from ..load import load_model as load_model
from ..load import load_weights as load_weights
from ..namespaces import Namespace as _Namespace
from ..registered import CustomObjectScope as CustomObjectScope
from ..registered import custom_object_scope as custom_object_scope
from ..registered import get_custom_objects as get_custom_objects
from ..registered import get_registered_name as get_registered_name
from ..registered import get_registered_object as get_registered_object
from ..registered import register_keras_serializable as register_keras_serializable
from .objects import deserialize_keras_object as deserialize_keras_object
from .objects import serialize_keras_object as serialize_keras_object
from .save import SaveReport as SaveReport
from .save import save_model as save_model
from .save import save_weights as save_weights
from .save import to_json as to_json

_namespace = _Namespace(
    __name__,
    globals(),
    absent={
        "KerasFileEditor": "open the file with h5py, or load the model, change it and save it again.",
    },
)


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
