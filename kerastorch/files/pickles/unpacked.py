"""What joblib packs pickles with: zlib, gzip, bz2, xz and lzma, unpacked as far as it may be."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from typing import Any

from kerastorch import deadline
from kerastorch.errors import LoadError, UnsafeFileError

from .._bytes import Bytes
from .._limits import MIB, Limits

_PIECE = 1 << 20
_MEMORY = 256 * MIB  # of the unpacker of xz and lzma
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"\x1f\x8b|\x78[\x01\x5e\x9c\xda]", "zlib"),
    (rb"BZh[1-9]", "bz2"),
    (rb"\xfd7zXZ\x00|\x5d\x00\x00", "lzma"),
)


def unpacked(data: Bytes, name: str, limits: Limits) -> bytes | None:
    """The bytes of a file that is packed in one of these ways; None of any other file, and of one that is damaged.

    Raises:
        UnsafeFileError: It unpacks to more bytes than it may.
    """
    head = bytes(data.read(0, min(data.size, 16)))
    kind = next((kind for pattern, kind in _KINDS if re.match(pattern, head)), None)
    if kind is None:
        return None
    packed = data.read(0, data.size)
    most, found, unpacking = limits.allocation(packed.nbytes), bytearray(), _unpacker(kind)
    try:
        for at in range(0, packed.nbytes, _PIECE):
            piece: bytes | memoryview = packed[at : at + _PIECE]
            while not unpacking.eof:
                deadline.check("the file was unpacked")
                found += unpacking.decompress(piece, _PIECE)
                if len(found) > most:
                    raise UnsafeFileError(limits.beyond(f"{name}: it unpacks to more bytes", "allocation_bytes", most))
                piece = getattr(unpacking, "unconsumed_tail", b"")
                if not piece and getattr(unpacking, "needs_input", True):
                    break
    except LoadError:
        raise
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError):
        return None
    return bytes(found) if unpacking.eof else None


def _unpacker(kind: str) -> Any:
    if kind == "zlib":
        return zlib.decompressobj(47)  # the header says whether it is gzip
    return bz2.BZ2Decompressor() if kind == "bz2" else lzma.LZMADecompressor(memlimit=_MEMORY)
