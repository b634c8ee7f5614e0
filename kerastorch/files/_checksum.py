"""CRC-32 of what may be large: in pieces, on several threads."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ._bytes import Bytes
from ._limits import MIB

_PIECE = MIB
_PART = 16 * MIB  # at least, for each thread
_THREADS = 4
_POLYNOMIAL = 0xEDB88320  # as everywhere here, the bit of x**0 is the highest of 32


def crc32(content: Bytes) -> int:
    """`zlib.crc32`; no more than a piece of a file is in memory for it."""
    count = min(_THREADS, os.cpu_count() or 1, content.size // _PART)
    if count < 2:
        return _of_part(content)
    size = -(-content.size // count)
    parts = [content.part(at, min(at + size, content.size)) for at in range(0, content.size, size)]
    with ThreadPoolExecutor(count) as threads:
        found, *others = threads.map(_of_part, parts)
    for part, checksum in zip(parts[1:], others, strict=True):
        found = _product(found, _power(8 * part.size)) ^ checksum
    return found


def _of_part(content: Bytes) -> int:
    found, held = 0, np.empty(min(_PIECE, content.size), np.uint8).data
    for at in range(0, content.size, _PIECE):
        piece = held[: content.size - at]
        content.into(at, piece)
        found = zlib.crc32(piece, found)
    return found


def _product(first: int, second: int) -> int:
    """The product of two polynomials over GF(2), modulo that of the checksum."""
    found = 0
    for bit in reversed(range(32)):
        if second >> bit & 1:
            found ^= first
        first = first >> 1 ^ (_POLYNOMIAL if first & 1 else 0)  # times x
    return found


def _power(exponent: int) -> int:
    """x to a power: a checksum times this is that of the same bytes with `exponent` zero bits behind them."""
    found, square = 1 << 31, 1 << 30
    while exponent:
        if exponent & 1:
            found = _product(found, square)
        square = _product(square, square)
        exponent >>= 1
    return found
