"""The table of names and values that an index is: LevelDB's, with a checksum after each block.

The end of the file says where the list of blocks stands, which is a block itself. In a block each name leaves out what
it has in common with the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kerastorch.errors import counted, quote

from .._source import Source
from ._crc32c import crc32c, masked, unmasked
from ._wire import CUT, of_number, varint

_FOOTER = 48
_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_TRAILER = 5  # how a block is compressed, and its checksum
_SNAPPY = 1
_BLOCK = 1 << 18  # bytes from which on a new block begins, as TensorFlow has it
_RESTART = 16  # names after which one stands whole again


def is_table(end: bytes) -> bool:
    """Whether a file that ends so is a table."""
    return end[-8:] == _MAGIC


def read_table(source: Source) -> Iterator[tuple[bytes, memoryview]]:
    """(name, value) of each entry of a table, in the order of the names."""
    if source.end < _FOOTER:
        raise source.corrupt(
            "", f"it has {counted(source.end, 'byte')}, and the index of a checkpoint has {_FOOTER} at least"
        )
    footer = source.read(source.end - _FOOTER, source.end)
    if not is_table(bytes(footer)):
        raise source.corrupt("", "it does not end as the index of a checkpoint does")
    _, _, at = _place(source, footer, 0)
    begin, size, _ = _place(source, footer, at)
    before = b""
    for _, place in _entries(source, begin, size):
        begin, size, _ = _place(source, place, 0)
        for name, value in _entries(source, begin, size):
            if name <= before and before:
                raise source.corrupt("", f"the name {quote(name)} does not stand in order")
            before = name
            yield name, value


def _place(source: Source, data: memoryview, at: int) -> tuple[int, int, int]:
    begin, at = _varint(source, data, at)
    size, at = _varint(source, data, at)
    return begin, size, at


def _entries(source: Source, begin: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """What stands in one block."""
    if size < 4 or begin + size + _TRAILER > source.end - _FOOTER:
        raise source.corrupt("", f"a block of {counted(size, 'byte')} is said to stand at byte {begin} of {source.end}")
    data, trailer = source.read(begin, begin + size), source.read(begin + size, begin + size + _TRAILER)
    if unmasked(int.from_bytes(trailer[1:], "little")) != crc32c(data, trailer[:1]):
        raise source.corrupt("", f"the block at byte {begin} has another checksum than it says")
    if trailer[0]:
        what = "snappy" if trailer[0] == _SNAPPY else f"method {trailer[0]}"
        raise source.unsupported("", f"the table is compressed ({what}), which TensorFlow does not do by itself")
    starts = 4 * (int.from_bytes(data[-4:], "little") + 1)
    if starts > size:
        raise source.corrupt("", f"the block at byte {begin} is too short for its list of starts")
    end, at, name = size - starts, 0, b""
    while at < end:
        source.step("")
        kept, at = _varint(source, data, at)
        added, at = _varint(source, data, at)
        length, at = _varint(source, data, at)
        if kept > len(name) or at + added + length > end or kept + added > source.limits.name_length:
            raise source.corrupt("", f"an entry of the block at byte {begin} does not fit into it")
        name = name[:kept] + bytes(data[at : at + added])
        at += added
        yield name, data[at : at + length]
        at += length


def _varint(source: Source, data: memoryview, at: int) -> tuple[int, int]:
    value, at = varint(data, at)
    if at < 0:
        raise source.corrupt("", CUT)
    return value, at


def made_table(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a table of entries, which stand in the order of their names."""
    made, places = bytearray(), list[tuple[bytes, bytes]]()
    piece: list[tuple[bytes, bytes]] = []
    size = 0
    for name, value in entries:
        piece.append((name, value))
        size += len(name) + len(value)
        if size >= _BLOCK:
            places.append((name, _put(made, piece)))
            piece, size = [], 0
    if piece or not places:
        places.append((piece[-1][0] if piece else b"", _put(made, piece)))
    others = _put(made, [])
    footer = others + _put(made, places)
    return bytes(made) + footer.ljust(_FOOTER - len(_MAGIC), b"\0") + _MAGIC


def _put(made: bytearray, entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Append a block; return where it stands, as `_place` reads it."""
    block, starts, before = bytearray(), [0], b""
    for count, (name, value) in enumerate(entries):
        kept = 0
        if count and count % _RESTART == 0:
            starts.append(len(block))
        elif count:
            most = min(len(before), len(name))
            kept = next((at for at in range(most) if before[at] != name[at]), most)
        block += of_number(kept) + of_number(len(name) - kept) + of_number(len(value)) + name[kept:] + value
        before = name
    block += b"".join(start.to_bytes(4, "little") for start in (*starts, len(starts)))
    place = of_number(len(made)) + of_number(len(block))
    made += block + b"\0" + masked(crc32c(block, b"\0")).to_bytes(4, "little")
    return place
