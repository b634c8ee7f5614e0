"""The bytes of a file, read when they are asked for.

No file is mapped into memory: whoever touches a page of a mapping behind the end of a file that somebody else has cut
short in the meantime is killed (SIGBUS), and a value that is not copied yet changes under the reader's hands. A
watcher that loads what a training job rewrites in place meets both. Here that is an error.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from abc import ABC, abstractmethod

import numpy as np

from kerastorch import deadline
from kerastorch.errors import LoadError, UnreadableFileError, counted

Buffer = bytes | bytearray | memoryview

_BLOCK = 1 << 16  # bytes that are read at once where less is asked for
_BLOCKS = 256  # of them are kept
_PIECE = 1 << 26  # bytes that are read in one call of the system: between two of them the time is looked at
_DIGEST = 32  # bytes of a SHA-256
_AGAIN = (
    "Load it when it is written to its end. A program that writes files for others to load does best to write each "
    "under another name and to rename it, as kerastorch does."
)


class Bytes(ABC):
    """Bytes that are read in parts.

    Attributes:
        size: How many there are.
    """

    size: int

    @abstractmethod
    def read(self, at: int, end: int) -> memoryview:
        """The bytes from `at` to `end`, which are inside; read only."""

    @abstractmethod
    def into(self, at: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `at` on."""

    @abstractmethod
    def part(self, at: int, end: int) -> Bytes:
        """The bytes from `at` to `end` by themselves."""


class Held(Bytes):
    """Bytes in memory; parts of them are views."""

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data).toreadonly()
        self.size = self._data.nbytes

    def read(self, at: int, end: int) -> memoryview:
        """See `Bytes.read`."""
        return self._data[at:end]

    def into(self, at: int, target: memoryview) -> None:
        """See `Bytes.into`."""
        target[:] = self._data[at : at + target.nbytes]

    def part(self, at: int, end: int) -> Held:
        """See `Bytes.part`."""
        return Held(self._data[at:end])


class OpenFile:
    """A regular file that is open.

    Args:
        descriptor: Of the file; closed by `close`.
        name: What to call it in messages.

    What is read from any thread counts for the deadline of the context that has opened the file.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._state = _state_of(descriptor)
        self._deadline = deadline.current()
        self._digests = b""  # of each block, once the file is `sealed`
        self._blocks: dict[int, memoryview] = {}
        self._keeping = threading.Lock()
        self._turn = threading.Lock()  # where reading moves the one position of the file
        self._closing = weakref.finalize(self, os.close, descriptor)  # once: by `close`, or with the object

    @property
    def size(self) -> int:
        """Its bytes when it was opened."""
        return self._state[0]

    def close(self) -> None:
        """Let go of the file."""
        self._blocks.clear()
        self._closing()

    def check_unchanged(self) -> None:
        """Raise if anybody has written to the file since it was opened."""
        if _state_of(self._open()) != self._state:
            raise self._changed("it was written to while it was read")

    def seal(self) -> str:
        """Read all of the file; from now on every byte that is read must be the one that was read here.

        Returns:
            The SHA-256 of these bytes, as hexadecimal digits.
        """
        whole, digests = hashlib.sha256(), bytearray()
        for at in range(0, self.size, 16 * _BLOCK):
            content = np.empty(min(16 * _BLOCK, self.size - at), np.uint8).data
            self._read(at, content)
            whole.update(content)
            for begin in range(0, content.nbytes, _BLOCK):
                digests += hashlib.sha256(content[begin : begin + _BLOCK]).digest()
        self._digests = bytes(digests)
        return whole.hexdigest()

    def block(self, number: int) -> memoryview:
        """One block; the last ones that were read are kept."""
        found = self._blocks.get(number)
        if found is None:
            at = number * _BLOCK
            content = np.empty(min(_BLOCK, self.size - at), np.uint8)
            self.into(at, content.data)
            found = content.data.toreadonly()
            with self._keeping:
                if len(self._blocks) >= _BLOCKS:
                    self._blocks.pop(next(iter(self._blocks)))
                self._blocks[number] = found
        return found

    def into(self, at: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `at` on."""
        if not self._digests:
            self._read(at, target)
            return
        end = at + target.nbytes
        first, last = -(-at // _BLOCK), end // _BLOCK if end < self.size else -(-end // _BLOCK)
        if first < last:  # whole blocks go where they belong at once
            begin = first * _BLOCK
            whole = target[begin - at : min(last * _BLOCK, end) - at]
            self._read(begin, whole)
            for number in range(first, last):
                self._compare(number, whole[number * _BLOCK - begin : (number + 1) * _BLOCK - begin])
        for number in {at // _BLOCK, (end - 1) // _BLOCK} - set(range(first, last)) if target.nbytes else ():
            content = np.empty(min(_BLOCK, self.size - number * _BLOCK), np.uint8).data
            self._read(number * _BLOCK, content)
            self._compare(number, content)
            begin, stop = max(at, number * _BLOCK), min(end, (number + 1) * _BLOCK)
            target[begin - at : stop - at] = content[begin - number * _BLOCK : stop - number * _BLOCK]

    def _compare(self, number: int, content: memoryview) -> None:
        if hashlib.sha256(content).digest() != self._digests[number * _DIGEST : (number + 1) * _DIGEST]:
            raise self._changed("its bytes are others than those whose SHA-256 was compared")

    def _read(self, at: int, target: memoryview) -> None:
        descriptor, filled = self._open(), 0
        while filled < target.nbytes:
            if self._deadline is not None:
                self._deadline.check(f"byte {at + filled} of {self.size} was read")
            try:
                count = self._read_some(descriptor, at + filled, target[filled : filled + _PIECE])
            except OSError as error:
                raise UnreadableFileError(
                    f"{self.name}: the file cannot be read ({error.strerror or error}). Copy it to a local disk."
                ) from None
            if not count:
                raise self._changed(
                    f"it had {counted(self.size, 'byte')} when it was opened and ends at {at + filled} now"
                )
            filled += count

    def _read_some(self, descriptor: int, at: int, target: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(descriptor, [target], at)
        with self._turn:
            os.lseek(descriptor, at, os.SEEK_SET)
            found = os.read(descriptor, min(target.nbytes, 1 << 24))
        target[: len(found)] = found
        return len(found)

    def _open(self) -> int:
        if not self._closing.alive:
            raise LoadError(f"{self.name}: the archive is closed; read its arrays before that.")
        return self._descriptor

    def _changed(self, how: str) -> LoadError:
        return UnreadableFileError(f"{self.name}: the file has changed: {how}. {_AGAIN}")


class OnDisk(Bytes):
    """A part of an open file.

    Args:
        file: The file.
        start: Where the part begins.
        size: Its bytes.
    """

    def __init__(self, file: OpenFile, start: int, size: int) -> None:
        self.file, self._start, self.size = file, start, size

    def read(self, at: int, end: int) -> memoryview:
        """See `Bytes.read`."""
        begin, stop = self._start + at, self._start + end
        number = begin // _BLOCK
        if number == (stop - 1) // _BLOCK:
            block, first = self.file.block(number), number * _BLOCK
            return block[begin - first : stop - first]
        content = np.empty(max(end - at, 0), np.uint8)
        self.file.into(begin, content.data)
        return content.data.toreadonly()

    def into(self, at: int, target: memoryview) -> None:
        """See `Bytes.into`."""
        self.file.into(self._start + at, target)

    def part(self, at: int, end: int) -> OnDisk:
        """See `Bytes.part`."""
        return OnDisk(self.file, self._start + at, end - at)


def as_bytes(data: Bytes | Buffer) -> Bytes:
    """Bytes in memory, or such as are there already."""
    return data if isinstance(data, Bytes) else Held(data)


def _state_of(descriptor: int) -> tuple[int, int]:
    """The size of a file and when it was last written to."""
    state = os.fstat(descriptor)
    return state.st_size, state.st_mtime_ns
