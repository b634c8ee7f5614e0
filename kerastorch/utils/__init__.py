"""`keras.utils`: what stands around a model. Sequences are padded, texts become numbers, classes become vectors,
a series becomes windows, random numbers get their seeds. All of it works on numpy arrays and torch tensors.

Begin with `sequences.py` (padding, and Keras 2's word pairs), then `text.py` (Keras 2's Tokenizer), `arrays.py`
(classes, norms), `windows.py` (`timeseries_dataset_from_array` and Keras 2's generator), `datasets.py` (the base of
one's own generators), `fetching.py` (`get_file`), `seeds.py`. What reads and writes models comes from above, as
`namespaces.py` says.
"""

from collections.abc import Callable as _Callable
from typing import TYPE_CHECKING
from typing import Any as _Any

from ..backend.settings import clear_session as clear_session
from ..backend.settings import is_keras_tensor as is_keras_tensor
from ..backend.settings import standardize_dtype as standardize_dtype
from ..namespaces import Namespace as _Namespace
from ..registered import CustomObjectScope as CustomObjectScope
from ..registered import custom_object_scope as custom_object_scope
from ..registered import get_custom_objects as get_custom_objects
from ..registered import get_registered_name as get_registered_name
from ..registered import get_registered_object as get_registered_object
from ..registered import register_keras_serializable as register_keras_serializable
from .arrays import normalize as normalize
from .arrays import pack_x_y_sample_weight as pack_x_y_sample_weight
from .arrays import to_categorical as to_categorical
from .arrays import to_ordinal as to_ordinal
from .arrays import unpack_x_y_sample_weight as unpack_x_y_sample_weight
from .datasets import PyDataset as PyDataset
from .fetching import get_file as get_file
from .seeds import set_random_seed as set_random_seed
from .sequences import make_sampling_table as make_sampling_table
from .sequences import pad_sequences as pad_sequences
from .sequences import skipgrams as skipgrams
from .text import Tokenizer as Tokenizer
from .text import hashing_trick as hashing_trick
from .text import one_hot as one_hot
from .text import text_to_word_sequence as text_to_word_sequence
from .text import tokenizer_from_json as tokenizer_from_json
from .windows import TimeseriesGenerator as TimeseriesGenerator
from .windows import timeseries_dataset_from_array as timeseries_dataset_from_array

Sequence = PyDataset

_IMAGES = "images are read by torchvision.io or PIL, into arrays that every model takes."
_FOLDERS = "read the files with torch.utils.data.Dataset; model.predict takes a DataLoader."
_LOGGING = "model.predict(verbose=0) prints nothing, and loads report to the logger 'kerastorch'."
_namespace = _Namespace(
    __name__,
    globals(),
    absent={
        "Config": "use a dict or a dataclass.",
        "FeatureSpace": "make the features with pandas or torch before the model.",
        "Progbar": "use tqdm; model.predict shows its own progress.",
        "get_source_inputs": "use model.inputs.",
        "split_dataset": "use torch.utils.data.random_split.",
        **dict.fromkeys(("array_to_img", "img_to_array", "load_img", "save_img", "bounding_boxes"), _IMAGES),
        **dict.fromkeys(
            ("audio_dataset_from_directory", "image_dataset_from_directory", "text_dataset_from_directory"), _FOLDERS
        ),
        **dict.fromkeys(
            ("disable_interactive_logging", "enable_interactive_logging", "is_interactive_logging_enabled"), _LOGGING
        ),
    },
)


if TYPE_CHECKING:
    serialize_keras_object: _Callable[[_Any], _Any]
    deserialize_keras_object: _Callable[..., _Any]
    plot_model: _Callable[..., _Any]
    model_to_dot: _Callable[..., _Any]
else:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return _namespace.names()
