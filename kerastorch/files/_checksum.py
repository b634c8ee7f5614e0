"""CRC-32 of what may be large: in pieces that are let go, on several threads."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor

from ._limits import MIB
from ._pages import let_go

_PIECE = MIB
_PART = 16 * MIB  # at least, for each thread
_THREADS = 4
_POLYNOMIAL = 0xEDB88320  # as everywhere here, the bit of x**0 is the highest of 32


def crc32(content: memoryview) -> int:
    """`zlib.crc32`; a file that is mapped is not kept in memory for it."""
    count = min(_THREADS, os.cpu_count() or 1, content.nbytes // _PART)
    if count < 2:
        return _of_part(content)
    size = -(-content.nbytes // count)
    parts = [content[at : at + size] for at in range(0, content.nbytes, size)]
    with ThreadPoolExecutor(count) as threads:
        found, *others = threads.map(_of_part, parts)
    for part, checksum in zip(parts[1:], others, strict=True):
        found = _product(found, _power(8 * part.nbytes)) ^ checksum
    return found


def _of_part(content: memoryview) -> int:
    found = 0
    for at in range(0, content.nbytes, _PIECE):
        piece = content[at : at + _PIECE]
        found = zlib.crc32(piece, found)
        let_go(piece)
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
