"""The links of an HDF5 group, in their old form and in the two new ones."""

from __future__ import annotations

from itertools import pairwise
from struct import Struct

from kerastorch.errors import counted, quote

from ._hdf5_heap import read_many
from ._lookup3 import lookup3
from ._source import UNDEFINED, Cursor

_LINKS = {1: "a soft link", 64: "a link to another file"}
_HEAP, _TREE, _NAMES, _NAME = Struct("<QQQ"), Struct("<BHQQ"), Struct("<H"), Struct("<QQI20x")
_TWO_LENGTHS = Struct("<QQ")
_TREE_HEAD, _NO_MORE = 24, 1


def read_dense_links(cursor: Cursor) -> list[tuple[bytes, int]]:
    """Read the links of a group of the new form that has many: a heap of links and an index of it.

    Args:
        cursor: The link info message; a group with few links has it too, and no heap.
    """
    found = []
    for record, heap in read_many(cursor, "links", 8, 5):
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
    size, free, names_at = heap.fields(_HEAP)
    names = source.cursor(names_at, size, path)
    _check_free(names.again(), free)
    links: list[tuple[bytes, int]] = []
    # Each node holds the names behind its first bound, up to its last one: who looks for a name relies on that.
    todo: list[tuple[int, int | None, tuple[bytes, bytes] | None]] = [(tree, None, None)]
    seen = {tree}
    _, rank, _ = source.ranks
    while todo:
        at, expected, bounds = todo.pop()
        source.step(path)
        if expected == -1:
            assert bounds is not None
            _read_symbol_node(at, names, bounds, links)
            continue
        node = source.cursor(at, _TREE_HEAD + rank * 2 * _TWO_LENGTHS.size + 8, path)
        node.expect(b"TREE\0", "index of a group")
        level, used, *_ = node.fields(_TREE)
        if (expected is not None and level != expected) or used > 2 * rank:
            raise node.corrupt("the index of the group is out of order")
        fields = node.fields(Struct(f"<{2 * used + 1}Q"))
        limits = [_name(names, offset) for offset in fields[::2]]
        inside = bounds is None or (bounds[0] <= limits[0] and limits[-1] <= bounds[1])
        if not inside or any(first >= second for first, second in pairwise(limits)):
            raise node.corrupt("the names in the index of the group are out of order")
        for child, pair in zip(fields[1::2], pairwise(limits), strict=True):
            if child in seen or child >= source.end:
                raise node.corrupt("the index of the group runs in a circle or out of the file")
            seen.add(child)
            todo.append((child, level - 1, pair))
    return links


def _check_free(names: Cursor, at: int) -> None:
    """The free places of a heap of names are a list of their own: each says where the next one is, and its size."""
    begin, size = names.at, names.left
    while at != _NO_MORE:
        names.source.step(names.where)
        if at + _TWO_LENGTHS.size > size:
            raise names.corrupt("the free places of a heap of names are out of order")
        here = Cursor(names.source, begin + at, names.end, names.where)
        following, room = here.fields(_TWO_LENGTHS)
        if not following or at + room > size:
            raise names.corrupt("the free places of a heap of names are out of order")
        at = following


def _name(names: Cursor, offset: int) -> bytes:
    """The name at some place of the heap."""
    if offset >= names.left:
        raise names.corrupt("a name stands outside the heap of names")
    limit = names.source.limits.name_length
    raw = bytes(names.source.read(names.at + offset, min(names.at + offset + limit + 1, names.end)))
    name, ended, _ = raw.partition(b"\0")
    if not ended:
        raise names.beyond("a name has more bytes, or no end", "name_length")
    return name


def _read_symbol_node(at: int, names: Cursor, bounds: tuple[bytes, bytes], links: list[tuple[bytes, int]]) -> None:
    rank, _, _ = names.source.ranks
    node = names.source.cursor(at, 8 + 2 * rank * _NAME.size, names.where)
    node.expect(b"SNOD\x01\0", "list of names")
    (count,) = node.fields(_NAMES)
    node.source.step(node.where, count)
    before, last = bounds
    for offset, address, cached in _NAME.iter_unpack(node.take(count * _NAME.size)):
        name = _name(names, offset)
        if cached == 2 or address == UNDEFINED:
            raise node.unsafe(f"{quote(name.decode('utf-8', 'replace'))} is a soft link").of("link")
        if cached > 2:
            raise node.corrupt(f"{quote(name.decode('utf-8', 'replace'))} is a link of kind {cached}")
        if not before < name <= last:
            raise node.corrupt("the names in a list of names are out of order")
        before = name
        links.append((name, address))


def read_link(cursor: Cursor) -> tuple[bytes, int]:
    """Read a link message of the new form."""
    version, flags = cursor.u(1), cursor.u(1)
    if version != 1:
        raise cursor.corrupt(f"a link has version {version}, expected 1")
    if flags & ~31:
        raise cursor.corrupt(f"a link has flags ({flags:#x}) that there are not")
    kind = cursor.u(1) if flags & 8 else 0
    cursor.skip(8 if flags & 4 else 0)
    cursor.skip(1 if flags & 16 else 0)
    size = cursor.u(1 << (flags & 3))
    if size > cursor.source.limits.name_length:
        raise cursor.beyond(f"a name has {counted(size, 'byte')}", "name_length")
    name = bytes(cursor.take(size))
    if kind:
        what = _LINKS.get(kind, "a link of unknown kind")
        raise cursor.unsafe(f"{quote(name.decode('utf-8', 'replace'))} is {what}").of("link")
    return name, cursor.u(8)
