"""From a path or a stream to bytes: regular files, as large as they may be, with the digest that they must have."""

from __future__ import annotations

import functools
import io
import os
import stat
from typing import BinaryIO

from kerastorch import deadline
from kerastorch.errors import (
    ArgumentError,
    KerasTorchError,
    MissingFileError,
    UnreadableFileError,
    UnsafeFileError,
    beyond,
    counted,
    quote,
)
from kerastorch.paths import is_path

from ._bytes import OpenFile
from ._limits import Limits
from ._recognise import describe_folder
from .permissions import read_advice

_PIECE = 1 << 24  # bytes of a stream that are read at once


def checked_sha256(expected: str | None) -> str | None:
    """A digest as `hashlib` writes it.

    Raises:
        ArgumentError: It is none.
    """
    if expected is None:
        return None
    digits = expected.lower() if isinstance(expected, str) else ""
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise ArgumentError(f"expected_sha256: expected 64 hexadecimal digits, got {quote(expected)}.")
    return digits


def check_size(size: int, name: str, limits: Limits) -> None:
    """Raise where a file, or all that belongs to it, is larger than it may be."""
    if size > limits.bytes:
        raise UnsafeFileError(beyond(f"{name}: there are {counted(size, 'byte')} of it", f"{limits.bytes:,}", "bytes"))


def read_stream(stream: BinaryIO, limits: Limits) -> bytearray:
    """The rest of a binary stream, in pieces: as much as there may be, and no more."""
    data, name = bytearray(), name_of(stream)
    _check_memory(_size_of(stream), name)
    while True:
        deadline.check("the stream was read")
        try:
            piece = stream.read(_PIECE)
        except Exception as error:  # a stream is anybody's code: of requests, of gzip, of a cloud's client
            raise UnreadableFileError(
                f"{name}: the stream cannot be read ({type(error).__name__}: {error}). Pass one that is open and has a "
                "method read(size), or the path of a file."
            ) from error
        if not isinstance(piece, (bytes, bytearray)):
            raise ArgumentError(
                f"a stream that yields bytes is needed, this one yields {type(piece).__name__}: open it with 'rb'."
            )
        if not piece:
            return data
        _check_memory(len(data) + len(piece), name)
        data += piece
        check_size(len(data), name, limits)


def _size_of(stream: BinaryIO) -> int:
    """The bytes of the file behind a stream that `open` has made, else 0: nobody knows."""
    if not isinstance(stream, (io.BufferedReader, io.BufferedRandom, io.FileIO)) or stream.closed:
        return 0
    try:
        return os.fstat(stream.fileno()).st_size
    except OSError:
        return 0


def _check_memory(size: int, name: str) -> None:
    if size > _memory():
        raise UnreadableFileError(
            f"{name}: a stream is read into memory, and {counted(size, 'byte')} are more than the {_memory():,} that "
            "this "
            "machine has. Pass the path of the file: of that no more is read than is needed."
        )


@functools.cache
def _memory() -> int:
    """The bytes of memory of this machine; as many as there may ever be where the system does not say it."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 1 << 63


class NamedBytes(io.BytesIO):
    """The content of a file or a stream, with the name that messages call it by."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def open_file(path: str, follow: bool = True) -> OpenFile:
    """Open a regular file; anything else that a path can lead to is refused without waiting for it.

    Args:
        follow: Whether the path may be a symbolic link.
    """
    name = shortened(path)
    try:
        if os.path.isdir(path):
            raise describe_folder(name, set(os.listdir(path)))
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise MissingFileError(f"{name}: there is no such file. {missing_advice(path)}") from None
    except KerasTorchError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        advice = read_advice(error, path) if isinstance(error, OSError) else "Check the path."
        raise UnreadableFileError(f"{name}: the file cannot be opened ({reason}). {advice}") from None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableFileError(
                f"{name}: this is a pipe or a device, expected a regular file. Save it to a file first."
            )
        return OpenFile(descriptor, name)
    except BaseException:
        os.close(descriptor)
        raise


def missing_advice(path: str) -> str:
    """What to do where nothing stands at a path."""
    return "Only local files are read: download it first." if "://" in path else "Check the path."


def shortened(path: str) -> str:
    """A path as it may stand in a message: no control characters, and its end, which tells files apart."""
    shown = path if path.isprintable() else quote(path, 1000)
    return shown if len(shown) <= 200 else "..." + shown[-197:]


def name_of(path: object) -> str:
    """What messages call what is to be opened, whatever that is."""
    if is_path(path):
        return shortened(os.fsdecode(path))
    return shortened(str(getattr(path, "name", "<stream>")))
