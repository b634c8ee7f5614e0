"""HDF5 dataspaces and datatypes."""

from __future__ import annotations

from math import prod
from struct import Struct
from typing import Literal, NamedTuple

import numpy as np

from kerastorch.errors import counted, quote

from ._source import Cursor

_SPACE, _TYPE, _FLOAT = Struct("<BBB"), Struct("<II"), Struct("<HH4BI")
_FILL = Struct("<BBB")
_NEVER = 1  # when such values are written
_MAX_RANK = 32
_SIZES = tuple(Struct(f"<{rank}Q") for rank in range(_MAX_RANK + 1))
_MAX_ELEMENTS = 1 << 48  # more than any memory holds, and safe inside numpy's own arithmetic
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
    shape, _ = read_extent(cursor)
    return shape


def read_extent(cursor: Cursor) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Return the shape, see `read_dataspace`, and the largest that it may ever get (`UNDEFINED`: any size)."""
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
        raise cursor.corrupt(f"a dataspace has {counted(rank, 'dimension')}, at most {_MAX_RANK} exist")
    shape = cursor.fields(_SIZES[rank])
    if prod(max(size, 1) for size in shape) > _MAX_ELEMENTS:
        raise cursor.unsafe(f"the shape {quote(shape)} is larger than any memory")
    most = cursor.fields(_SIZES[rank]) if flags & 1 else shape
    if any(size > limit for size, limit in zip(shape, most, strict=True)):
        raise cursor.corrupt(f"its shape {quote(shape)} is larger than the largest that it may get, {quote(most)}")
    return None if null else shape, most


def read_datatype(cursor: Cursor) -> DataType:
    """Read a datatype message."""
    word, size = cursor.fields(_TYPE)
    head, bits = word & 255, word >> 8
    version, number = head >> 4, head & 15
    if not 1 <= version <= 4 or number >= len(_CLASSES) or not size:
        raise cursor.corrupt("a datatype is not one that HDF5 knows")
    kind = _CLASSES[number]
    if kind == "integer":
        offset, precision = cursor.u(2), cursor.u(2)
        if not precision or offset + precision > 8 * size or size > 2 * -(-precision // 8):
            raise cursor.corrupt(
                f"integers of {counted(size, 'byte')} are said to have {precision} bits from bit {offset} on"
            )
        if offset or precision != 8 * size or size not in (1, 2, 4, 8):
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
            return DataType("other", f"floats of {counted(size, 'byte')} that are not IEEE 754", size)
        return DataType("number", f"float{8 * size}", size, ">" if bits & 1 else "<")
    if kind == "opaque":
        return DataType("opaque", f"opaque{size}", size)
    if kind == "string":
        if bits & 15 > 2:
            raise cursor.corrupt("a string datatype has an unknown padding")
        if bits >> 4 & 15 > 1:
            raise cursor.corrupt("a string datatype has an unknown encoding")
        return DataType("string", "strings", size, padding=bits & 15)
    if kind == "enum":
        base, count = read_datatype(cursor), bits & 0xFFFF
        if base.size != size or count * (size + 1) > cursor.left:
            raise cursor.corrupt(
                f"an enumeration of {counted(count, 'value')} of {counted(size, 'byte')} is not described as one"
            )
    if kind == "vlen":
        base = read_datatype(cursor)
        if size != 16 or bits & 15 > 1:
            raise cursor.corrupt(
                f"sequences are said to be of kind {bits & 15} and to take {counted(size, 'byte')}, expected 16"
            )
        if bits & 15 == 1:
            if base.kind not in ("number", "string") or base.size != 1 or bits >> 4 & 15 > 2 or bits >> 8 & 15 > 1:
                raise cursor.corrupt("strings are said to be made of something else than characters")
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


def read_fill_value(cursor: Cursor, itemsize: int) -> bytes:
    """What stands for values that were never written.

    Args:
        cursor: The fill value message.
        itemsize: Bytes of one element.

    Returns:
        One element as it is stored; nothing where that is zero, or where the library leaves such values alone.
    """
    version = cursor.u(1)
    if version in (1, 2):
        early, when, defined = cursor.fields(_FILL)
    elif version == 3:
        flags = cursor.u(1)
        early, when, defined = flags & 3, flags >> 2 & 3, flags >> 5 & 1
        if flags >> 6 or flags & 0x30 == 0x30:
            raise cursor.corrupt("its fill value has flags that there are not")
    else:
        raise cursor.corrupt(f"its fill value has version {version}, expected 1 to 3")
    if not 1 <= early <= 3 or when > 2 or defined > 1:
        raise cursor.corrupt("its fill value is described in numbers that mean nothing")
    size = cursor.u(4) if version == 1 or defined else 0
    if size not in (0, itemsize) and not (version == 1 and not defined):
        raise cursor.corrupt(f"its fill value has {counted(size, 'byte')}, its elements have {itemsize}")
    value = bytes(cursor.take(size)) if defined else b""
    return b"" if when == _NEVER else value


def read_old_fill_value(cursor: Cursor, itemsize: int) -> bytes:
    """The same of the message of HDF5 before 1.6, which holds the value alone."""
    value = bytes(cursor.take(cursor.u(4)))
    if len(value) not in (0, itemsize):
        raise cursor.corrupt(f"its fill value has {counted(len(value), 'byte')}, its elements have {itemsize}")
    return value
