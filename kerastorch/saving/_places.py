"""Where a file is written, and of which kind: what the arguments of Keras's `save` say."""

from __future__ import annotations

import os

from ..base import check
from ..errors import ArgumentError, SaveError, UnsupportedError, quote
from ..files import Format

_H5 = (".h5", ".hdf5")


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
    if not check.boolean(f"{what}: overwrite", overwrite) and os.path.exists(path):
        raise SaveError(f"{what}: there is a file {quote(path)}, and overwrite is False; give another path.")
