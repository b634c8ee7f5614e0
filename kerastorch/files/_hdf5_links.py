"""The links of an HDF5 group, in their old form and in the two new ones."""

from __future__ import annotations

from struct import Struct

from kerastorch.errors import quote

from ._hdf5_btree2 import read_records
from ._hdf5_heap import FractalHeap
from ._lookup3 import lookup3
from ._source import UNDEFINED, Cursor

_LINKS = {1: "a soft link", 64: "a link to another file"}
_HEAP, _TREE, _NAMES, _NAME = Struct("<QQQ"), Struct("<BHQQQ"), Struct("<H"), Struct("<QQI20x")
_TWO_LENGTHS = Struct("<QQ")


def read_dense_links(cursor: Cursor) -> list[tuple[bytes, int]]:
    """Read the links of a group of the new form that has many: a heap of links and an index of it.

    Args:
        cursor: The link info message; a group with few links has it too, and no heap.
    """
    version, flags = cursor.u(1), cursor.u(1)
    if version:
        raise cursor.corrupt(f"the description of its links has version {version}, expected 0")
    cursor.skip(8 if flags & 1 else 0)
    heap_at, index = cursor.fields(_TWO_LENGTHS)
    if heap_at == UNDEFINED:
        return []
    heap = FractalHeap(cursor.source, heap_at, cursor.where)
    found = []
    for record in read_records(cursor.source, index, (5,), cursor.where):
        stated, link = record.u(4), read_link(heap.find(record))
        if lookup3(link[0]) != stated:
            raise record.corrupt("the index of its links names another link than the heap")
        found.append(link)
    return found


def read_symbol_table(cursor: Cursor) -> list[tuple[bytes, int]]:
    """Read the links of a group of the old form: a B-tree of symbol nodes, and a heap of names."""
    source, path = cursor.source, cursor.where
    tree, heap_at = cursor.fields(_TWO_LENGTHS)
    heap = source.cursor(heap_at, 32, path)
    heap.expect(b"HEAP\0", "local heap")
    heap.skip(3)
    size, _, names_at = heap.fields(_HEAP)
    names = source.cursor(names_at, size, path)
    links: list[tuple[bytes, int]] = []
    todo: list[tuple[int, int | None]] = [(tree, None)]
    seen = {tree}
    while todo:
        at, expected = todo.pop()
        source.step(path)
        if expected == -1:
            _read_symbol_node(source.cursor(at, source.end - at, path), names, links)
            continue
        node = source.cursor(at, source.end - at, path)
        node.expect(b"TREE\0", "index of a group")
        level, used, *_ = node.fields(_TREE)
        if expected is not None and level != expected:
            raise node.corrupt("the index of the group is out of order")
        for child, _ in _TWO_LENGTHS.iter_unpack(node.take(used * _TWO_LENGTHS.size)):
            if child in seen or child >= source.end:
                raise node.corrupt("the index of the group runs in a circle or out of the file")
            seen.add(child)
            todo.append((child, level - 1))
    return links


def _read_symbol_node(node: Cursor, names: Cursor, links: list[tuple[bytes, int]]) -> None:
    node.expect(b"SNOD\x01\0", "list of names")
    (count,) = node.fields(_NAMES)
    node.source.step(node.where, count)
    limit = node.source.limits.name_length
    for offset, address, cached in _NAME.iter_unpack(node.take(count * _NAME.size)):
        if offset >= names.left:
            raise node.corrupt("a name stands outside the heap of names")
        raw = bytes(node.source.read(names.at + offset, min(names.at + offset + limit + 1, names.end)))
        name, ended, _ = raw.partition(b"\0")
        if not ended:
            raise node.unsafe(f"a name has more than {limit} bytes, or no end")
        if cached == 2 or address == UNDEFINED:
            raise node.unsafe(f"{quote(name.decode('utf-8', 'replace'))} is a soft link")
        links.append((name, address))


def read_link(cursor: Cursor) -> tuple[bytes, int]:
    """Read a link message of the new form."""
    version, flags = cursor.u(1), cursor.u(1)
    if version != 1:
        raise cursor.corrupt(f"a link has version {version}, expected 1")
    kind = cursor.u(1) if flags & 8 else 0
    cursor.skip(8 if flags & 4 else 0)
    cursor.skip(1 if flags & 16 else 0)
    size, limit = cursor.u(1 << (flags & 3)), cursor.source.limits.name_length
    if size > limit:
        raise cursor.unsafe(f"a name has {size} bytes, the limit is {limit}")
    name = bytes(cursor.take(size))
    if kind:
        raise cursor.unsafe(f"{quote(name.decode('utf-8', 'replace'))} is {_LINKS.get(kind, 'a link of unknown kind')}")
    return name, cursor.u(8)
