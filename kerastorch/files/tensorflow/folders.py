"""The files of a SavedModel or a checkpoint, in a folder of the system or packed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from kerastorch.errors import MissingFileError, UnsafeFileError, quote

from .._bytes import Bytes


class Folder(Protocol):
    """A folder whose files are opened by their paths in it, with "/" between the parts."""

    def has(self, path: str) -> bool:
        """Whether a file stands there."""
        ...

    def open(self, path: str) -> Bytes:
        """A file."""
        ...


class OnDisk:
    """A folder of the system, of which only those files are looked at that are asked for.

    A link is followed to another file of the folder, and into the `blobs` of a Hugging Face cache.

    Args:
        path: Its path.
        open_file: Opens a regular file by its path.
    """

    def __init__(self, path: str, open_file: Callable[[str], Bytes]) -> None:
        self._path = path
        self._open_file = open_file

    def has(self, path: str) -> bool:
        """See `Folder.has`."""
        return os.path.lexists(os.path.join(self._path, path))

    def open(self, path: str) -> Bytes:
        """See `Folder.open`."""
        whole = os.path.join(self._path, path)
        target = os.path.realpath(whole)
        if not os.path.exists(target):
            raise MissingFileError(
                f"{quote(path, 200)}: this file of the model is missing: copy all of the folder, and unpacked."
            )
        if not any(os.path.commonpath([home, target]) == home for home in self._homes()):
            raise UnsafeFileError(
                f"{quote(path, 200)}: this is a link out of the folder of the model, to {quote(target)}. "
                "Copy the file itself into it."
            )
        return self._open_file(target)

    def _homes(self) -> list[str]:
        """The folders in which a file of the model may stand."""
        real = os.path.realpath(self._path)
        parts = os.path.abspath(self._path).split(os.sep)
        homes = [real]
        if "snapshots" in parts:
            cache = os.sep.join(parts[: len(parts) - 1 - parts[::-1].index("snapshots")])
            homes.append(os.path.realpath(os.path.join(cache or os.sep, "blobs")))
        return homes


class InMemory:
    """Files in memory, or in an archive.

    Args:
        files: From the path of each file to what opens it.
    """

    def __init__(self, files: dict[str, Callable[[], Bytes]]) -> None:
        self._files = files

    def has(self, path: str) -> bool:
        """See `Folder.has`."""
        return path in self._files

    def open(self, path: str) -> Bytes:
        """See `Folder.open`."""
        if path not in self._files:
            raise MissingFileError(f"{quote(path, 200)}: this file of the model is missing in the archive.")
        return self._files[path]()
