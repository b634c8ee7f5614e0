"""HDF5's B-trees of version 2: the index of links, attributes, huge objects and chunks in newer files."""

from __future__ import annotations

from struct import Struct

from kerastorch.errors import counted

from ._lookup3 import CHECKSUM, checked
from ._source import Cursor, Source

_HEAD = Struct("<BIHHBBQHQ")
_HEAD_SIZE, _NODE_HEAD = 4 + 1 + _HEAD.size, 4 + 1 + 1
_NAMES = {1: "huge objects", 5: "links", 8: "attributes", 10: "chunks"}  # 11: chunks that are packed


def read_records(source: Source, address: int, kinds: tuple[int, ...], where: str) -> list[Cursor]:
    """All records of a tree, one cursor each.

    Args:
        source: The file.
        address: Of the tree's head.
        kinds: Of records that are expected, as HDF5 counts them.
        where: The object that the tree belongs to.
    """
    what = f"the index of {_NAMES[kinds[0]]}"
    head = checked(source, address, _HEAD_SIZE, where, b"BTHD\0", what)
    kind, node_size, size, depth, _, _, root, count, total = head.fields(_HEAD)
    if kind not in kinds:
        raise head.corrupt(f"{what} has records of kind {kind}, expected {kinds[0]}")
    room = node_size - _NODE_HEAD - CHECKSUM
    if not size or room < size or depth > 32:
        raise head.corrupt(
            f"{what} has nodes of {counted(node_size, 'byte')} and records of {size}, {counted(depth, 'level')}"
        )
    pointers = _pointers(room, size, depth)
    if not total:
        return []
    records: list[Cursor] = []
    todo, seen = [(root, count, depth)], {root}
    while todo:
        at, count, level = todo.pop()
        source.step(where, 1 + count)
        width = pointers[level] if level else (0, 0)
        used = count * size + (count + 1) * (8 + sum(width) if level else 0)
        if used > room:
            raise head.corrupt(f"{what} has a node of {counted(count, 'record')}, more than it has room for")
        node = checked(source, at, _NODE_HEAD + used, where, b"BTIN\0" if level else b"BTLF\0", what)
        if node.u(1) != kind:
            raise node.corrupt(f"{what} has a node of another index")
        records += [node.cut(size) for _ in range(count)]
        for _ in range(count + 1 if level else 0):
            child, held = node.u(8), node.u(width[0])
            node.skip(width[1])
            if child in seen:
                raise node.corrupt(f"{what} runs in a circle")
            seen.add(child)
            todo.append((child, held, level - 1))
    if len(records) != total:
        raise head.corrupt(f"{what} has {counted(len(records), 'record')}, it says itself that it has {total}")
    return records


def _pointers(room: int, size: int, depth: int) -> list[tuple[int, int]]:
    """For each level, how many bytes a pointer takes for the number of records in a child, and in all below it."""
    most = total = room // size
    width = _bytes_for(most)
    found = [(0, 0)]
    for level in range(1, depth + 1):
        below = _bytes_for(total) if level > 1 else 0
        found.append((width, below))
        most = max((room - 8 - width - below) // (size + 8 + width + below), 0)
        total = (most + 1) * total + most
    return found


def _bytes_for(number: int) -> int:
    """Bytes that HDF5 takes for numbers up to this one."""
    return min((max(number, 1).bit_length() - 1) // 8 + 1, 8)
