"""Where the chunks of an HDF5 dataset stand: the layout message, and the six indexes that it may lead to."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from struct import Struct
from typing import NamedTuple

from kerastorch.errors import counted

from ._hdf5_btree2 import read_records
from ._hdf5_chunk_arrays import Find, extensible_array, fixed_array
from ._source import UNDEFINED, Cursor

_SINGLE, _IMPLICIT, _FIXED, _EXTENSIBLE, _TREE2 = 1, 2, 3, 4, 5
_PARAMETERS = {_SINGLE: 0, _IMPLICIT: 0, _FIXED: 1, _EXTENSIBLE: 5, _TREE2: 6}  # bytes in front of the address
_PLAIN_EDGES, _PACKED = 1, 2  # flags of the layout
_TREE_HEAD = 24

Number = tuple[int, ...]  # of a chunk along each axis


class Place(NamedTuple):
    """Where a chunk stands, its stored bytes, and the filters that were not applied to it."""

    at: int
    size: int
    mask: int = 0


@dataclass(frozen=True)
class Chunks:
    """How a dataset is cut.

    Args:
        shape: Of one chunk.
        kind: Of the index; 0 is the B-tree of version 1.
        address: Of the index.
        most: How many chunks there may ever be along each axis; `UNDEFINED` for any number.
        plain_edges: Whether chunks that stand out over the shape are stored without filters.
        single: Stored bytes and left out filters of the only chunk.
    """

    shape: tuple[int, ...]
    kind: int
    address: int
    most: tuple[int, ...]
    plain_edges: bool = False
    single: tuple[int, int] | None = None

    @classmethod
    def read(cls, cursor: Cursor, itemsize: int, shape: tuple[int, ...], most: tuple[int, ...]) -> Chunks:
        """Read a layout message of version 3 or 4."""
        version, _ = cursor.u(1), cursor.u(1)
        rank, kind, flags, width, single, address = len(shape), 0, 0, 4, None, UNDEFINED
        if version == 3:
            dimensions, address = cursor.u(1), cursor.u(8)
        else:
            flags, dimensions, width = cursor.u(1), cursor.u(1), cursor.u(1)
            if flags & ~(_PLAIN_EDGES | _PACKED):
                raise cursor.corrupt(f"its chunks have flags ({flags:#x}) that there are not")
            if not 1 <= width <= 8:
                raise cursor.corrupt(f"the shape of its chunks has numbers of {counted(width, 'byte')}")
        fits = dimensions == rank + 1
        part = tuple(cursor.u(width) for _ in range(rank)) if fits else ()
        if not fits or cursor.u(width) != itemsize or not all(part):
            raise cursor.corrupt("its chunks do not fit its shape and type")
        if version == 4:
            kind = cursor.u(1)
            if kind not in _PARAMETERS:
                raise cursor.corrupt(f"its chunks have an index of kind {kind}, which HDF5 does not know")
            if kind == _SINGLE and flags & _PACKED:
                single = cursor.u(8), cursor.u(4)
            cursor.skip(_PARAMETERS[kind])
            address = cursor.u(8)
        limit = tuple(UNDEFINED if whole == UNDEFINED else -(-whole // a) for whole, a in zip(most, part, strict=True))
        return cls(part, kind, address, limit, bool(flags & _PLAIN_EDGES), single)


def read_index(cursor: Cursor, chunks: Chunks, counts: Number, size: int) -> dict[Number, Place]:
    """Return where each chunk is stored.

    Args:
        cursor: Names the dataset.
        chunks: How it is cut.
        counts: How many chunks there are along each axis.
        size: Bytes of a chunk that no filter was applied to.
    """
    if chunks.address == UNDEFINED:
        return {}
    if chunks.kind == 0:
        return _old_tree(cursor, chunks, size // prod(chunks.shape))
    if chunks.kind == _TREE2:
        return _new_tree(cursor, chunks, size)
    if chunks.kind == _SINGLE:
        if prod(counts) != 1:
            raise cursor.corrupt(f"its {prod(counts):,} chunks are said to be one")
        stored, mask = chunks.single or (size, 0)
        return {(0,) * len(counts): Place(chunks.address, stored, mask)}
    return _numbered(cursor, chunks, counts, size)


def _numbered(cursor: Cursor, chunks: Chunks, counts: Number, size: int) -> dict[Number, Place]:
    """The indexes that number the chunks: in the order of C, the axis that may grow without end first."""
    order = list(range(len(counts)))
    if chunks.kind == _EXTENSIBLE:
        free = [axis for axis in order if chunks.most[axis] == UNDEFINED]
        if len(free) != 1:
            raise cursor.corrupt(f"its chunks are numbered as if one axis could grow without end, {len(free)} can")
        order = [free[0], *(axis for axis in order if axis != free[0])]
    steps, step = [0] * len(counts), 1
    for axis in reversed(order):
        steps[axis] = step
        step *= chunks.most[axis]
    make = {_IMPLICIT: _in_a_row, _FIXED: fixed_array, _EXTENSIBLE: extensible_array}[chunks.kind]
    find, found = make(cursor, chunks.address, size), {}
    for number in itertools.product(*map(range, counts)):
        place = Place(*find(sum(index * step for index, step in zip(number, steps, strict=True))))
        if place.at != UNDEFINED:
            found[number] = place
    return found


def _in_a_row(cursor: Cursor, address: int, size: int) -> Find:
    return lambda index: (address + index * size, size, 0)


def _new_tree(cursor: Cursor, chunks: Chunks, size: int) -> dict[Number, Place]:
    found: dict[Number, Place] = {}
    numbers = 8 * len(chunks.shape)
    for record in read_records(cursor.source, chunks.address, (10, 11), cursor.where):
        at, stored, mask = record.u(8), size, 0
        if record.left != numbers:  # those of chunks that were packed
            stored, mask = record.u(max(record.left - 4 - numbers, 0)), record.u(4)
        number = tuple(record.u(8) for _ in chunks.shape)
        if number in found:
            raise cursor.corrupt(f"its chunk {number} stands twice")
        found[number] = Place(at, stored, mask)
    return found


def _old_tree(cursor: Cursor, chunks: Chunks, itemsize: int) -> dict[Number, Place]:
    source, where = cursor.source, cursor.where
    _, _, rank = source.ranks
    key = Struct(f"<II{len(chunks.shape) + 1}Q")
    room = _TREE_HEAD + 2 * rank * (key.size + 8) + key.size
    found: dict[Number, Place] = {}
    # Each node has the chunks from its first bound on, up to its last one: who looks for a chunk relies on that.
    todo: list[tuple[int, int | None, tuple[Number, Number] | None]] = [(chunks.address, None, None)]
    seen = {chunks.address}
    while todo:
        at, expected, bounds = todo.pop()
        node = source.cursor(at, room, where)
        node.expect(b"TREE\x01", "index of chunks")
        level, used = node.u(1), node.u(2)
        if (expected is not None and level != expected) or used > 2 * rank:
            raise node.corrupt("the index of its chunks is out of order")
        node.skip(16)
        source.step(where, 1 + used)
        limits, children = [], []
        for index in range(used + 1):
            size, mask, *start, item = node.fields(key)
            aside = item % itemsize or (item and index < used)
            if aside or any(place % part for place, part in zip(start, chunks.shape, strict=True)):
                raise node.corrupt(f"one of its chunks is said to begin at {start}, where none begins")
            limits.append((*(place // part for place, part in zip(start, chunks.shape, strict=True)), item))
            if index < used:
                children.append((node.u(8), size, mask))
        inside = bounds is None or (bounds[0] <= limits[0] and limits[-1] <= bounds[1])
        if not inside or any(first >= second for first, second in pairwise(limits)):
            raise node.corrupt("the index of its chunks is out of order")
        for (child, size, mask), pair in zip(children, pairwise(limits), strict=True):
            if child in seen:
                raise node.corrupt("the index of its chunks runs in a circle")
            seen.add(child)
            if level:
                todo.append((child, level - 1, pair))
            else:
                found[pair[0][:-1]] = Place(child, size, mask)
    return found
