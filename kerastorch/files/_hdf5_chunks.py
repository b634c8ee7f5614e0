"""HDF5 datasets stored in chunks: no Keras writes them, but files that were packed again by hand hold them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from kerastorch.errors import counted

from ._hdf5_chunk_index import Chunks, Number, Place, read_index
from ._hdf5_filters import read_filters, unpack
from ._limits import MIB
from ._source import Cursor

_STEPS = 8  # that one chunk costs: finding it, unpacking it and putting it in its place


def read_chunks(
    cursor: Cursor,
    filters: list[Cursor],
    itemsize: int,
    shape: tuple[int, ...],
    most: tuple[int, ...],
    fill: Callable[[int], np.ndarray],
) -> memoryview:
    """Put the chunks of a dataset together.

    Args:
        cursor: The layout message.
        filters: The filter messages.
        itemsize: Bytes of one element.
        shape: Shape of the dataset.
        most: The largest that it may get.
        fill: From a number of elements that were never written to the bytes of one, or raises where these are too many.
    """
    source, limits = cursor.source, cursor.source.limits
    chunks = Chunks.read(cursor, itemsize, shape, most)
    size, nbytes = itemsize * prod(chunks.shape), itemsize * prod(shape)
    if nbytes == 0:
        return memoryview(b"")
    if size > limits.chunk_bytes:
        raise source.beyond(cursor.where, f"one of its chunks has {counted(size, 'byte')}", "chunk_bytes")
    if size > 4 * nbytes + 4096:
        raise cursor.unsafe(f"one of its chunks has {counted(size, 'byte')}, far more than it needs")
    pipeline = read_filters(filters[0], itemsize) if filters else []
    counts = tuple(-(-whole // part) for whole, part in zip(shape, chunks.shape, strict=True))
    source.step(cursor.where, _STEPS * prod(counts))
    found = read_index(cursor, chunks, counts, size)
    if any(index >= count for number in found for index, count in zip(number, counts, strict=True)):
        raise cursor.corrupt("one of its chunks stands outside its shape")
    targets = {number: _target(number, chunks.shape, shape) for number in found}
    absent = prod(shape) - sum(prod(part.stop - part.start for part in target) for target in targets.values())
    stored, unpacked = sum(place.size for place in found.values()), nbytes - itemsize * absent
    if stored > source.end:
        raise cursor.unsafe(f"its {stored} stored bytes are more than the file has")
    if unpacked > limits.chunk_ratio * stored + MIB:
        raise source.beyond(cursor.where, f"its {stored} stored bytes are said to unpack to {unpacked}", "chunk_ratio")
    if nbytes > limits.allocation(source.end):
        raise source.beyond(
            cursor.where, f"its chunks are said to unpack to {counted(nbytes, 'byte')}", "allocation_bytes"
        )
    array = np.empty((*shape, itemsize), np.uint8)
    if absent:
        array[...] = fill(absent)
    for number, place in found.items():
        target = targets[number]
        part = tuple(slice(0, piece.stop - piece.start) for piece in target)
        partial = any(piece.stop != length for piece, length in zip(part, chunks.shape, strict=True))
        applied = [] if partial and chunks.plain_edges else pipeline
        array[target] = _content(cursor, place, applied, size, itemsize).reshape(*chunks.shape, itemsize)[part]
    array.flags.writeable = False
    return array.reshape(-1).data


def _target(number: Number, part: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Where a chunk belongs; it may stand out over the shape."""
    return tuple(
        slice(index * size, min((index + 1) * size, whole))
        for index, size, whole in zip(number, part, shape, strict=True)
    )


def _content(cursor: Cursor, place: Place, pipeline: list[int], size: int, itemsize: int) -> np.ndarray:
    raw = cursor.source.cursor(place.at, place.size, cursor.where)
    return np.frombuffer(unpack(raw, pipeline, place.mask, size, itemsize), np.uint8)
