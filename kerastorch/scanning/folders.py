"""Which files of a folder may be models."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from .other_files import is_folder_of_a_model

# Files with these endings are looked at whatever they hold; of others, those that begin like a model or a pickle.
ENDINGS = (
    *(".keras", ".h5", ".hdf5", ".hdf", ".he5"),
    *(".pkl", ".pickle", ".joblib", ".dill", ".npy", ".npz", ".pt", ".pth", ".ckpt"),
    *(".pb", ".tflite", ".index"),
)
# Zip archives that are something else.
_PACKED_OTHERS = (".docx", ".xlsx", ".pptx", ".odt", ".ods", ".whl", ".egg", ".jar", ".apk", ".epub")
# What belongs to a model that is a folder, and is judged with it.
_PARTS = frozenset(
    {"saved_model.pb", "saved_model.pbtxt", "keras_metadata.pb", "fingerprint.pb", "variables", "config.json"}
    | {"metadata.json", "model.weights.h5", "model.weights.npz"}
)


@dataclass
class Walk:
    """The files of folders, found one after the other.

    Attributes:
        passed_over: Links to folders, which are not followed: they may lead anywhere, and in circles.
        unreadable: (path, reason) of folders that cannot be listed.
    """

    passed_over: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)

    def files(self, folder: str) -> Iterator[tuple[str, bool]]:
        """(path, whether it is a folder that is one model) of everything in a folder, in order; iterative."""
        stack = [folder]
        while stack:
            here = stack.pop()
            try:
                with os.scandir(here) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
            except OSError as error:
                self.unreadable.append((here, error.strerror or str(error)))
                continue
            names = {entry.name for entry in entries}
            whole = is_folder_of_a_model(names)
            if whole:
                yield here, True
            inner = []
            for entry in entries:
                if whole and entry.name in _PARTS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    inner.append(entry.path)
                elif entry.is_symlink() and os.path.isdir(entry.path):
                    self.passed_over.append(entry.path)
                elif _may_be_opened(entry):
                    yield entry.path, False
            stack.extend(reversed(inner))


def _may_be_opened(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file, or a link to one, or to nothing: no pipe, no device."""
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return entry.is_symlink()  # to nothing, or in a circle: said where it is called like a model


def may_be_model(path: str, head: bytes, kind: str, pickled: bool) -> bool:
    """Whether a file of a folder is looked at.

    Args:
        path: Its path.
        head: Its first bytes.
        kind: "zip", "tar", "hdf5" or "".
        pickled: Whether it begins like a pickle, or is called so.
    """
    name = os.path.basename(path).lower()
    if name.endswith(ENDINGS) or kind == "hdf5" or pickled:
        return True
    if kind in ("zip", "tar"):
        return not name.endswith(_PACKED_OTHERS)
    text = name.endswith((".json", ".yaml", ".yml")) or "." not in name
    return text and head.lstrip()[:1] in (b"{", b"c", b"b", b"k", b"-", b"!") and len(head) > 1
