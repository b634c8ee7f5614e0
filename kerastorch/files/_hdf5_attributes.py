"""HDF5 attributes, few or many, and the heap of their strings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from struct import Struct
from typing import NamedTuple

import numpy as np

from kerastorch.errors import counted, quote

from ._hdf5_headers import committed_type
from ._hdf5_heap import read_many
from ._hdf5_types import DataType, as_array, read_dataspace, read_datatype
from ._lookup3 import lookup3
from ._source import UNDEFINED, Cursor, Source, decode_name

AttributeValue = str | list[str] | int | float | np.ndarray

_ATTRIBUTE, _HEAP_OBJECT, _VLEN = Struct("<BB3H"), Struct("<H6xQ"), Struct("<IQI")
_TWO_LENGTHS, _INDEXED = Struct("<QQ"), Struct("<BII")
_LEAST_HEAP = 4096
_JSON_ATTRIBUTES = ("model_config", "training_config")  # the only attributes that may be large


class _Parts(NamedTuple):
    """Where the parts of one attribute stand, and whether its datatype is an object of its own."""

    name: str
    datatype: tuple[int, int]
    dataspace: tuple[int, int]
    data: tuple[int, int]
    committed: bool


def read_dense_attributes(cursor: Cursor) -> list[Cursor]:
    """The attribute messages of an object that has many: in a heap, with an index.

    Args:
        cursor: The attribute info message; an object with few attributes has it too, and no heap.
    """
    found = []
    for record, heap in read_many(cursor, "attributes", 2, 8):
        message = heap.find(record)
        flags, _, stated = record.fields(_INDEXED)
        if flags:
            raise record.unread("it shares an attribute with another object")
        if lookup3(_read_head(message.again()).name.encode()) != stated:
            raise record.corrupt("the index of its attributes names another attribute than the heap")
        found.append(message)
    return found


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
        if size < _LEAST_HEAP:
            raise head.corrupt(f"a global heap has {counted(size, 'byte')}, expected at least {_LEAST_HEAP}")
        cursor = self._source.cursor(address, size, where)
        cursor.skip(16)
        found: dict[int, tuple[int, int]] = {}
        while cursor.left >= 16:
            self._source.step(where)
            index, length = cursor.fields(_HEAP_OBJECT)
            if index == 0:  # the free rest of the collection
                if length != cursor.left + _HEAP_OBJECT.size:
                    raise cursor.corrupt("the free rest of a global heap has another size than it says")
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
        self._raw: dict[str, _Parts] = {}
        self._values: dict[str, AttributeValue] = {}
        for message in messages:
            parts = _read_head(message)
            if parts.name in self._raw:
                raise source.corrupt(where, f"the attribute {quote(parts.name)} stands twice")
            # A damaged one shows that the object is damaged, whether it is of use or not.
            kind = None if parts.committed else read_datatype(Cursor(source, *parts.datatype, where))
            shape = read_dataspace(Cursor(source, *parts.dataspace, where))
            if kind is not None and shape is not None:
                _size_of(kind, shape, Cursor(source, *parts.data, f"{where}@{parts.name}"))
            self._raw[parts.name] = parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __getitem__(self, name: str) -> AttributeValue:
        if name not in self._values:
            self._values[name] = self._decode(name)
        return self._values[name]

    def _decode(self, name: str) -> AttributeValue:
        parts = self._raw[name]
        where = f"{self._where}@{name}"
        cursor = Cursor(self._source, *parts.data, where)
        datatype = Cursor(self._source, *parts.datatype, where)
        kind = read_datatype(committed_type(datatype) if parts.committed else datatype)
        shape = read_dataspace(Cursor(self._source, *parts.dataspace, where))
        if shape is None or kind.kind in ("other", "opaque"):
            raise cursor.unsupported(
                f"the attribute holds {'nothing' if shape is None else kind.name}, expected text or numbers"
            )
        size = _size_of(kind, shape, cursor)
        if size > self._source.limits.attribute_bytes:
            raise cursor.beyond(f"the attribute has {counted(size, 'byte')}", "attribute_bytes")
        self._spend(size, cursor)
        if kind.kind == "number":
            array = as_array(cursor.take(size), kind, shape)
            return array.copy() if shape else array.item()
        if len(shape) > 1:
            raise cursor.unsupported(f"the attribute holds strings of shape {shape}, expected a list")
        read = self._vlen_string if kind.kind == "vlen string" else self._fixed_string
        texts = [read(cursor, kind, name) for _ in range(prod(shape))]
        return texts if shape else texts[0]

    def _fixed_string(self, cursor: Cursor, kind: DataType, name: str) -> str:
        raw = bytes(cursor.take(kind.size))
        if kind.padding == 0:
            raw = raw.split(b"\0", 1)[0]
        return _text(raw.rstrip(b" " if kind.padding == 2 else b"\0"), cursor)

    def _vlen_string(self, cursor: Cursor, kind: DataType, name: str) -> str:
        self._source.step(cursor.where)
        length, address, index = cursor.fields(_VLEN)
        if length == 0 and address in (0, UNDEFINED):
            return ""
        bound = "json_bytes" if name in _JSON_ATTRIBUTES else "attribute_bytes"
        if length > getattr(self._source.limits, bound):
            raise cursor.beyond(f"a string has {counted(length, 'byte')}", bound)
        self._spend(length, cursor)
        raw = self._heap.get(address, index, cursor.where)
        if length != len(raw):
            raise cursor.corrupt(f"a string has {counted(length, 'byte')}, the heap holds {len(raw)}")
        return _text(bytes(raw).rstrip(b"\0"), cursor)

    def _spend(self, size: int, cursor: Cursor) -> None:
        self._source.decoded -= size
        if self._source.decoded < 0:
            raise cursor.beyond("the attributes together are several times larger than the file", "decoded_ratio")


def _size_of(kind: DataType, shape: tuple[int, ...], cursor: Cursor) -> int:
    """The bytes of all values of an attribute, which must be there."""
    size = prod(shape) * kind.size
    if size > cursor.left:
        raise cursor.corrupt(f"the attribute needs {counted(size, 'byte')}, {cursor.left} are there")
    return size


def _text(raw: bytes, cursor: Cursor) -> str:
    if b"\0" in raw:
        raise cursor.corrupt("a string has a NUL inside")
    return decode_name(raw, cursor, "string")


def _read_head(cursor: Cursor) -> _Parts:
    version, flags, *sizes = cursor.fields(_ATTRIBUTE)
    if version not in (1, 2, 3):
        raise cursor.corrupt(f"an attribute has version {version}, expected 1, 2 or 3")
    if version > 1 and flags & ~1:
        raise cursor.unread("an attribute shares its shape with other objects")
    if version == 3:
        cursor.skip(1)
    if sizes[0] > cursor.source.limits.name_length:
        raise cursor.beyond(f"an attribute's name has {counted(sizes[0], 'byte')}", "name_length")
    padding = 7 if version == 1 else 0
    raw, _, rest = bytes(cursor.take(sizes[0])).partition(b"\0")
    if not raw or rest or len(raw) == sizes[0]:
        raise cursor.corrupt("an attribute has no proper name")
    name = decode_name(raw, cursor, "name of an attribute")
    cursor.skip(-sizes[0] & padding)
    datatype = cursor.at, cursor.at + sizes[1]
    cursor.skip(sizes[1] + (-sizes[1] & padding))
    dataspace = cursor.at, cursor.at + sizes[2]
    cursor.skip(sizes[2] + (-sizes[2] & padding))
    return _Parts(name, datatype, dataspace, (cursor.at, cursor.end), version > 1 and bool(flags & 1))
