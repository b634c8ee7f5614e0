"""The beginning of an HDF5 file, which may stand behind bytes of somebody else's."""

from __future__ import annotations

from struct import Struct

from kerastorch.errors import counted

from ._bytes import Buffer, Bytes, as_bytes
from ._hdf5_headers import Kind, read_header
from ._limits import Limits
from ._lookup3 import checked
from ._source import UNDEFINED, Source

SIGNATURE = b"\x89HDF\r\n\x1a\n"

_VERSIONS, _RANKS, _ROOT = Struct("<4B"), Struct("<HHI"), Struct("<QQI")
_FLAGS = 0b111
_WRITING = 0b101  # of the flags of version 3: open for writing, and so for one writer with many readers


def find_hdf5(data: Bytes) -> int | None:
    """Where the HDF5 data begins: at 0, or behind a user block of 512 bytes, 1,024, 2,048 ...; None where none does."""
    at = 0
    while at + len(SIGNATURE) <= data.size:
        if data.read(at, at + len(SIGNATURE)) == SIGNATURE:
            return at
        at = 2 * at or 512
    return None


def read_superblock(data: Bytes | Buffer, name: str, limits: Limits) -> tuple[Source, int]:
    """The HDF5 data, cut to its size and without a user block before it, and the address of the root group."""
    whole = as_bytes(data)
    begin = find_hdf5(whole) or 0
    source = Source(whole.part(begin, whole.size) if begin else whole, name, limits)
    cursor = source.cursor(0, source.end, "")
    cursor.expect(SIGNATURE, "HDF5 signature")
    version = cursor.u(1)
    if version > 3:
        raise source.unread("", f"the HDF5 superblock has version {version}, expected 0 to 3")
    if version >= 2:
        checked(source, 0, 44, "", SIGNATURE, "the beginning of the file")
    else:
        free_space, root, _, shared = cursor.fields(_VERSIONS)
        if free_space or root or shared:
            raise source.corrupt("", "parts of the file have versions that there are not")
    sizes = cursor.u(1), cursor.u(1)
    if sizes != (8, 8):
        raise source.unread("", f"addresses and lengths have {sizes} bytes, expected (8, 8)")
    if version < 2:
        cursor.skip(1)
        leaf, inner, flags = cursor.fields(_RANKS)
        chunks = cursor.u(2) if version == 1 else 32
        cursor.skip(2 if version == 1 else 0)
        if not (leaf and inner and chunks):
            raise source.corrupt("", "the indexes of its groups have no room for anything")
        source.ranks = leaf, inner, chunks
    else:
        flags = cursor.u(1)
        if flags & _WRITING:
            raise source.corrupt("", "the program that wrote the file did not close it")
    if flags and (version < 3 or flags & ~_FLAGS):
        raise source.corrupt("", f"the file has flags ({flags:#x}) that there are not")
    # All addresses count from the base; the library takes the place of the signature, and so do we.
    base, extra, end = cursor.u(8), cursor.u(8), cursor.u(8)
    end -= base
    if not 0 <= end <= source.end:
        raise source.corrupt("", f"the file has {counted(source.end, 'byte')}, it says itself that it has {end}")
    source.end = end
    if version < 2:
        if extra != UNDEFINED:
            raise source.corrupt("", "the file has an index of its free space, which files of its version have not")
        if cursor.u(8) != UNDEFINED:
            raise source.unsafe("", "the file is said to be one part of several")
        _, address, cached = cursor.fields(_ROOT)
        if cached > 1:
            raise source.corrupt("", f"the root group has a link of kind {cached}")
        return source, address
    if extra != UNDEFINED:
        _check_extension(source, extra)
    return source, cursor.u(8)


def _check_extension(source: Source, address: int) -> None:
    """Raise where the extension of the superblock says that the file is not read as others are."""
    messages = read_header(source, address, "")
    if Kind.SHARED_TABLE in messages:
        raise source.unread("", "objects of the file share their header messages")
    if Kind.DRIVER_INFO in messages:
        raise source.unsafe("", "the file is said to be one part of several")
    if Kind.CACHE_IMAGE in messages:
        raise source.unread("", "the file holds an image of the HDF5 library's cache")
