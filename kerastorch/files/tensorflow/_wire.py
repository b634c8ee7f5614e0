"""The fields of protocol buffers: what is written, without a schema. https://protobuf.dev/programming-guides/encoding"""

from __future__ import annotations

from collections.abc import Iterator

from kerastorch.errors import CorruptFileError, counted

from .._source import Source

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Value = int | memoryview


CUT = "a number is cut short, or has more than 64 bits"


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends; -1 where it is cut short or has more than 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= data.nbytes:
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value, at) if not value >> 64 else (0, -1)
    return 0, -1


def of_number(value: int) -> bytes:
    """A number in groups of seven bits: what `varint` reads."""
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def field(number: int, value: int | bytes, always: bool = False) -> bytes:
    """A field of a message; a number that is 0 is left out, unless it stands `always`."""
    if isinstance(value, int):
        return of_number(number << 3 | _VARINT) + of_number(value) if value or always else b""
    return of_number(number << 3 | _BYTES) + of_number(len(value)) + value


def fixed32(number: int, value: int) -> bytes:
    """A field of four bytes."""
    return of_number(number << 3 | _FIXED32) + value.to_bytes(4, "little")


class Wire:
    """One message.

    Args:
        data: Its bytes.
        source: What counts the fields that are parsed.
        where: What the message is, for errors.
    """

    __slots__ = ("_data", "_source", "where")

    def __init__(self, data: memoryview, source: Source, where: str) -> None:
        self._data = data
        self._source = source
        self.where = where

    def __iter__(self) -> Iterator[tuple[int, Value]]:
        """(number, value) of each field, in order: an int, or bytes."""
        data, at, end = self._data, 0, self._data.nbytes
        while at < end:
            self._source.step(self.where)
            tag, at = self._varint(at)
            number, kind = tag >> 3, tag & 7
            if kind == _VARINT:
                value, at = self._varint(at)
                yield number, value
                continue
            if kind == _BYTES:
                size, at = self._varint(at)
            elif kind in (_FIXED32, _FIXED64):
                size = 4 if kind == _FIXED32 else 8
            else:
                raise self.corrupt(f"a field has the kind {kind}, which no message has")
            if size > end - at:
                raise self.corrupt(f"a field of {counted(size, 'byte')} is needed, {end - at} are left")
            yield number, data[at : at + size]
            at += size

    def last(self) -> dict[int, Value]:
        """Each field by its number; of several, the last one counts."""
        return dict(self)

    def inner(self, value: Value, where: str = "") -> Wire:
        """The message that a field holds."""
        return Wire(self.bytes(value), self._source, where or self.where)

    def bytes(self, value: Value) -> memoryview:
        """A field that holds bytes."""
        if isinstance(value, int):
            raise self.corrupt("a field is a number, expected bytes")
        return value

    def text(self, value: Value) -> str:
        """A field that holds text."""
        try:
            return str(self.bytes(value), "utf-8")
        except UnicodeDecodeError:
            raise self.corrupt("a field is not UTF-8 text") from None

    def whole(self, value: Value) -> int:
        """A field that holds a signed number of 64 bits."""
        if not isinstance(value, int):
            raise self.corrupt("a field is bytes, expected a number")
        return value - (1 << 64) if value >> 63 else value

    def corrupt(self, problem: str) -> CorruptFileError:
        return self._source.corrupt(self.where, problem)

    def _varint(self, at: int) -> tuple[int, int]:
        value, at = varint(self._data, at)
        if at < 0:
            raise self.corrupt(CUT)
        return value, at
