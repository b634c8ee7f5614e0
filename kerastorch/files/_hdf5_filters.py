"""What HDF5 does to the bytes of a chunk before it stores them, undone."""

from __future__ import annotations

import zlib

import numpy as np

from kerastorch.errors import counted

from ._source import Cursor

_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_READ = (_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF)
_NAMES = {4: "szip", 5: "n-bit", 6: "scale-offset"}


def read_filters(cursor: Cursor, itemsize: int) -> list[int]:
    """The filters of a dataset, in the order in which they were applied.

    Args:
        cursor: The filter message.
        itemsize: Bytes of one element.
    """
    version, count = cursor.u(1), cursor.u(1)
    if version not in (1, 2) or count > 32:
        raise cursor.corrupt("its list of filters is not one that HDF5 knows")
    cursor.skip(6 if version == 1 else 0)
    pipeline = []
    for _ in range(count):
        number = cursor.u(2)
        named = cursor.u(2) if version == 1 or number >= 256 else 0
        if version == 1 and named % 8:
            raise cursor.corrupt(f"the name of a filter has {counted(named, 'byte')}, which is no multiple of eight")
        cursor.skip(2)
        values = cursor.u(2)
        cursor.skip(named)
        settings = [cursor.u(4) for _ in range(values)]
        cursor.skip(4 * (values % 2) if version == 1 else 0)
        if number not in _READ:
            name = f" ({_NAMES[number]})" if number in _NAMES else ""
            raise cursor.unread(
                f"its data is packed with HDF5 filter {number}{name}; gzip, lzf, shuffle and fletcher32 are read"
            )
        if number in pipeline:
            raise cursor.unsafe("a filter is applied twice")
        if number == _SHUFFLE and settings != [itemsize]:
            raise cursor.corrupt(f"the bytes of elements of {counted(itemsize, 'byte')} were sorted by {settings}")
        if number == _DEFLATE and (len(settings) != 1 or settings[0] > 9):
            raise cursor.corrupt(f"its data is said to be packed with gzip at level {settings}, expected one of 0 to 9")
        pipeline.append(number)
    return pipeline


def unpack(cursor: Cursor, pipeline: list[int], mask: int, size: int, itemsize: int) -> bytes | memoryview:
    """Undo the filters of one chunk, last first.

    Args:
        cursor: The chunk as it is stored.
        pipeline: The filters.
        mask: Those that were not applied to this chunk: a bit for each.
        size: Bytes of the chunk.
        itemsize: Bytes of one element.
    """
    if mask >> len(pipeline):
        raise cursor.corrupt("a chunk leaves out filters that there are not")
    applied = [number for index, number in enumerate(pipeline) if not mask >> index & 1]
    raw: bytes | memoryview = cursor.take(cursor.left)
    for number in reversed(applied):
        if number == _FLETCHER32:
            raw, check = raw[:-4], bytes(raw[-4:])
            if check != _fletcher32(raw).to_bytes(4, "little"):
                raise cursor.corrupt("the checksum of a chunk is wrong")
        elif number == _DEFLATE:
            unpacker = zlib.decompressobj()
            try:
                raw = unpacker.decompress(raw, size + 5)
            except zlib.error as error:
                raise cursor.corrupt(f"a chunk cannot be unpacked ({error})") from None
            if not unpacker.eof:
                raise cursor.corrupt("a chunk does not unpack to its size")
        elif number == _LZF:
            raw = _unpack_lzf(bytes(raw), size + 4, cursor)
        elif len(raw) % itemsize == 0:
            raw = np.frombuffer(raw, np.uint8).reshape(itemsize, -1).T.tobytes()
        else:
            raise cursor.corrupt("a chunk does not have the size of whole elements")
    if len(raw) != size:
        raise cursor.corrupt(f"a chunk has {counted(len(raw), 'byte')}, expected {size}")
    return raw


def _unpack_lzf(raw: bytes, limit: int, cursor: Cursor) -> bytes:
    """Unpack Marc Lehmann's LZF: runs of bytes, and references to what stands up to 8 KiB before."""
    found, at, end = bytearray(), 0, len(raw)
    try:
        while at < end:
            head = raw[at]
            at += 1
            if head < 32:
                if at + head >= end:
                    raise cursor.corrupt("a chunk cannot be unpacked (it is cut short)")
                found += raw[at : at + head + 1]
                at += head + 1
            else:
                size = head >> 5
                if size == 7:
                    size += raw[at]
                    at += 1
                size += 2
                begin = len(found) - ((head & 31) << 8 | raw[at]) - 1
                at += 1
                if begin < 0:
                    raise cursor.corrupt("a chunk cannot be unpacked (it refers to bytes before itself)")
                piece = found[begin : begin + size]
                if len(piece) < size:  # it reaches into what it makes: the piece again and again
                    piece = (piece * (size // len(piece) + 1))[:size]
                found += piece
            if len(found) > limit:
                break
    except IndexError:
        raise cursor.corrupt("a chunk cannot be unpacked (it is cut short)") from None
    return bytes(found)


def _fletcher32(raw: bytes | memoryview) -> int:
    """HDF5's checksum: big-endian 16-bit words, in parts so that the sums stay exact."""
    data = bytes(raw) + b"\0" * (len(raw) % 2)
    words = np.frombuffer(data, ">u2").astype(np.uint64)
    low = high = 0
    for at in range(0, len(words), 4096):
        part = words[at : at + 4096]
        weights = np.arange(len(part), 0, -1, dtype=np.uint64)
        high = (high + low * len(part) + int(part @ weights)) % 65535
        low = (low + int(part.sum())) % 65535
    if not words.any():
        return 0
    return (high or 65535) << 16 | (low or 65535)  # HDF5 folds the carry back in, so only no data at all sums to 0
