"""Say what a file is that is not read, and what to do with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kerastorch.errors import CorruptFileError, LoadError, UnsupportedFileError, counted, quote

from ._source import DAMAGED, UNWRITTEN
from .architectures import HARMLESS

_SAVE = "Load it with the Keras that wrote it and save it with model.save('model.keras')."
_CONVERT = "Convert it with tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras."
_TRUSTED = "If you trust who made it, load it with what wrote it and save it with Keras: model.save('model.keras')."
ONE_BY_ONE = "If you trust who made it, load it with what wrote it and save each model with Keras."
_YAML = "Use model_from_yaml."
_WEIGHTS = "model.weights.h5"
_PACKED = "packed"
_WITHOUT = "an architecture as JSON text, without weights"
_PLAIN = b"|".join(tag.removeprefix("!!python/").encode() for tag in sorted(HARMLESS))
_OBJECTS_OF_YAML = "YAML text with Python objects, which runs code when it is loaded"

_OBJECTS = rb"\x93NUMPY.{0,300}'descr': '\|O"
# A pickle of protocol 2 and later; of 0, which is text: a global, a dict, a list, an instance; of 1: a list, a dict.
_PICKLE = rb"\x80[\x02-\x05]|\(?[ci][A-Za-z_][\w.]*\n[A-Za-z_]\w*\n([()\]}]|p\d+\n|q\x00)|\([dl]p\d+\n|[\]}]q\x00"
_PICKLED_NAME = re.compile(r"\.(pkl|pickle|joblib|dill)(\.(gz|bz2|xz|z|zip|lzma))?$", re.IGNORECASE)


class _Beginning(NamedTuple):
    """How a file begins, what it is, what to do, its kind, and whether it runs code in the program that reads it."""

    pattern: bytes
    what: str
    advice: str
    kind: str = ""
    runs: bool = False


_BEGINNINGS: tuple[_Beginning, ...] = (
    _Beginning(
        _OBJECTS,
        "a numpy array of Python objects, which are pickled: they are never loaded here",
        _TRUSTED,
        "pickle",
        True,
    ),
    _Beginning(
        rb"\x93NUMPY", "a numpy array (.npy)", "Load it with numpy and pass the arrays to set_weights.", "numpy"
    ),
    _Beginning(rb"PK\x05\x06", "an empty zip archive", "Save the model again with Keras."),
    _Beginning(
        rb"version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch the file with `git lfs pull`."
    ),
    _Beginning(
        rb"\s*<(!DOCTYPE|!doctype|html|HTML|\?xml)", "a web page, not the file itself", "Download the raw file."
    ),
    _Beginning(
        _PICKLE, "a pickle, which runs code when it is loaded: it is never loaded here", _TRUSTED, "pickle", True
    ),
    _Beginning(
        rb"....TFL3", "a TensorFlow Lite model", "Convert the Keras model that it was made from.", "TensorFlow Lite"
    ),
    _Beginning(rb"\x1f\x8b", "packed with gzip", "Unpack it first.", _PACKED),
    _Beginning(rb"BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "packed", "Unpack it first.", _PACKED),
    _Beginning(rb'(\xef\xbb\xbf)?\s*["\[{].{0,4000}"class_name\\*"', _WITHOUT, "Use model_from_json.", "architecture"),
    _Beginning(rb'\s*\{.{0,4000}"(modelTopology|weightsManifest)"', "a TensorFlow.js model", _CONVERT),
    _Beginning(rb"\s*\{", "JSON text", "Check that it is the file you meant."),
    _Beginning(rb"\x08\x01\x12", "a TensorFlow graph (saved_model.pb)", _SAVE, "TensorFlow graph"),
    _Beginning(
        rb"(?=.*!!python/(?!(" + _PLAIN + rb")\b(?!/)))(---|\w+:|!!)",
        _OBJECTS_OF_YAML,
        _TRUSTED,
        "YAML",
        True,
    ),
    _Beginning(
        rb"(---\s+)?(backend|class_name|config|keras_version):\s", "an architecture as YAML text", _YAML, "YAML"
    ),
)


def unsafe_pickle(said: str) -> UnsupportedFileError:
    """The error for what a loader would unpickle."""
    return UnsupportedFileError(said).of("pickle").because("runs code")


def describe(name: str, path: str, data: memoryview) -> LoadError:
    """The error for a file that is neither a zip archive nor HDF5."""
    head = bytes(data[:4096])
    for pattern, what, advice, kind, runs in _BEGINNINGS:
        if re.match(pattern, head, re.DOTALL):
            error = UnsupportedFileError(f"{name}: this is {what}. {advice}").of(kind)
            pickled = kind == _PACKED and _PICKLED_NAME.search(path) is not None
            return error.of("pickle" if pickled else kind).because("runs code") if runs or pickled else error
    if _PICKLED_NAME.search(path):
        return unsafe_pickle(
            f"{name}: by its name this is a pickle, which runs code when it is loaded: it is never loaded here. "
            f"{_TRUSTED}"
        )
    if re.search(r"\.(index|data-\d+-of-\d+|ckpt)$", path):
        return UnsupportedFileError(
            f"{name}: this is a TensorFlow checkpoint, which holds no architecture. {_SAVE}"
        ).of("TensorFlow checkpoint")
    if path.endswith(".pb"):
        return UnsupportedFileError(f"{name}: this is a TensorFlow graph. {_SAVE}").of("TensorFlow graph")
    if head.count(0) == len(head):
        return CorruptFileError(
            f"{name}: this is not a Keras file: nothing but zeros stands in its first {counted(len(head), 'byte')}. "
            f"{UNWRITTEN}"
        )
    return CorruptFileError(
        f"{name}: this is not a Keras file: it is neither a zip archive (.keras) nor HDF5 (.h5). {DAMAGED}"
    )


def describe_folder(name: str, entries: set[str]) -> LoadError:
    """The error for a directory."""
    if "saved_model.pbtxt" in entries:
        return UnsupportedFileError(f"{name}: this is a SavedModel as text, expected saved_model.pb. {_SAVE}").of(
            "SavedModel"
        )
    if "config.json" in entries:
        return UnsupportedFileError(
            f"{name}: this is an unpacked .keras file, expected one file. "
            "Pack its content with zip, without a folder around it."
        )
    return UnsupportedFileError(f"{name}: this is a directory, expected a Keras file (.keras, .h5, .weights.h5).")


def is_pickle(head: bytes, name: str = "") -> bool:
    """Whether a file that begins so, or is called so, is loaded by unpickling."""
    pickled = re.match(_PICKLE, head, re.DOTALL) or re.match(_OBJECTS, head, re.DOTALL)
    return pickled is not None or _PICKLED_NAME.search(name) is not None


def describe_zip(name: str, members: Iterable[str], head: Callable[[str], bytes]) -> LoadError | None:
    """The error for a zip archive that is not a .keras file with HDF5 weights; None for one that is.

    Args:
        name: What to call it.
        members: Their names.
        head: The first bytes of a member.
    """
    members = set(members)
    if "config.json" in members and _WEIGHTS in members:
        return None
    if any(member.endswith("data.pkl") for member in members):
        return unsafe_pickle(
            f"{name}: this is a PyTorch file, which runs code when it is loaded carelessly: it is never loaded here. "
            "Load it with torch.load(..., weights_only=True)."
        )
    if "config.json" in members and "model.weights.npz" in members:
        return unsafe_pickle(
            f"{name}: its weights are pickled (model.weights.npz), which can run code: they are never loaded here. "
            "If you trust who made it, load it with the Keras that wrote it and save it with weights_format='h5'."
        )
    if "config.json" in members and any(m.startswith("model") and m.endswith(".weights.json") for m in members):
        return UnsupportedFileError(
            f"{name}: its weights are sharded inside the archive, which no released Keras reads. {_SAVE}"
        )
    if members and all(member.endswith(".npy") for member in members):
        pickled = sorted(member for member in members if is_pickle(head(member)))
        if pickled:
            return unsafe_pickle(
                f"{name}: this is a set of numpy arrays (.npz), of which {quote(pickled[0])} holds Python objects, "
                f"which are pickled: they are never loaded here. {_TRUSTED}"
            )
        return UnsupportedFileError(
            f"{name}: this is a set of numpy arrays (.npz). Load it with numpy and pass the arrays to set_weights."
        ).of("numpy")
    pickled = sorted(member for member in members if not member.endswith("/") and is_pickle(head(member), member))
    if pickled:
        return unsafe_pickle(
            f"{name}: this is a zip archive with a pickle in it ({quote(pickled[0])}), which runs code when it is "
            f"loaded: it is never loaded here. {_TRUSTED}"
        )
    missing = " and ".join(sorted({"config.json", _WEIGHTS} - members))
    return CorruptFileError(
        f"{name}: this is a zip archive, but not a whole .keras file: it has no {missing}. {DAMAGED}"
    )
