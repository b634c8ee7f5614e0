"""HDF5 object headers: the messages that say what an object is."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

from kerastorch.errors import counted

from ._lookup3 import CHECKSUM, checked
from ._source import Cursor, Source


class Kind(IntEnum):
    """The messages of an object header that are read."""

    DATASPACE = 1
    LINK_INFO = 2
    DATATYPE = 3
    OLD_FILL = 4
    FILL = 5
    LINK = 6
    EXTERNAL = 7
    LAYOUT = 8
    FILTERS = 11
    ATTRIBUTE = 12
    SHARED_TABLE = 15
    CONTINUATION = 16
    SYMBOL_TABLE = 17
    DRIVER_INFO = 20
    ATTRIBUTE_INFO = 21
    CACHE_IMAGE = 24
    COMMITTED_TYPE = 259  # DATATYPE, where it only says in which object the datatype stands


_RARE_FLAGS, _SHAREABLE = 0x66, (1, 3, 4, 5, 11, 12)
_CONTINUATION, _DATATYPE = int(Kind.CONTINUATION), int(Kind.DATATYPE)  # an enum takes its time to compare
# padding, group info, comments, times, sizes of B-trees, link counts, how free space is managed
_IGNORED = frozenset((0, 10, 13, 14, 18, 19, 22, 23))
_KNOWN = _IGNORED | frozenset(int(kind) for kind in Kind)
_HEADER, _ANY_MESSAGE, _OLD_MESSAGE = Struct("<BxHII4x"), Struct("<BHB"), Struct("<HHB3x")
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
        checked(source, address, start - address + size, path, b"OHDR", "an object header")
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
        end, padded = block.end, False
        while at + head <= end:  # without a cursor for each message: this is what opening a file takes longest for
            count += 1
            kind, length, flags = form.unpack_from(source.read(at, at + head))
            at += head  # 6: with the order of creation, where it is tracked
            if kind not in _KNOWN:
                raise block.unread(f"it has a header message of unknown type {kind}")
            if flags & _RARE_FLAGS and _contradicts(flags, kind):
                raise block.corrupt(f"a header message has flags ({flags:#x}) that contradict each other")
            if flags & 2 and kind not in _IGNORED:
                if kind != _DATATYPE:
                    raise block.unread("it shares a header message with another object")
                kind = int(Kind.COMMITTED_TYPE)
            if at + length > end:
                raise block.corrupt(f"a structure at byte {at} needs {counted(length, 'byte')}, {end - at} are left")
            if kind == _CONTINUATION:
                offset, size = source.cursor(at, length, path).fields(_TWO_LENGTHS)
                if size < (4 + CHECKSUM if modern else 1):
                    raise block.corrupt(f"its header continues in {counted(size, 'byte')}")
                if modern:
                    checked(source, offset, size - CHECKSUM, path, b"OCHK", "the continuation of an object header")
                    offset, size = offset + 4, size - 4 - CHECKSUM
                if offset in seen:
                    raise block.corrupt("its header continues in a circle")
                seen.add(offset)
                blocks.append((offset, size))
            elif not kind:
                padded = True
            elif kind not in _IGNORED:
                messages.setdefault(kind, []).append((at, at + length))
            at += length
        source.step(path, count - stepped)
        stepped = count
        if at != end and (not modern or padded):
            raise block.corrupt("its header does not end with a message")
    if expected is not None and count != expected:
        raise source.corrupt(path, f"its header has {count} messages, it says itself that it has {expected}")
    return messages


def _contradicts(flags: int, kind: int) -> bool:
    """Shared and never to be shared; not known and refused then, or known; shareable where its kind is not."""
    unlike = flags & 6 == 6 or flags & 0x28 == 0x28 or flags & 0x30 == 0x20
    return unlike or (bool(flags & 0x40) and kind not in _SHAREABLE)


def committed_type(cursor: Cursor) -> Cursor:
    """The datatype message that a shared one leads to: that of a datatype which is an object of its own."""
    version, kind = cursor.u(1), cursor.u(1)
    if version not in (2, 3) or (version == 3 and kind != 2):
        raise cursor.unread("its datatype stands in the file's table of shared messages")
    found = read_header(cursor.source, cursor.u(8), cursor.where).get(_DATATYPE, ())
    if len(found) != 1:
        raise cursor.corrupt("its datatype is said to stand in an object that is none")
    return Cursor(cursor.source, *found[0], cursor.where)
