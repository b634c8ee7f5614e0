"""From a path to a SavedModel or a checkpoint, told by the names of the files there, as TensorFlow tells them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from kerastorch.errors import CorruptFileError, UnsupportedFileError

from .._bytes import Bytes
from .._limits import Limits
from .._values import Format
from . import saved_model
from ._table import is_table
from .bundle import Bundle
from .checkpoint import Contents, read_checkpoint
from .folders import Folder, OnDisk

_LATEST = re.compile(rb'^model_checkpoint_path:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_SHARD = re.compile(r"\.data-\d{5}-of-\d{5}$")
STATE = "checkpoint"  # the file that says which checkpoint of a folder is the newest
_PARTS = (saved_model.MODEL, saved_model.METADATA)


@dataclass(frozen=True)
class Place:
    """Where a container is.

    Attributes:
        folder: The path of the folder that holds it.
        prefix: Of the files of a checkpoint; empty for a SavedModel.
    """

    folder: str
    prefix: str = ""


def place_of(path: str) -> Place | None:
    """The container that a path leads to: the folder, one of its files, or the prefix of a checkpoint; None if none."""
    folder, name = os.path.split(os.path.abspath(path))
    if os.path.isdir(path):
        if os.path.isfile(os.path.join(path, saved_model.MODEL)):
            return Place(path)
        if os.path.isfile(os.path.join(path, STATE)):
            newest = _latest(path)
            if newest is None:
                raise CorruptFileError(f"{path}: its file {STATE!r} names no checkpoint. Pass the prefix of one.")
            return Place(path, newest)
    elif name in _PARTS and os.path.isfile(os.path.join(folder, saved_model.MODEL)):
        return Place(folder)
    elif _SHARD.search(name) or name.endswith(".index"):
        prefix = _SHARD.sub("", name).removesuffix(".index")
        if _is_index(os.path.join(folder, f"{prefix}.index")):
            return Place(folder, prefix)
    elif name == STATE and os.path.isfile(path):
        newest = _latest(folder)
        return None if newest is None else Place(folder, newest)
    if not os.path.isfile(path) and os.path.isfile(f"{path}.index"):
        return Place(folder, name)
    return None


def _is_index(path: str) -> bool:
    """Whether a file is the table of a checkpoint, by its end: others may be called so."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 8))
        return is_table(file.read(8))


def _latest(folder: str) -> str | None:
    """The prefix of the newest checkpoint of a folder; of where it was written only the last part counts."""
    with open(os.path.join(folder, STATE), "rb") as file:
        found = _LATEST.search(file.read(1 << 16))
    return (os.path.basename(found[1].decode("utf-8", "replace").replace("\\\\", "/")) or None) if found else None


def open_tensorflow(
    place: Place, open_file: Callable[[str], Bytes], name: str, limits: Limits, check_open: Callable[[], None]
) -> tuple[Format, Contents]:
    """Read what stands at a place, but for the values of its arrays.

    Args:
        place: See `place_of`.
        open_file: Opens a regular file by its path.
        name: What to call the container in messages.
        limits: The bounds.
        check_open: Raises where the archive is closed.

    Raises:
        LoadError: See `open_archive`.
    """
    folder = OnDisk(place.folder, open_file)
    if place.prefix:
        return "TensorFlow checkpoint", read_checkpoint(
            Bundle(place.prefix, folder.open, f"{name}: {place.prefix}.index", limits, check_open)
        )
    return "SavedModel", read_folder(folder, name, limits, check_open)


def read_folder(folder: Folder, name: str, limits: Limits, check_open: Callable[[], None]) -> Contents:
    """Read the SavedModel that a folder is, packed or not; see `open_tensorflow`."""
    if not folder.has(f"{saved_model.BUNDLE}.index"):
        raise UnsupportedFileError(
            f"{name}: this is a TensorFlow SavedModel without variables ({saved_model.BUNDLE}.index), so "
            "without weights. Copy all of the folder; if that is all, save the model again with Keras: "
            "model.save('model.keras')."
        )
    index = f"{name}: {saved_model.BUNDLE}.index"
    bundle = Bundle(saved_model.BUNDLE, folder.open, index, limits, check_open)
    return saved_model.read_saved_model(folder, bundle, name, limits)
