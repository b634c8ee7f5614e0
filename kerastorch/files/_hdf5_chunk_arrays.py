"""HDF5's fixed and extensible arrays: where newer files note the chunks of a dataset that are numbered.

Both return a function from the number of a chunk to its address, its stored bytes and the filters left out.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from kerastorch.errors import counted

from ._lookup3 import CHECKSUM, checked
from ._source import UNDEFINED, Cursor

Element = tuple[int, int, int]
Find = Callable[[int], Element]

_FIXED_HEAD = Struct("<BBBQQ")
_EXTENSIBLE_HEAD = Struct("<7B6QQ")
_BLOCK_HEAD = 4 + 1 + 1 + 8  # signature, version, kind, address of the head
_ABSENT: Element = (UNDEFINED, 0, 0)


class _Array:
    """What the blocks of one array share."""

    def __init__(self, cursor: Cursor, address: int, kind: int, width: int, page_bits: int, size: int) -> None:
        self.source, self.where, self._address = cursor.source, cursor.where, address
        self._kind, self.width, self._size, self.page = kind, width, size, 1 << page_bits
        if kind > 1 or width not in ((8,) if not kind else range(13, 21)) or page_bits > 32:
            raise cursor.corrupt("the index of its chunks has elements of an unknown size")
        self._kept: dict[int, Cursor] = {}

    def block(self, at: int, size: int, magic: bytes, extra: int = 0, place: int | None = None) -> Cursor:
        """A block after its head: `extra` bytes that say where it belongs, which must be `place`, come before."""
        kept = self._kept.get(at)
        if kept is None:
            kept = checked(self.source, at, _BLOCK_HEAD + extra + size, self.where, magic, "the index of chunks")
            if kept.u(1) != self._kind or kept.u(8) != self._address or (place is not None and kept.u(extra) != place):
                raise kept.corrupt("a part of the index of its chunks belongs to another index")
            self._kept[at] = kept
        return kept.again()

    def element(self, body: Cursor, index: int) -> Element:
        """One element of a block of elements."""
        body.skip(index * self.width)
        at = body.u(8)
        return (at, body.u(self.width - 12), body.u(4)) if self._kind else (at, self._size, 0)

    def in_page(self, at: int, count: int, index: int) -> Element:
        """One element of those that stand in pages from `at` on, each with its checksum."""
        number = index // self.page
        whole = self.page * self.width + CHECKSUM
        begin = at + number * whole
        size = min(self.page, count - number * self.page) * self.width
        kept = self._kept.get(begin)
        if kept is None:
            kept = checked(self.source, begin, size, self.where, b"", "the index of chunks")
            self._kept[begin] = kept
        return self.element(kept.again(), index % self.page)


def fixed_array(cursor: Cursor, address: int, size: int) -> Find:
    """The array of a dataset of a fixed largest size.

    Args:
        cursor: Names the dataset.
        address: Of the array's head.
        size: Bytes of a chunk that no filter was applied to.
    """
    head = checked(cursor.source, address, 5 + _FIXED_HEAD.size, cursor.where, b"FAHD\0", "the index of chunks")
    kind, width, page_bits, count, at = head.fields(_FIXED_HEAD)
    array = _Array(cursor, address, kind, width, page_bits, size)
    paged = count > array.page
    flags = (-(-count // array.page) + 7) // 8 if paged else 0
    body = flags if paged else count * width

    def find(index: int) -> Element:
        if at == UNDEFINED:
            return _ABSENT
        if index >= count:
            raise cursor.corrupt(f"the index of its chunks has {counted(count, 'place')}, number {index} is asked for")
        block = array.block(at, body, b"FADB\0")
        if not paged:
            return array.element(block, index)
        first = block.end + CHECKSUM
        return array.in_page(first, count, index) if _is_set(block, index // array.page) else _ABSENT

    return find


def extensible_array(cursor: Cursor, address: int, size: int) -> Find:
    """The array of a dataset that may grow without end along one axis: elements in the index block, then in data
    blocks that it lists, then in data blocks that secondary blocks list. See `fixed_array` for the arguments.
    """
    head = checked(cursor.source, address, 5 + _EXTENSIBLE_HEAD.size, cursor.where, b"EAHD\0", "the index of chunks")
    kind, width, bits, direct, least, pointers, page_bits, *_, at = head.fields(_EXTENSIBLE_HEAD)
    array = _Array(cursor, address, kind, width, page_bits, size)
    powers = all(number and not number & (number - 1) for number in (least, pointers))
    if not powers or not 0 < bits <= 64 or least.bit_length() - 1 > bits:
        raise head.corrupt("the index of its chunks has sizes that HDF5 does not know")
    offset = (bits + 7) // 8
    listed = 2 * (pointers.bit_length() - 1)  # so many secondary blocks have their data blocks in the index block
    data_blocks, secondary = 2 * (pointers - 1), 1 + bits - (least.bit_length() - 1) - listed
    if secondary < 0:
        raise head.corrupt("the index of its chunks has sizes that HDF5 does not know")

    def find(index: int) -> Element:
        if at == UNDEFINED:
            return _ABSENT
        block = array.block(at, direct * width + 8 * (data_blocks + secondary), b"EAIB\0")
        if index < direct:
            return array.element(block, index)
        block.skip(direct * width)
        index -= direct
        number = (index // least + 1).bit_length() - 1  # of the secondary block, whether it is there by itself or not
        begin = least * ((1 << number) - 1)  # the elements of those before it
        count = least << (number + 1) // 2  # elements in each of its data blocks
        blocks = 1 << number // 2
        nth, inside = divmod(index - begin, count)
        if number >= listed + secondary or nth >= blocks:
            raise cursor.corrupt(f"the index of its chunks has no place for number {index}")
        paged = count > array.page
        flags = (count // array.page + 7) // 8 if paged else 0
        if number < listed:
            before = sum(1 << earlier // 2 for earlier in range(number))
            block.skip(8 * (before + nth))
            data, written = block.u(8), None
            place = begin + (before + nth) * count  # not where it begins: so the library states it
        else:
            block.skip(8 * (data_blocks + number - listed))
            second = block.u(8)
            if second == UNDEFINED:
                return _ABSENT
            block = array.block(second, blocks * (flags + 8), b"EASB\0", offset, begin)
            written = Cursor(cursor.source, block.at, block.at + blocks * flags, cursor.where)
            block.skip(blocks * flags + 8 * nth)
            data, place = block.u(8), begin + nth * count
        if data == UNDEFINED:
            return _ABSENT
        block = array.block(data, 0 if paged else count * width, b"EADB\0", offset, place)
        if not paged:
            return array.element(block, inside)
        if written is not None and not _is_set(written, (nth * count + inside) // array.page):
            return _ABSENT
        return array.in_page(block.end + CHECKSUM, count, inside)

    return find


def _is_set(flags: Cursor, index: int) -> bool:
    """Whether a bit is set; the first is the highest of the first byte."""
    flags.skip(index // 8)
    return bool(flags.u(1) & 0x80 >> index % 8)
