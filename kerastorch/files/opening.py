"""From a path or a stream to bytes: regular files, as large as they may be, with the digest that they must have."""

from __future__ import annotations

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
    quote,
)

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
        raise UnsafeFileError(
            f"{name}: there are {size:,} bytes of it, the limit is {limits.bytes:,}. If it is meant to be that large, "
            "pass limits=kt.Limits(bytes=...)."
        )


def read_stream(stream: BinaryIO, limits: Limits) -> bytearray:
    """The rest of a binary stream, in pieces: as much as there may be, and no more."""
    data, name = bytearray(), name_of(stream)
    while True:
        deadline.check("the stream was read")
        try:
            piece = stream.read(_PIECE)
        except (OSError, ValueError) as error:  # a closed file is a ValueError
            raise UnreadableFileError(f"{name}: the stream cannot be read ({error}).") from error
        if not isinstance(piece, (bytes, bytearray)):
            raise ArgumentError(
                f"a stream that yields bytes is needed, this one yields {type(piece).__name__}: open it with 'rb'."
            )
        if not piece:
            return data
        data += piece
        check_size(len(data), name, limits)


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
        hint = "Only local files are read: download it first." if "://" in path else "Check the path."
        raise MissingFileError(f"{name}: there is no such file. {hint}") from None
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


def shortened(path: str) -> str:
    """A path as it may stand in a message: no control characters, and its end, which tells files apart."""
    shown = path if path.isprintable() else quote(path, 1000)
    return shown if len(shown) <= 200 else "..." + shown[-197:]


def name_of(path: object) -> str:
    """What messages call what is to be opened, whatever that is."""
    if isinstance(path, (str, bytes, os.PathLike)):
        return shortened(os.fsdecode(path))
    return shortened(str(getattr(path, "name", "<stream>")))
