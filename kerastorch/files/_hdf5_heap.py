"""HDF5's fractal heaps: where newer files keep the links and the attributes of an object that has many of them."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from ._hdf5_btree2 import read_records
from ._lookup3 import CHECKSUM, check, checked
from ._source import UNDEFINED, Cursor, Source

_HEAD = Struct("<HHBI12QHQQHHQH")
_HEAD_SIZE = 4 + 1 + _HEAD.size
_HUGE_OBJECT = Struct("<QQQ")  # address, bytes, number
_MANAGED, _HUGE, _TINY = 0, 1, 2
_TWO_LENGTHS = Struct("<QQ")


class FractalHeap:
    """One heap; its blocks are checked when an object in them is first asked for.

    Args:
        source: The file.
        address: Of its head.
        where: The object that the heap belongs to.
    """

    def __init__(self, source: Source, address: int, where: str) -> None:
        self._source, self._address, self._where = source, address, where
        head = checked(source, address, _HEAD_SIZE, where, b"FRHP\0", "a heap")
        id_size, filters, self._flags, largest, _, self._huge_tree, *rest = head.fields(_HEAD)
        self._width, self._start, self._largest_direct, bits, _, self._root, self._rows = rest[-7:]
        if filters:
            raise head.unread("its links or attributes are packed with a filter")
        sizes = (self._width, self._start, self._largest_direct)
        if any(size < 1 or size & (size - 1) for size in sizes) or not 0 < bits <= 64 or not largest or id_size < 2:
            raise head.corrupt("a heap has sizes that HDF5 does not know")
        self._id_size = id_size
        self._offset_size = (bits + 7) // 8
        self._length_size = min(
            (self._largest_direct.bit_length() - 1 + 7) // 8, (largest.bit_length() - 1) // 8 + 1
        )  # as few bytes as hold the length of an object that is kept in a block
        self._indirect: dict[int, tuple[int, ...]] = {}
        self._direct: set[int] = set()
        self._huge: dict[int, tuple[int, int]] | None = None

    def find(self, record: Cursor) -> Cursor:
        """The object of an id, which is the next thing that the cursor stands before."""
        key = record.cut(self._id_size)
        first = key.u(1)
        kind = first >> 4 & 3
        if first >> 6:
            raise key.corrupt("the id of an object in a heap has an unknown version")
        if kind == _MANAGED:
            return self._managed(key.u(self._offset_size), key.u(self._length_size))
        if kind == _HUGE:
            return self._huge_object(key.u(min(self._id_size - 1, 8)))
        if kind != _TINY:
            raise key.corrupt("the id of an object in a heap has an unknown kind")
        size = first & 15
        if self._id_size > 18:
            size = size << 8 | key.u(1)
        return key.cut(size + 1)

    def _managed(self, offset: int, length: int) -> Cursor:
        source, where, rows = self._source, self._where, self._rows
        row_bytes = self._width * self._start
        at, begin, size = self._root, 0, self._start
        while rows:
            children = self._read_indirect(at, begin, rows)
            inside = offset - begin
            row = (inside // row_bytes).bit_length()
            size = self._start << max(row - 1, 0)
            in_row = inside - (row_bytes << row - 1 if row else 0)
            if row >= rows:
                raise source.corrupt(where, "an object stands outside its heap")
            at = children[row * self._width + in_row // size]
            begin = offset - in_row % size
            rows = 0 if size <= self._largest_direct else (size // row_bytes).bit_length()
        self._check_direct(at, begin, size)
        inside = offset - begin
        if inside + length > size:
            raise source.corrupt(where, "an object does not end in the block of the heap where it begins")
        return source.cursor(at + inside, length, where)

    def _read_indirect(self, at: int, begin: int, rows: int) -> tuple[int, ...]:
        found = self._indirect.get(at)
        if found is None:
            count = rows * self._width
            size = 4 + 1 + 8 + self._offset_size + 8 * count
            block = checked(self._source, at, size, self._where, b"FHIB\0", "a list of blocks of a heap")
            self._check_place(block, begin)
            self._source.step(self._where, count)
            found = self._indirect[at] = tuple(block.u(8) for _ in range(count))
        return found

    def _check_direct(self, at: int, begin: int, size: int) -> None:
        if at in self._direct:
            return
        if at == UNDEFINED:
            raise self._source.corrupt(self._where, "an object stands in a block of the heap that was never written")
        block = self._source.cursor(at, size, self._where)
        block.expect(b"FHDB\0", "block of a heap")
        self._check_place(block, begin)
        if self._flags & 2:
            raw = bytearray(self._source.read(at, at + size))
            stated, place = block.u(CHECKSUM), block.at - CHECKSUM - at
            raw[place : place + CHECKSUM] = bytes(CHECKSUM)  # it is zero while the sum is made
            check(self._source, raw, stated, self._where, "a block of a heap")
        self._direct.add(at)

    def _check_place(self, block: Cursor, begin: int) -> None:
        if block.u(8) != self._address or block.u(self._offset_size) != begin:
            raise block.corrupt("a block of a heap belongs to another place")

    def _huge_object(self, number: int) -> Cursor:
        if self._id_size > 16:
            raise self._source.unread(self._where, "a heap keeps the places of its huge objects in their ids")
        if self._huge is None:
            records = read_records(self._source, self._huge_tree, (1,), self._where)
            self._huge = {key: (at, size) for at, size, key in (record.fields(_HUGE_OBJECT) for record in records)}
        if number not in self._huge:
            raise self._source.corrupt(self._where, f"a heap has no huge object {number}")
        return self._source.cursor(*self._huge[number], self._where)


def read_many(cursor: Cursor, what: str, counted: int, kind: int) -> Iterator[tuple[Cursor, FractalHeap]]:
    """The links or attributes of an object that has many: a record of each, in the order of the index, and their heap.

    Args:
        cursor: The message that describes them; an object with few has it too, and no heap.
        what: What they are called in messages.
        counted: Bytes of the number of the next one, where the order of creation is kept.
        kind: Of their records, as HDF5 counts them.
    """
    version, flags = cursor.u(1), cursor.u(1)
    if version or flags & ~3:
        raise cursor.corrupt(f"the description of its {what} has version {version} and flags {flags:#x}")
    cursor.skip(counted if flags & 1 else 0)
    heap_at, index = cursor.fields(_TWO_LENGTHS)
    cursor.skip(8 if flags & 2 else 0)  # the index by the order of creation, which is not read
    if heap_at != UNDEFINED:
        heap = FractalHeap(cursor.source, heap_at, cursor.where)
        for record in read_records(cursor.source, index, (kind,), cursor.where):
            yield record, heap
