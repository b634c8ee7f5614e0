"""`keras.preprocessing`: the paths by which Keras 2's users import what stands in `kerastorch.utils`."""

from typing import TYPE_CHECKING
from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from ..utils.windows import timeseries_dataset_from_array as timeseries_dataset_from_array
from . import sequence as sequence
from . import text as text

_namespace = _Namespace(
    __name__,
    globals(),
    own=("sequence", "text"),
    absent={
        "image": "images are read by torchvision.io or PIL, and changed by torchvision.transforms.",
        **dict.fromkeys(
            ("audio_dataset_from_directory", "image_dataset_from_directory", "text_dataset_from_directory"),
            "read the files with torch.utils.data.Dataset; model.predict takes a DataLoader.",
        ),
    },
)


if not TYPE_CHECKING:  # which would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
