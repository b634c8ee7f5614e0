"""Where a file is written, and of which kind: what the arguments of Keras's `save` say."""

from __future__ import annotations

import os
from typing import BinaryIO

from ..base import check
from ..errors import ArgumentError, SaveError, UnsupportedError, quote
from ..files import Format, opening
from ..paths import AnyPath, is_sink, text_of

_H5 = (".h5", ".hdf5")


def name_of_place(what: str, place: AnyPath | BinaryIO) -> str:
    """A path as text, or what messages call a stream.

    Raises:
        ArgumentError: It is neither.
    """
    return opening.name_of(place) if is_sink(place) else text_of(place, what)  # type: ignore[arg-type]


def stream_format(save_format: str | None) -> Format:
    """The kind of file for a whole model that goes into a stream; a name that it may have says nothing."""
    named = check.one_of("save_format", "keras" if save_format is None else save_format, ("keras", "h5"))
    return "Keras v3 .keras zip" if named == "keras" else "legacy HDF5 model"


def model_format(path: str, save_format: str | None) -> Format:
    """The kind of file for a whole model, by the end of its path and by Keras 2's `save_format`.

    Raises:
        ArgumentError: They do not say one, or contradict each other.
        UnsupportedError: It is TensorFlow's SavedModel.
    """
    named = None if save_format is None else check.one_of("save_format", save_format, ("keras", "h5", "tf"))
    if named == "tf":
        raise UnsupportedError(
            "save_model: save_format='tf': a SavedModel holds TensorFlow code, which nothing here makes; leave "
            "save_format out and give a path that ends in .keras or .h5."
        )
    ends_in = "keras" if path.endswith(".keras") else "h5" if path.endswith(_H5) else None
    weights_only = path.endswith(".weights.h5")
    if weights_only or (ends_in is None and named != "h5"):
        raise ArgumentError(
            f"save_model: expected a path that ends in .keras, .h5 or .hdf5, got {quote(path)}; for weights alone use "
            "save_weights(model, 'name.weights.h5')."
        )
    if named is not None and ends_in not in (named, None):
        raise ArgumentError(
            f"save_model: save_format={named!r}, but the path ends in .{ends_in}: {quote(path)}; leave save_format out."
        )
    return "Keras v3 .keras zip" if "keras" in (named, ends_in) else "legacy HDF5 model"


def weights_format(path: str, save_format: str | None, dialect: str) -> Format:
    """The kind of file for weights alone, by the end of its path and by Keras 2's `save_format`.

    Raises:
        ArgumentError: They do not say one, or contradict each other.
    """
    kind = (
        None if save_format is None else check.one_of("save_weights: save_format", save_format, ("h5", "keras", "tf"))
    )
    if path.endswith(_H5) and kind != "tf":
        return "Keras v3 .weights.h5" if path.endswith(".weights.h5") else "legacy HDF5 weights"
    advice = "for the whole model use save_model(model, 'name.keras')."
    if dialect == "keras2" and kind in (None, "tf"):
        if path.endswith((*_H5, ".keras", ".index")) or path.endswith(os.sep) or not os.path.basename(path):
            raise ArgumentError(
                f"save_weights: expected the beginning of the names of a checkpoint, as name.ckpt, got {quote(path)}; "
                f"{advice}"
            )
        return "TensorFlow checkpoint"
    if kind == "tf":
        raise ArgumentError(
            "save_weights: save_format='tf': the Keras of TensorFlow 2 reads checkpoints, Keras 3 does not: "
            "pass dialect='keras2', or a path that ends in .weights.h5."
        )
    raise ArgumentError(
        f"save_weights: expected a path that ends in .weights.h5, .h5 or .hdf5, got {quote(path)}; {advice} "
        "With dialect='keras2' another path is that of a TensorFlow checkpoint."
    )


def check_place(what: str, path: str, overwrite: bool, zipped: bool | None = None) -> None:
    """Refuse a file that must not be replaced, and a directory in the place of a zip archive.

    Raises:
        SaveError: There is a file, and `overwrite` is False.
        UnsupportedError: `zipped` is False.
    """
    if zipped is False:
        raise UnsupportedError(
            f"{what}: zipped=False: a model is written into one file, not into a directory; leave zipped out."
        )
    there = next((file for file in (path, f"{path}.index") if os.path.exists(file)), None)
    if not check.boolean(f"{what}: overwrite", overwrite) and there is not None:
        raise SaveError(f"{what}: there is a file {quote(there)}, and overwrite is False; give another path.")
