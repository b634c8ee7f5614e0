"""Say what a file is that is not read, and what to do with it."""

from __future__ import annotations

import re

from kerastorch.errors import CorruptFileError, LoadError, UnsupportedFileError

from ._hdf5 import SIGNATURE
from ._source import DAMAGED

_SAVE = "Load it with the Keras that wrote it and save it with model.save('model.keras')."
_WEIGHTS = "model.weights.h5"

# (pattern at the beginning of the file, what it is, what to do)
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\x93NUMPY", "a numpy array (.npy)", "Load it with numpy and pass the arrays to set_weights."),
    (rb"PK\x05\x06", "an empty zip archive", "Save the model again with Keras."),
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself", "Fetch the file with `git lfs pull`."),
    (rb"\s*<(!DOCTYPE|!doctype|html|HTML|\?xml)", "a web page, not the file itself", "Download the raw file."),
    (rb"\x80[\x02-\x05]", "a pickle, which runs code when it is loaded: it is never loaded here", _SAVE),
    (rb"....TFL3", "a TensorFlow Lite model", "Convert the Keras model that it was made from."),
    (rb"\x1f\x8b", "packed with gzip", "Unpack it first."),
    (rb"BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "packed", "Unpack it first."),
    (rb'\s*\{.{0,4000}"class_name"', "an architecture as JSON text, without weights", "Use model_from_json."),
    (rb"\s*\{", "JSON text", "Check that it is the file you meant."),
    (rb"\x08\x01\x12", "a TensorFlow graph (saved_model.pb)", _SAVE),
)  # fmt: skip


def describe(name: str, path: str, data: memoryview) -> LoadError:
    """The error for a file that is neither a zip archive nor HDF5."""
    head = bytes(data[:4096])
    for pattern, what, advice in _BEGINNINGS:
        if re.match(pattern, head, re.DOTALL):
            return UnsupportedFileError(f"{name}: this is {what}. {advice}")
    if re.search(r"\.(index|data-\d+-of-\d+|ckpt)$", path):
        return UnsupportedFileError(f"{name}: this is a TensorFlow checkpoint, which holds no architecture. {_SAVE}")
    if path.endswith(".pb"):
        return UnsupportedFileError(f"{name}: this is a TensorFlow graph. {_SAVE}")
    offset = 512
    while offset + 8 <= data.nbytes:
        if data[offset : offset + 8] == SIGNATURE:
            return UnsupportedFileError(
                f"{name}: this is an HDF5 file with {offset} foreign bytes before it, which no Keras writes. {_SAVE}"
            )
        offset *= 2
    return CorruptFileError(
        f"{name}: this is not a Keras file: it is neither a zip archive (.keras) nor HDF5 (.h5). {DAMAGED}"
    )


def describe_folder(name: str, entries: set[str]) -> LoadError:
    """The error for a directory."""
    if entries & {"saved_model.pb", "saved_model.pbtxt"}:
        return UnsupportedFileError(f"{name}: this is a TensorFlow SavedModel, expected a Keras file. {_SAVE}")
    if "config.json" in entries:
        return UnsupportedFileError(
            f"{name}: this is an unpacked .keras file, expected one file. "
            "Pack its content with zip, without a folder around it."
        )
    return UnsupportedFileError(f"{name}: this is a directory, expected a Keras file (.keras, .h5, .weights.h5).")


def describe_zip(name: str, members: set[str]) -> LoadError | None:
    """The error for a zip archive that is not a .keras file with HDF5 weights; None for one that is."""
    if "config.json" in members and _WEIGHTS in members:
        return None
    if any(member.endswith("data.pkl") for member in members):
        return UnsupportedFileError(
            f"{name}: this is a PyTorch file, which runs code when it is loaded carelessly: it is never loaded here. "
            "Load it with torch.load(..., weights_only=True)."
        )
    if "config.json" in members and "model.weights.npz" in members:
        return UnsupportedFileError(
            f"{name}: its weights are pickled (model.weights.npz), which can run code: they are never loaded here. "
            "Load it with the Keras that wrote it and save it with weights_format='h5'."
        )
    if "config.json" in members and any(m.startswith("model") and m.endswith(".weights.json") for m in members):
        return UnsupportedFileError(
            f"{name}: its weights are sharded inside the archive, which no released Keras reads. {_SAVE}"
        )
    if members and all(member.endswith(".npy") for member in members):
        return UnsupportedFileError(
            f"{name}: this is a set of numpy arrays (.npz). Load it with numpy and pass the arrays to set_weights."
        )
    if any(member.endswith("saved_model.pb") for member in members):
        return UnsupportedFileError(f"{name}: this is a packed TensorFlow SavedModel, expected a Keras file. {_SAVE}")
    missing = " and ".join(sorted({"config.json", _WEIGHTS} - members))
    return CorruptFileError(
        f"{name}: this is a zip archive, but not a whole .keras file: it has no {missing}. {DAMAGED}"
    )
