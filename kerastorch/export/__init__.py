"""What leaves as a file of another system: ONNX models and programs of `torch.export`.

`_signature.py` says which inputs a model has, with which sizes known; `flat.py` is the model as these systems want it,
tensors in and tensors out, the states of stateful layers among both; `onnx.py` and `program.py` write.
"""

from ..namespaces import Namespace as Namespace
from .exporting import FORMATS as FORMATS
from .exporting import export_model as export_model
from .translations import onnx_translations as onnx_translations

_namespace = Namespace(__name__, globals(), homes=("export.exporting", "export.translations"))


def __dir__() -> list[str]:
    return _namespace.names()
