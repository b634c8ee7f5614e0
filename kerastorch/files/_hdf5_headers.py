"""HDF5 object headers, and the links of groups in their old and their new form."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

from kerastorch.errors import quote

from ._source import Cursor, Source

UNDEFINED = (1 << 64) - 1


class Kind(IntEnum):
    """The messages of an object header that are read."""

    DATASPACE = 1
    LINK_INFO = 2
    DATATYPE = 3
    LINK = 6
    EXTERNAL = 7
    LAYOUT = 8
    FILTERS = 11
    ATTRIBUTE = 12
    CONTINUATION = 16
    SYMBOL_TABLE = 17
    ATTRIBUTE_INFO = 21


_CONTINUATION = int(Kind.CONTINUATION)  # an enum takes its time to compare
_IGNORED = frozenset((0, 4, 5, 10, 13, 14, 18, 22))  # padding, fill values, group info, comments, times, link counts
_KNOWN = _IGNORED | frozenset(int(kind) for kind in Kind)
_LINKS = {1: "a soft link", 64: "a link to another file"}
_HEADER, _ANY_MESSAGE, _OLD_MESSAGE = Struct("<BxHII4x"), Struct("<BHB"), Struct("<HHB3x")
_HEAP, _TREE, _NAMES, _NAME = Struct("<QQQ"), Struct("<BHQQQ"), Struct("<H"), Struct("<QQI20x")
_TWO_LENGTHS = Struct("<QQ")


# The messages of one object header: kind -> where the body of each begins and ends.
Messages = dict[int, list[tuple[int, int]]]


def read_header(source: Source, address: int, path: str) -> Messages:
    """Collect the messages of an object header and of its continuation blocks."""
    cursor = source.cursor(address, 16, path)
    modern = source.read(address, address + 4) == b"OHDR"
    if modern:
        cursor.expect(b"OHDR\x02", "object header")
        flags = cursor.u(1)
        cursor = source.cursor(address, min(64, source.end - address), path)
        cursor.skip(6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
        size, head = cursor.u(1 << (flags & 3)), 6 if flags & 4 else 4
        start, expected = cursor.at, None
    else:
        version, expected, _, size = cursor.fields(_HEADER)
        if version != 1:
            raise cursor.corrupt(f"no object stands at byte {address}, where the file says that one is")
        head, start = 8, address + 16
    messages: Messages = {}
    blocks, seen = [(start, size)], {start}
    count = stepped = 0
    form = _ANY_MESSAGE if modern else _OLD_MESSAGE
    for at, size in blocks:  # grows while it is walked
        block = source.cursor(at, size, path)
        end = block.end
        while at + head <= end:  # without a cursor for each message: this is what opening a file takes longest for
            count += 1
            kind, length, flags = form.unpack_from(source.read(at, at + head))
            at += head  # 6: with the order of creation, where it is tracked
            if kind not in _KNOWN:
                raise block.unsupported(f"it has a header message of unknown type {kind}")
            if flags & 2 and kind not in _IGNORED:
                raise block.unsupported("it shares a header message with another object")
            if at + length > end:
                raise block.corrupt(f"a structure at byte {at} needs {length} bytes, {end - at} are left")
            if kind == _CONTINUATION:
                offset, size = source.cursor(at, length, path).fields(_TWO_LENGTHS)
                if modern:
                    source.cursor(offset, 4, path).expect(b"OCHK", "continuation of an object header")
                    offset, size = offset + 4, size - 8
                if offset in seen or size < 0:
                    raise block.corrupt("its header continues in a circle")
                seen.add(offset)
                blocks.append((offset, size))
            elif kind not in _IGNORED:
                messages.setdefault(kind, []).append((at, at + length))
            at += length
        source.step(path, count - stepped)
        stepped = count
        if at != end and not modern:
            raise block.corrupt("its header does not end with a message")
    if expected is not None and count != expected:
        raise source.corrupt(path, f"its header has {count} messages, it says itself that it has {expected}")
    return messages


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
