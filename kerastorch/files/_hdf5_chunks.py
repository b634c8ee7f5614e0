"""HDF5 datasets stored in chunks: no Keras writes them, but files that were packed again by hand hold them."""

from __future__ import annotations

import itertools
import zlib

import numpy as np

from ._limits import MIB
from ._source import Cursor

CHUNKED = 2

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3


def read_chunks(cursor: Cursor, filters: list[Cursor], itemsize: int, shape: tuple[int, ...]) -> memoryview:
    """Put the chunks of a dataset together.

    Args:
        cursor: The layout message after its class (version 3).
        filters: The filter messages.
        itemsize: Bytes of one element.
        shape: Shape of the dataset.
    """
    source, limits, rank = cursor.source, cursor.source.limits, len(shape)
    dimensions, address = cursor.u(1), cursor.u(8)
    chunk = tuple(cursor.u(4) for _ in range(rank))
    if dimensions != rank + 1 or cursor.u(4) != itemsize or not all(chunk):
        raise cursor.corrupt("its chunks do not fit its shape and type")
    chunk_bytes, nbytes = itemsize, itemsize
    for size, whole in zip(chunk, shape, strict=True):
        chunk_bytes *= size
        nbytes *= whole
    if nbytes == 0:
        return memoryview(b"")
    if chunk_bytes > min(limits.chunk_bytes, 4 * nbytes + 4096):
        raise cursor.unsafe(f"one of its chunks has {chunk_bytes} bytes, far more than it needs")
    pipeline = _read_filters(filters[0]) if filters else []
    found = _read_index(cursor, address, chunk)
    expected = 1
    for size, whole in zip(chunk, shape, strict=True):
        expected *= -(-whole // size)
    if len(found) != expected:
        raise cursor.corrupt(f"{len(found)} of its {expected} chunks are there")
    stored = sum(size for _, size in found.values())
    allowed = max(limits.allocation_bytes, limits.allocation_ratio * source.end)
    if nbytes > min(limits.chunk_ratio * stored + MIB, allowed) or stored > source.end:
        raise cursor.unsafe(f"its {stored} stored bytes are said to unpack to {nbytes}")
    array = np.empty((*shape, itemsize), np.uint8)
    for start in itertools.product(*(range(0, whole, size) for whole, size in zip(shape, chunk, strict=True))):
        if start not in found:
            raise cursor.corrupt(f"its chunk at {start} is not there")
        at, size = found[start]
        source.step(cursor.where)
        raw = _unpack(source.cursor(at, size, cursor.where), pipeline, chunk_bytes, itemsize)
        ends = tuple(min(a + b, whole) for a, b, whole in zip(start, chunk, shape, strict=True))
        target = tuple(slice(a, b) for a, b in zip(start, ends, strict=True))
        part = tuple(slice(0, b - a) for a, b in zip(start, ends, strict=True))
        array[target] = np.frombuffer(raw, np.uint8).reshape(*chunk, itemsize)[part]
    array.flags.writeable = False
    return array.reshape(-1).data


def _read_filters(cursor: Cursor) -> list[int]:
    version, count = cursor.u(1), cursor.u(1)
    if version not in (1, 2) or count > 32:
        raise cursor.corrupt("its list of filters is not one that HDF5 knows")
    cursor.skip(6 if version == 1 else 0)
    pipeline = []
    for _ in range(count):
        number = cursor.u(2)
        named = cursor.u(2) if version == 1 or number >= 256 else 0
        cursor.skip(2)
        values = cursor.u(2)
        cursor.skip(
            named + (-named % 8 if version == 1 else 0) + 4 * values + (4 * (values % 2) if version == 1 else 0)
        )
        if number not in (_DEFLATE, _SHUFFLE, _FLETCHER32):
            raise cursor.unsupported(
                f"its data is packed with HDF5 filter {number}; gzip, shuffle and fletcher32 are read"
            )
        if number in pipeline:
            raise cursor.unsafe("a filter is applied twice")
        pipeline.append(number)
    return pipeline


def _read_index(cursor: Cursor, address: int, chunk: tuple[int, ...]) -> dict[tuple[int, ...], tuple[int, int]]:
    """Return where each chunk is stored: start of the chunk in the array -> (address, bytes)."""
    source, where = cursor.source, cursor.where
    found: dict[tuple[int, ...], tuple[int, int]] = {}
    todo: list[tuple[int, int | None]] = [(address, None)]
    seen = {address}
    while todo:
        at, expected = todo.pop()
        if at >= source.end:
            raise cursor.corrupt("its data was never written, or the index of its chunks runs out of the file")
        node = source.cursor(at, source.end - at, where)
        node.expect(b"TREE\x01", "index of chunks")
        level, used = node.u(1), node.u(2)
        if expected is not None and level != expected:
            raise node.corrupt("the index of its chunks is out of order")
        node.skip(16)
        source.step(where, 1 + used)
        for _ in range(used):
            size, mask = node.u(4), node.u(4)
            start = tuple(node.u(8) for _ in chunk)
            node.skip(8)
            child = node.u(8)
            if child in seen:
                raise node.corrupt("the index of its chunks runs in a circle")
            seen.add(child)
            if level:
                todo.append((child, level - 1))
                continue
            if mask:
                raise node.unsupported("one of its chunks skips a filter")
            found[start] = (child, size)
    return found


def _unpack(cursor: Cursor, pipeline: list[int], size: int, itemsize: int) -> bytes | memoryview:
    """Undo the filters of one chunk, last first."""
    raw: bytes | memoryview = cursor.take(cursor.left)
    for number in reversed(pipeline):
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
        elif len(raw) % itemsize == 0:
            raw = np.frombuffer(raw, np.uint8).reshape(itemsize, -1).T.tobytes()
        else:
            raise cursor.corrupt("a chunk does not have the size of whole elements")
    if len(raw) != size:
        raise cursor.corrupt(f"a chunk has {len(raw)} bytes, expected {size}")
    return raw


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
