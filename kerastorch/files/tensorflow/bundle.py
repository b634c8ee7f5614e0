"""The arrays of a bundle: an index that says where each stands in files of raw bytes, and its checksum."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kerastorch.errors import LoadError, counted, quote

from .._bytes import Bytes
from .._limits import Limits
from .._source import Source
from .._values import Array
from ._crc32c import crc32c, unmasked
from ._table import read_table
from ._wire import Wire, varint

# TensorFlow's numbers of dtypes (tensorflow/core/framework/types.proto).
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
NUMBERS = {name: number for number, name in _DTYPES.items()}
STRING = 7
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_NOT_NUMBERS = {STRING: "text", 8: "complex64", 18: "complex128", 20: "a resource", 21: "a variant"}

Opener = Callable[[str], Bytes]


@dataclass(frozen=True)
class _Entry:
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


class Bundle:
    """What an index lists.

    Args:
        prefix: The name of the index without ".index".
        open_file: Opens a file beside it by its name.
        name: What to call the index in messages.
        limits: The bounds.
        check_open: Raises where the archive is closed.
    """

    shards: int  # in how many files the values stand

    def __init__(
        self, prefix: str, open_file: Opener, name: str, limits: Limits, check_open: Callable[[], None]
    ) -> None:
        self.source = Source(open_file(f"{prefix}.index"), name, limits)
        self._prefix = prefix
        self._open_file = open_file
        self._check_open = check_open
        self.shards = 1
        self._opened: dict[int, Source] = {}
        self._entries: dict[str, _Entry] = {}
        first = True
        for key, value in read_table(self.source):
            if first:
                self._read_head(key, value)
                first = False
                continue
            where = _text(key, self.source)
            if len(self._entries) >= limits.objects:
                raise self.source.beyond(where, "there are more arrays", "objects")
            self._entries[where] = self._read_entry(where, value)
        if first:
            raise self.source.corrupt("", "it lists nothing")
        self._check_disjoint()

    @property
    def names(self) -> list[str]:
        """The names of all arrays of numbers, in the order of the index."""
        return [name for name, entry in self._entries.items() if entry.dtype in _DTYPES]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def array(self, name: str, where: str = "") -> Array:
        """An array of numbers, which is read later.

        Args:
            name: Its name in the index.
            where: What to call it; else by its name.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise self.source.corrupt(name, "it belongs to the model, and the index does not list it")
        dtype = _DTYPES.get(entry.dtype)
        if dtype is None:
            what = _NOT_NUMBERS.get(entry.dtype, f"of dtype {entry.dtype}")
            raise self.source.unsupported(name, f"it holds {what}, expected numbers")
        itemsize = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
        if entry.size != math.prod(entry.shape) * itemsize:
            raise self.source.corrupt(
                name, f"{counted(entry.size, 'byte is', 'bytes are')} no array {entry.shape} of {dtype}"
            )
        raw = "<u2" if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<")

        def read() -> np.ndarray:
            self._check_open()
            found = np.frombuffer(self._checked(name, entry), raw).reshape(entry.shape)
            found.flags.writeable = False
            return found

        return Array(where or name, entry.shape, dtype, read)

    def graph(self) -> memoryview | None:
        """The graph of objects that the bundle was made of; None for one that was saved by names alone."""
        entry = self._entries.get(GRAPH)
        if entry is None:
            return None
        if entry.dtype != STRING or entry.shape:
            raise self.source.corrupt(GRAPH, "it is not one text")
        if entry.size > self.source.limits.allocation_bytes:
            raise self.source.beyond(GRAPH, f"it has {counted(entry.size, 'byte')}", "allocation_bytes")
        data = self._bytes(GRAPH, entry)
        size, at = varint(data, 0)
        if at < 0 or at + 4 + size != entry.size:
            raise self.source.corrupt(GRAPH, "its length is another than it says")
        # The checksum is of the length as four bytes, of the checksum of these, and of the text.
        if unmasked(entry.crc) != crc32c(size.to_bytes(4, "little"), data[at:]):
            raise self._wrong(GRAPH)
        return data[at + 4 :]

    def _checked(self, name: str, entry: _Entry) -> memoryview:
        data = self._bytes(name, entry)
        if unmasked(entry.crc) != crc32c(data):
            raise self._wrong(name)
        return data

    def _bytes(self, name: str, entry: _Entry) -> memoryview:
        source = self._shard(entry.shard)
        end = entry.offset + entry.size
        if end > source.end:
            raise source.corrupt(name, f"bytes {entry.offset} to {end} are needed, the file ends at {source.end}")
        return source.read(entry.offset, end)

    def _wrong(self, name: str) -> LoadError:
        return self.source.corrupt(name, "its bytes have another checksum than the index says")

    def _shard(self, number: int) -> Source:
        if number not in self._opened:
            file = f"{self._prefix}.data-{number:05d}-of-{self.shards:05d}"
            self._opened[number] = Source(self._open_file(file), file, self.source.limits)
        return self._opened[number]

    def _read_head(self, key: bytes, value: memoryview) -> None:
        wire = Wire(value, self.source, "the head of the index")
        head = wire.last()
        if key:
            raise self.source.corrupt("", "it has no head")
        self.shards = wire.whole(head.get(1, 1))
        if not 0 < self.shards <= self.source.limits.shards:
            raise self.source.beyond("", f"it names {counted(self.shards, 'file')}", "shards")
        if wire.whole(head.get(2, 0)):
            raise self.source.unsupported("", "a machine of the other order of bytes wrote it")

    def _read_entry(self, name: str, value: memoryview) -> _Entry:
        wire = Wire(value, self.source, name)
        found = wire.last()
        if 7 in found:
            raise self.source.unsupported(name, "it is cut into slices, as a partitioned variable is")
        shape = []
        if 2 in found:
            shape = [wire.whole(wire.inner(size).last().get(1, 0)) for at, size in wire.inner(found[2]) if at == 2]
        shard, offset, size = (wire.whole(found.get(number, 0)) for number in (3, 4, 5))
        if min((offset, size, *shape), default=0) < 0 or not 0 <= shard < self.shards:
            raise self.source.corrupt(name, "its place or its shape is none")
        crc = int.from_bytes(wire.bytes(found[6]), "little") if 6 in found else 0
        return _Entry(wire.whole(found.get(1, 0)), tuple(shape), shard, offset, size, crc)

    def _check_disjoint(self) -> None:
        """Refuse arrays that share bytes: one of them would be somebody else's values."""
        places = sorted(
            (entry.shard, entry.offset, entry.offset + entry.size, name)
            for name, entry in self._entries.items()
            if entry.size
        )
        for (shard, _, end, before), (other, start, _, name) in pairwise(places):
            if shard == other and start < end:
                raise self.source.unsafe(name, f"it shares bytes with {quote(before)}")


def _text(key: bytes, source: Source) -> str:
    try:
        return str(key, "utf-8")
    except UnicodeDecodeError:
        raise source.corrupt("", f"the name {quote(key)} is not UTF-8 text") from None
