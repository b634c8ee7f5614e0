"""What the HDF5 library writes into: a file whose errors do not reach it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


class Sink:
    """A new file for `h5py.File(sink, "w")`; the first error is kept, and from then on everything is thrown away.

    The HDF5 library writes most of a file when it closes it, and a write that fails there, on a full disk for one,
    crashes the process. Here no write fails: who uses this asks `check` in between and afterwards.
    """

    def __init__(self, path: str) -> None:
        # Of a new file: weights that nobody else may read are not to be read while they are written.
        self._file = io.FileIO(path, "w+b", opener=lambda name, flags: os.open(name, flags, 0o600))
        self._at = self._end = 0
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    # ------------------------------------------------------------------ what h5py calls

    def tell(self) -> int:
        """The position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def write(self, data: memoryview | bytes) -> int:
        """Write all of it, as far as the library can tell."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self._error is None and done < view.nbytes:
                self._file.seek(self._at + done)
                done += self._file.write(view[done:])
        except OSError as error:
            self._error = error
        self._at += view.nbytes
        self._end = max(self._end, self._at)
        return view.nbytes

    def readinto(self, target: memoryview) -> int:
        """Read back what was written; zeros where nothing is."""
        view = memoryview(target).cast("B")
        found = 0
        try:
            self._file.seek(self._at)
            while found < view.nbytes and (count := self._file.readinto(view[found:])):
                found += count
        except OSError as error:
            self._error = self._error or error
        view[found:] = bytes(view.nbytes - found)
        self._at += view.nbytes
        return view.nbytes

    def read(self, size: int) -> bytes:
        """Read back what was written; h5py knows by this that it has a file."""
        held = bytearray(size)
        self.readinto(memoryview(held))
        return bytes(held)

    def truncate(self, size: int | None = None) -> int:
        """Give the file this size."""
        self._end = self._at if size is None else size
        try:
            if self._error is None:
                self._file.truncate(self._end)
        except OSError as error:
            self._error = error
        return self._end

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def new_hdf5(path: str) -> Iterator[h5py.File]:
    """A new HDF5 file in the place of the one at `path`.

    Raises:
        OSError: It could not be written; the file is closed, and the library has seen no error.
    """
    import h5py  # only here: reading needs no HDF5 library

    sink = Sink(path)
    try:
        with h5py.File(sink, "w") as file:
            yield file
        sink.check()
    finally:
        sink.close()
