"""A SavedModel in a zip archive or a tar, which is read in memory and never unpacked onto the disk."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError, quote

from .. import _zip
from .._bytes import Bytes, Held
from .._limits import MIB, Limits
from .._source import DAMAGED, FOREIGN
from .folders import InMemory
from .saved_model import MODEL

_GZIP = b"\x1f\x8b"
_TAR = (257, b"ustar")
_PIECE = 1 << 20
_AS_GZIP = 31  # for zlib: with the header and the checksum of gzip


def in_zip(archive: _zip.Archive, name: str) -> InMemory | None:
    """The folder of a SavedModel in a zip archive; None where there is none."""
    return _only_model({member: partial(archive.open, member) for member in archive.members}, name)


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so may be a tar, or one packed with gzip."""
    return head[:2] == _GZIP or is_plain_tar(head)


def is_plain_tar(head: bytes | memoryview) -> bool:
    """Whether it is a tar that nothing has packed."""
    at, magic = _TAR
    return head[at : at + len(magic)] == magic


def _begun(packed: memoryview) -> bytes:
    """The first bytes of what gzip has packed; none where it cannot be unpacked."""
    try:
        return zlib.decompressobj(_AS_GZIP).decompress(packed[:_PIECE], 512)
    except zlib.error:
        return b""


def in_tar(data: Bytes, name: str, limits: Limits) -> InMemory | None:
    """The folder of a SavedModel in a tar; None where there is none, or where the file is no tar."""
    content = _content(data, name, limits)
    if content is None:
        return None
    files, strange = _members(content, name, limits)
    found = _only_model(files, name)
    if found is not None and strange:
        raise UnsafeFileError(f"{name}: the tar is refused: {strange[0]}. {FOREIGN}")
    return found


def files_in_tar(data: Bytes, name: str, limits: Limits) -> Mapping[str, Callable[[], Bytes]]:
    """Every file of a tar by its path, of which nothing is judged; none where the file is no tar."""
    content = _content(data, name, limits)
    return {} if content is None else _members(content, name, limits)[0]


def is_packed_tar(head: bytes | memoryview) -> bool:
    """Whether a file that begins so is a tar, also one packed with gzip."""
    return is_plain_tar(_begun(memoryview(head)) if head[:2] == _GZIP else head)


def _content(data: Bytes, name: str, limits: Limits) -> memoryview | None:
    """The bytes of a tar, unpacked; None of any other file."""
    content = data.read(0, data.size)
    if not is_packed_tar(content[:_PIECE]):
        return None
    return _unpacked(content, name, limits) if content[:2] == _GZIP else content


def _members(content: memoryview, name: str, limits: Limits) -> tuple[dict[str, Callable[[], Bytes]], list[str]]:
    """The files of a tar, and what an unpacker would put elsewhere, or make of one name."""
    files: dict[str, Callable[[], Bytes]] = {}
    strange, seen = [], set()
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count >= limits.zip_members:
                    raise UnsafeFileError(limits.beyond(f"{name}: it has more members", "zip_members"))
                path = member.name.removeprefix("./")
                if path not in ("", ".") and not _zip.stays_inside(path):
                    strange.append(f"a member is called {quote(member.name)}")
                if not (member.isfile() or member.isdir()):
                    strange.append(f"the member {quote(member.name)} is a link or a device")
                elif path in seen and not member.isdir():
                    strange.append(f"two members are called {quote(member.name)}")
                seen.add(path)
                if member.isfile() and not member.issparse():
                    begin, size = member.offset_data, member.size
                    if begin + size > content.nbytes:
                        raise CorruptFileError(f"{name}: the tar is cut short in {quote(member.name)}. {DAMAGED}")
                    files[path] = partial(Held, content[begin : begin + size])
    except LoadError:
        raise
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise CorruptFileError(f"{name}: the tar cannot be read ({error}). {DAMAGED}") from error
    return files, strange


def _unpacked(packed: memoryview, name: str, limits: Limits) -> memoryview:
    """What gzip has packed, as far as it may be."""
    most = limits.allocation(packed.nbytes)
    unpacking, found = zlib.decompressobj(_AS_GZIP), bytearray()
    try:
        for at in range(0, packed.nbytes, _PIECE):
            found += unpacking.decompress(packed[at : at + _PIECE], most - len(found) + MIB)
            if len(found) > most or unpacking.unconsumed_tail:
                raise UnsafeFileError(limits.beyond(f"{name}: it unpacks to more bytes", "allocation_bytes", most))
    except zlib.error as error:
        raise CorruptFileError(f"{name}: it is packed with gzip and cannot be unpacked ({error}). {DAMAGED}") from None
    if not unpacking.eof:
        raise CorruptFileError(f"{name}: it is packed with gzip and cut short. {DAMAGED}")
    return memoryview(found)


def _only_model(files: dict[str, Callable[[], Bytes]], name: str) -> InMemory | None:
    """The folder in which the one SavedModel of an archive stands."""
    places = [path.removesuffix(MODEL) for path in files if path == MODEL or path.endswith(f"/{MODEL}")]
    if not places:
        return None
    if len(places) > 1:
        raise UnsupportedFileError(
            f"{name}: there are {len(places)} SavedModels in it, in {quote(sorted(places)[:5])}. Unpack it and pass "
            "the folder of one."
        )
    before = places[0]
    return InMemory({path[len(before) :]: opens for path, opens in files.items() if path.startswith(before)})
