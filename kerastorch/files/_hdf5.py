"""A read-only HDF5 reader in pure Python, for files that are not trusted.

It knows what Keras and h5py write, in the older structures and in the newer ones, checks every address, every length
and every checksum, follows hard links only and refuses the rest by name. Nothing is read before it is asked for.
The format: HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from struct import Struct

import numpy as np

from kerastorch.errors import counted, quote

from ._bytes import Buffer, Bytes
from ._hdf5_attributes import Attributes, GlobalHeap, read_dense_attributes
from ._hdf5_chunks import read_chunks
from ._hdf5_headers import Kind, Messages, committed_type, read_header
from ._hdf5_links import read_dense_links, read_link, read_symbol_table
from ._hdf5_superblock import read_superblock
from ._hdf5_types import (
    DataType,
    as_array,
    read_dataspace,
    read_datatype,
    read_extent,
    read_fill_value,
    read_old_fill_value,
)
from ._limits import Limits
from ._source import UNDEFINED, Cursor, Source, decode_name

_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_NOWHERE = -1  # contiguous, and nothing was ever written
# What makes an object a group, and what a group has not. HDF5 itself looks at no more.
_OF_GROUPS = frozenset(map(int, (Kind.SYMBOL_TABLE, Kind.LINK_INFO)))
_OF_DATASETS = frozenset(map(int, (Kind.LAYOUT, Kind.DATASPACE, Kind.FILTERS, Kind.EXTERNAL)))
_DATATYPES = frozenset(map(int, (Kind.DATATYPE, Kind.COMMITTED_TYPE)))
_LAYOUT_HEAD, _TWO_LENGTHS = Struct("<BB"), Struct("<QQ")


class _File:
    """What the objects of one file share."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.heap = GlobalHeap(source)

    def node(self, address: int, path: str) -> Group | Dataset:
        """Read the object header at `address`."""
        source = self.source
        source.objects -= 1
        if source.objects < 0:
            if source.most_objects < source.limits.objects:
                raise source.unsafe(
                    path, f"the file has more than {counted(source.most_objects, 'object')}, as none of its size"
                )
            raise source.beyond(path, f"the file has more than {counted(source.most_objects, 'object')}", "objects")
        messages = read_header(source, address, path)
        group, typed = not _OF_GROUPS.isdisjoint(messages), not _DATATYPES.isdisjoint(messages)
        if group and _OF_DATASETS.isdisjoint(messages):
            return Group(self, address, path, messages)
        if typed and Kind.DATASPACE in messages and not group:
            return Dataset(self, address, path, messages)
        if Kind.DATATYPE in messages and not group:
            raise source.unsupported(path, "it is a stored datatype, expected a group or an array")
        raise source.corrupt(path, "it is neither a group nor an array")


class _Node:
    """A group or a dataset: its path, its address and its attributes."""

    def __init__(self, file: _File, address: int, path: str, messages: Messages) -> None:
        self._file = file
        self.source = file.source
        self._messages = messages
        self._attributes: Attributes | None = None
        self.address = address
        self.path = path

    @property
    def attrs(self) -> Attributes:
        """The attributes, decoded when asked for: str, list of str, number or array."""
        if self._attributes is None:
            found = self._all(Kind.ATTRIBUTE)
            for cursor in self._all(Kind.ATTRIBUTE_INFO):
                found += read_dense_attributes(cursor)
            self._attributes = Attributes(self.source, self._file.heap, found, self.path)
        return self._attributes

    def _all(self, kind: int) -> list[Cursor]:
        found = self._messages.get(kind)
        return [Cursor(self.source, at, end, self.path) for at, end in found] if found else []

    def _one(self, kind: int, what: str) -> Cursor:
        found = self._all(kind)
        if len(found) != 1:
            raise self.source.corrupt(self.path, f"it has {len(found)} {what}, expected one")
        return found[0]


class Group(_Node):
    """An HDF5 group."""

    def __init__(self, file: _File, address: int, path: str, messages: Messages) -> None:
        super().__init__(file, address, path, messages)
        self._children: dict[str, Group | Dataset] = {}
        self._links: dict[str, int] | None = None

    def keys(self) -> tuple[str, ...]:
        """The names in this group, in the order of their bytes."""
        return tuple(self._addresses())

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses())

    def items(self) -> Iterator[tuple[str, Group | Dataset]]:
        """Name and object of each child, in the order of `keys`; read one by one."""
        for name in self._addresses():
            yield name, self._child(name)

    def get(self, path: str) -> Group | Dataset | None:
        """Return the object at `path` ("a/b/c", relative to this group), None where there is none.

        Raises:
            UnsafeFileError: A component of the path is empty, "." or "..", or the path is too deep.
        """
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise self.source.unsafe(self.path, f"{quote(path)} is not a plain name below it")
        if len(parts) > self.source.limits.group_depth:
            raise self.source.too_deep(f"{self.path}/{path}" if self.path else path)
        node: Group | Dataset = self
        for part in parts:
            if not isinstance(node, Group) or part not in node._addresses():
                return None
            node = node._child(part)
        return node

    def _child(self, name: str) -> Group | Dataset:
        found = self._children.get(name)
        if found is None:
            found = self._file.node(self._addresses()[name], f"{self.path}/{name}" if self.path else name)
            self._children[name] = found
        return found

    def _addresses(self) -> dict[str, int]:
        if self._links is None:
            links = [link for cursor in self._all(Kind.SYMBOL_TABLE) for link in read_symbol_table(cursor)]
            links += [link for cursor in self._all(Kind.LINK_INFO) for link in read_dense_links(cursor)]
            links += [read_link(cursor) for cursor in self._all(Kind.LINK)]
            self._links = {}
            here = self.source.cursor(0, 0, self.path)
            for raw, address in sorted(links):
                name = decode_name(raw, here, "name")
                if name in self._links:
                    raise self.source.corrupt(self.path, f"the name {quote(name)} stands twice")
                if not name or "/" in name or "\0" in name or name in (".", ".."):
                    raise self.source.unsafe(self.path, f"it holds an object called {quote(name)}")
                self._links[name] = address
        return self._links


class Dataset(_Node):
    """An HDF5 dataset. What it holds is checked when `kind`, `shape` or `read` is first used."""

    def __init__(self, file: _File, address: int, path: str, messages: Messages) -> None:
        super().__init__(file, address, path, messages)
        self._plan: tuple[DataType, tuple[int, ...], int, Cursor] | None = None
        self._fill = b""  # what stands for values that were never written; b"": zeros
        self.unwritten = 0  # bytes of these, of what was read

    @property
    def dtype(self) -> str:
        """The dtype as numpy calls it, or "opaque2" for two bytes without a meaning."""
        return self._planned()[0].name

    @property
    def shape(self) -> tuple[int, ...]:
        return self._planned()[1]

    @property
    def nbytes(self) -> int:
        """The number of bytes of all values."""
        kind, shape, _, _ = self._planned()
        return kind.size * prod(shape)

    @property
    def stored(self) -> tuple[int, int]:
        """First byte and number of bytes in the file; (0, 0) where there is no such piece."""
        _, _, layout, body = self._planned()
        return (0, 0) if layout in (_CHUNKED, _NOWHERE) else (body.at, body.left)

    @property
    def in_one_piece(self) -> bool:
        """Whether parts of it can be read by themselves."""
        return self._planned()[2] != _CHUNKED

    def read(self) -> np.ndarray:
        """Return the array; "opaque2" as uint16 bits."""
        kind, shape, layout, body = self._planned()
        if layout == _CHUNKED:
            _, most = read_extent(self._one(Kind.DATASPACE, "dataspaces"))
            chunks = Cursor(self.source, body.at, body.end, self.path)
            filters = self._all(Kind.FILTERS)
            return as_array(read_chunks(chunks, filters, kind.size, shape, most, self._fill_value), kind, shape)
        if layout == _NOWHERE:
            return self._filled(kind, shape)
        return as_array(self.source.read(body.at, body.end), kind, shape)

    def read_rows(self, at: int, end: int) -> np.ndarray:
        """Return some of the first axis, of an array that is `in_one_piece`."""
        kind, shape, layout, body = self._planned()
        if layout == _NOWHERE:
            return self._filled(kind, (end - at, *shape[1:]))
        row = kind.size * prod(shape[1:])
        return as_array(self.source.read(body.at + at * row, body.at + end * row), kind, (end - at, *shape[1:]))

    def _fill_value(self, count: int) -> np.ndarray:
        """The bytes of what stands for so many values that were never written."""
        kind = self._planned()[0]
        size = min(count * kind.size, self.nbytes - self.unwritten)  # what is read again costs nothing
        self.source.spend_room(self.path, size)
        self.unwritten += size
        return np.frombuffer(self._fill or bytes(kind.size), np.uint8)

    def _filled(self, kind: DataType, shape: tuple[int, ...]) -> np.ndarray:
        value = self._fill_value(prod(shape))
        array = np.empty((prod(shape), kind.size), np.uint8)
        array[...] = value
        array.flags.writeable = False
        return as_array(array.reshape(-1).data, kind, shape)

    def _planned(self) -> tuple[DataType, tuple[int, ...], int, Cursor]:
        if self._plan is None:
            self._plan = self._make_plan()
        return self._plan

    def _make_plan(self) -> tuple[DataType, tuple[int, ...], int, Cursor]:
        source = self.source
        if self._all(Kind.EXTERNAL):
            raise source.unsafe(self.path, "its data is said to stand in another file")
        committed = self._all(Kind.COMMITTED_TYPE)
        kind = read_datatype(committed_type(committed[0]) if committed else self._one(Kind.DATATYPE, "datatypes"))
        if kind.kind not in ("number", "opaque") or (kind.kind == "opaque" and kind.size != 2):
            raise source.unsupported(self.path, f"it holds {kind.name}, expected an array of numbers")
        shape = read_dataspace(self._one(Kind.DATASPACE, "dataspaces"))
        if shape is None:
            raise source.unsupported(self.path, "it holds nothing, expected an array of numbers")
        fills = [read_fill_value(cursor, kind.size) for cursor in self._all(Kind.FILL)]
        fills += [read_old_fill_value(cursor, kind.size) for cursor in self._all(Kind.OLD_FILL)]
        self._fill = fills[0] if fills else b""
        nbytes = kind.size
        for size in shape:
            nbytes *= size
        cursor = self._one(Kind.LAYOUT, "layouts")
        version, layout = cursor.fields(_LAYOUT_HEAD)
        if version not in (3, 4):
            raise cursor.unread(f"its data is stored in layout version {version}")
        if layout == _CHUNKED:
            return kind, shape, layout, self._one(Kind.LAYOUT, "layouts")
        if self._all(Kind.FILTERS):
            raise cursor.corrupt("it has filters, which only data in chunks can have")
        if layout == _COMPACT:
            body = cursor.cut(cursor.u(2))
        elif layout == _CONTIGUOUS:
            address, size = cursor.fields(_TWO_LENGTHS)
            if address == UNDEFINED and nbytes:
                return kind, shape, _NOWHERE, Cursor(source, 0, 0, self.path)
            if not nbytes and size:
                raise cursor.corrupt(f"its shape {shape} needs no bytes, {size} are stored")
            body = source.cursor(address, size, self.path) if nbytes else Cursor(source, 0, 0, self.path)
        else:
            raise cursor.unsafe("its data is virtual: said to stand in other files")
        if body.left != nbytes:
            raise cursor.corrupt(f"its shape {shape} needs {counted(nbytes, 'byte')}, {body.left} are stored")
        return kind, shape, layout, body


def open_hdf5(data: Bytes | Buffer, name: str, limits: Limits | None = None) -> Group:
    """Open an HDF5 file.

    Args:
        data: The bytes; of those in memory `Dataset.read` returns views.
        name: What to call the file in messages.
        limits: The bounds.

    Returns:
        The root group.

    Raises:
        CorruptFileError: The file is damaged.
        UnsafeFileError: It holds something that no Keras writes.
        UnsupportedFileError: It uses a part of HDF5 that this reader does not have.
    """
    source, address = read_superblock(data, name, limits or Limits())
    root = _File(source).node(address, "")
    if not isinstance(root, Group):
        raise source.corrupt("", "it is not a group")
    return root
