"""HDF5 dataspaces, datatypes, attribute messages and the global heap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from struct import Struct
from typing import Literal, NamedTuple

import numpy as np

from kerastorch.errors import quote

from ._source import Cursor, Source, decode_name

AttributeValue = str | list[str] | int | float | np.ndarray

_ATTRIBUTE, _SPACE, _TYPE, _FLOAT = Struct("<BB3H"), Struct("<BBB"), Struct("<II"), Struct("<HH4BI")
_HEAP_OBJECT, _VLEN = Struct("<H6xQ"), Struct("<IQI")
_MAX_RANK = 32
_SIZES = tuple(Struct(f"<{rank}Q") for rank in range(_MAX_RANK + 1))
_MAX_ELEMENTS = 1 << 48  # more than any memory holds, and safe inside numpy's own arithmetic
_JSON_ATTRIBUTES = ("model_config", "training_config")  # the only attributes that may be large
_CLASSES = (
    "integer",
    "float",
    "time",
    "string",
    "bit field",
    "opaque",
    "compound",
    "reference",
    "enum",
    "vlen",
    "array",
    "complex",
)
# size: (exponent location, exponent size, mantissa location, mantissa size, bias) of the IEEE 754 formats
_IEEE = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}


class DataType(NamedTuple):
    """What one element is.

    Args:
        kind: "number", "opaque", "string" (fixed length), "vlen string", or "other", which is refused by `name`.
        name: numpy's name of a number ("float32"), else a description.
        size: Bytes of one element.
        order: "<" or ">".
        padding: How a fixed string is filled: 0 ends at NUL, 1 filled with NUL, 2 filled with spaces.
    """

    kind: Literal["number", "opaque", "string", "vlen string", "other"]
    name: str
    size: int
    order: Literal["<", ">"] = "<"
    padding: int = 0

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(self.name).newbyteorder(self.order)


def read_dataspace(cursor: Cursor) -> tuple[int, ...] | None:
    """Return the shape; None for a null dataspace, which has no element at all."""
    version, rank, flags = cursor.fields(_SPACE)
    if version == 1:
        cursor.skip(5)
        null = False
        if flags & ~1:
            raise cursor.corrupt("a dataspace has unknown flags")
    elif version == 2:
        kind = cursor.u(1)
        null = kind == 2
        if kind > 2 or (kind != 1 and rank):
            raise cursor.corrupt("a dataspace has an unknown type")
    else:
        raise cursor.corrupt(f"a dataspace has version {version}, expected 1 or 2")
    if rank > _MAX_RANK:
        raise cursor.corrupt(f"a dataspace has {rank} dimensions, at most {_MAX_RANK} exist")
    shape = cursor.fields(_SIZES[rank])
    if prod(max(size, 1) for size in shape) > _MAX_ELEMENTS:
        raise cursor.unsafe(f"the shape {quote(shape)} is larger than any memory")
    return None if null else shape


def read_datatype(cursor: Cursor) -> DataType:
    """Read a datatype message."""
    word, size = cursor.fields(_TYPE)
    head, bits = word & 255, word >> 8
    version, number = head >> 4, head & 15
    if not 1 <= version <= 4 or number >= len(_CLASSES) or not size:
        raise cursor.corrupt("a datatype is not one that HDF5 knows")
    kind = _CLASSES[number]
    if kind == "integer":
        whole = cursor.u(2) == 0 and cursor.u(2) == 8 * size
        if not whole or size not in (1, 2, 4, 8):
            return DataType("other", "integers with unused bits", size)
        return DataType("number", f"{'int' if bits & 8 else 'uint'}{8 * size}", size, ">" if bits & 1 else "<")
    if kind == "float":
        offset, precision, *fields = cursor.fields(_FLOAT)
        implied_one, sign, vax = bits >> 4 & 3 == 2, bits >> 8 & 255, bits & 0x40
        if (
            offset
            or vax
            or not implied_one
            or precision != 8 * size
            or sign != precision - 1
            or tuple(fields) != _IEEE.get(size)
        ):
            return DataType("other", f"floats of {size} bytes that are not IEEE 754", size)
        return DataType("number", f"float{8 * size}", size, ">" if bits & 1 else "<")
    if kind == "opaque":
        return DataType("opaque", f"opaque{size}", size)
    if kind == "string":
        if bits & 15 > 2:
            raise cursor.corrupt("a string datatype has an unknown padding")
        return DataType("string", "strings", size, padding=bits & 15)
    if kind == "vlen":
        if bits & 15 == 1 and size == 16:
            return DataType("vlen string", "strings", size)
        return DataType("other", "sequences of varying length", size)
    return DataType("other", kind, size)


def as_array(raw: memoryview, kind: DataType, shape: tuple[int, ...]) -> np.ndarray:
    """View the bytes as an array, without a copy unless they are big-endian; opaque pairs come as their uint16 bits."""
    dtype = kind.numpy if kind.kind == "number" else np.dtype("<u2")
    if not raw.nbytes:
        return np.empty(shape, dtype.newbyteorder("="))
    array = np.frombuffer(raw, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


class GlobalHeap:
    """Strings of varying length. A collection is indexed once; its objects are sliced, never copied."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def get(self, address: int, index: int, where: str) -> memoryview:
        collection = self._collections.get(address)
        if collection is None:
            collection = self._collections[address] = self._index(address, where)
        if index not in collection:
            raise self._source.corrupt(where, f"the global heap has no object {index}")
        at, size = collection[index]
        return self._source.read(at, at + size)

    def _index(self, address: int, where: str) -> dict[int, tuple[int, int]]:
        head = self._source.cursor(address, 16, where)
        head.expect(b"GCOL\x01", "global heap")
        head.skip(3)
        size = head.u(8)
        if size < 16:
            raise head.corrupt("a global heap is smaller than its own head")
        cursor = self._source.cursor(address, size, where)
        cursor.skip(16)
        found: dict[int, tuple[int, int]] = {}
        while cursor.left >= 16:
            self._source.step(where)
            index, length = cursor.fields(_HEAP_OBJECT)
            if index == 0:  # the free rest of the collection
                break
            if index in found:
                raise cursor.corrupt(f"the global heap has two objects {index}")
            found[index] = (cursor.at, length)
            cursor.skip(length)
            cursor.skip(min(-length % 8, cursor.left))
        return found


class Attributes(Mapping[str, AttributeValue]):
    """The attributes of one object, each decoded when it is asked for and then kept."""

    def __init__(self, source: Source, heap: GlobalHeap, messages: list[Cursor], where: str) -> None:
        self._source = source
        self._heap = heap
        self._where = where
        self._raw: dict[str, tuple[Cursor, int, int]] = {}
        self._values: dict[str, AttributeValue] = {}
        for message in messages:
            name, parts = _read_head(message)
            if name in self._raw:
                raise source.corrupt(where, f"the attribute {quote(name)} stands twice")
            self._raw[name] = parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, name: str) -> AttributeValue:
        if name not in self._values:
            self._values[name] = self._decode(name)
        return self._values[name]

    def _decode(self, name: str) -> AttributeValue:
        message, type_at, space_at = self._raw[name]
        where = f"{self._where}@{name}"
        cursor = Cursor(self._source, message.at, message.end, where)
        kind = read_datatype(Cursor(self._source, type_at, space_at, where))
        shape = read_dataspace(Cursor(self._source, space_at, message.at, where))
        if shape is None or kind.kind in ("other", "opaque"):
            raise cursor.unsupported(
                f"the attribute holds {'nothing' if shape is None else kind.name}, expected text or numbers"
            )
        count = prod(shape)
        if count * kind.size > cursor.left:
            raise cursor.corrupt(f"the attribute needs {count * kind.size} bytes, {cursor.left} are there")
        self._spend(count * kind.size, cursor)
        if kind.kind == "number":
            array = as_array(cursor.take(count * kind.size), kind, shape)
            return array.copy() if shape else array.item()
        if len(shape) > 1:
            raise cursor.unsupported(f"the attribute holds strings of shape {shape}, expected a list")
        read = self._vlen_string if kind.kind == "vlen string" else self._fixed_string
        texts = [read(cursor, kind, name) for _ in range(count)]
        return texts if shape else texts[0]

    def _fixed_string(self, cursor: Cursor, kind: DataType, name: str) -> str:
        raw = bytes(cursor.take(kind.size))
        if kind.padding == 0:
            raw = raw.split(b"\0", 1)[0]
        return _text(raw.rstrip(b" " if kind.padding == 2 else b"\0"), cursor)

    def _vlen_string(self, cursor: Cursor, kind: DataType, name: str) -> str:
        self._source.step(cursor.where)
        length, address, index = cursor.fields(_VLEN)
        if length == 0:
            return ""
        limits = self._source.limits
        limit = limits.json_bytes if name in _JSON_ATTRIBUTES else limits.attribute_bytes
        if length > limit:
            raise cursor.unsafe(f"a string has {length} bytes, the limit is {limit}")
        self._spend(length, cursor)
        raw = self._heap.get(address, index, cursor.where)
        if length > len(raw):
            raise cursor.corrupt(f"a string has {length} bytes, the heap holds {len(raw)}")
        return _text(bytes(raw[:length]).rstrip(b"\0"), cursor)

    def _spend(self, size: int, cursor: Cursor) -> None:
        self._source.decoded -= size
        if self._source.decoded < 0:
            raise cursor.unsafe("the attributes together are several times larger than the file")


def _text(raw: bytes, cursor: Cursor) -> str:
    if b"\0" in raw:
        raise cursor.corrupt("a string has a NUL inside")
    return decode_name(raw, cursor, "string")


def _read_head(cursor: Cursor) -> tuple[str, tuple[Cursor, int, int]]:
    """Return an attribute's name, its data, and where its datatype and its dataspace stand."""
    version, flags, *sizes = cursor.fields(_ATTRIBUTE)
    if version not in (1, 2, 3):
        raise cursor.corrupt(f"an attribute has version {version}, expected 1, 2 or 3")
    if version > 1 and flags:
        raise cursor.unsupported("an attribute has a shared datatype")
    if version == 3:
        cursor.skip(1)
    limit = cursor.source.limits.name_length
    if sizes[0] > limit:
        raise cursor.unsafe(f"an attribute's name has {sizes[0]} bytes, the limit is {limit}")
    padding = 7 if version == 1 else 0
    raw = cursor.take(sizes[0])
    name = decode_name(bytes(raw).rstrip(b"\0"), cursor, "name of an attribute")
    if not name or "\0" in name:
        raise cursor.corrupt("an attribute has no proper name")
    cursor.skip(-sizes[0] & padding)
    type_at = cursor.at
    cursor.skip(sizes[1] + (-sizes[1] & padding))
    space_at = cursor.at
    cursor.skip(sizes[2] + (-sizes[2] & padding))
    return name, (cursor, type_at, space_at)
