"""HDF5 datasets stored in chunks: no Keras writes them, but files that were packed again by hand hold them."""

from __future__ import annotations

import itertools
from math import prod

import numpy as np

from kerastorch.errors import CorruptFileError

from ._hdf5_chunk_index import Chunks, Place, read_index
from ._hdf5_filters import read_filters, unpack
from ._limits import MIB
from ._source import Cursor

_STEPS = 8  # that one chunk costs: finding it, unpacking it and putting it in its place


def read_chunks(
    cursor: Cursor, filters: list[Cursor], itemsize: int, shape: tuple[int, ...], most: tuple[int, ...]
) -> memoryview:
    """Put the chunks of a dataset together.

    Args:
        cursor: The layout message.
        filters: The filter messages.
        itemsize: Bytes of one element.
        shape: Shape of the dataset.
        most: The largest that it may get.
    """
    source, limits = cursor.source, cursor.source.limits
    chunks = Chunks.read(cursor, itemsize, shape, most)
    size, nbytes = itemsize * prod(chunks.shape), itemsize * prod(shape)
    if nbytes == 0:
        return memoryview(b"")
    if size > min(limits.chunk_bytes, 4 * nbytes + 4096):
        raise cursor.unsafe(f"one of its chunks has {size} bytes, far more than it needs")
    pipeline = read_filters(filters[0], itemsize) if filters else []
    counts = tuple(-(-whole // part) for whole, part in zip(shape, chunks.shape, strict=True))
    source.step(cursor.where, _STEPS * prod(counts))
    found = read_index(cursor, chunks, counts, size)
    if len(found) != prod(counts):
        raise _incomplete(cursor, len(found), prod(counts))
    stored = sum(place.size for place in found.values())
    allowed = max(limits.allocation_bytes, limits.allocation_ratio * source.end)
    if nbytes > min(limits.chunk_ratio * stored + MIB, allowed) or stored > source.end:
        raise cursor.unsafe(f"its {stored} stored bytes are said to unpack to {nbytes}")
    array = np.empty((*shape, itemsize), np.uint8)
    for number in itertools.product(*map(range, counts)):
        if number not in found:
            raise _incomplete(cursor, len(found), prod(counts))
        target = tuple(
            slice(index * part, min((index + 1) * part, whole))
            for index, part, whole in zip(number, chunks.shape, shape, strict=True)
        )
        part = tuple(slice(0, piece.stop - piece.start) for piece in target)
        partial = any(piece.stop != length for piece, length in zip(part, chunks.shape, strict=True))
        applied = [] if partial and chunks.plain_edges else pipeline
        array[target] = _content(cursor, found[number], applied, size, itemsize).reshape(*chunks.shape, itemsize)[part]
    array.flags.writeable = False
    return array.reshape(-1).data


def _content(cursor: Cursor, place: Place, pipeline: list[int], size: int, itemsize: int) -> np.ndarray:
    raw = cursor.source.cursor(place.at, place.size, cursor.where)
    return np.frombuffer(unpack(raw, pipeline, place.mask, size, itemsize), np.uint8)


def _incomplete(cursor: Cursor, found: int, expected: int) -> CorruptFileError:
    return cursor.corrupt(
        f"only {found} of its {expected} chunks are there, the others were never written: the program that wrote them "
        "was stopped, or the array was made larger and not filled"
    )
