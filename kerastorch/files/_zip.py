"""Zip archives that are not trusted: read by exact name into memory, never extracted.

The central directory is checked before any member is read: every byte of the file must belong to exactly one
member, and the two descriptions of each member must agree, so that no other program sees other contents than we do.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from kerastorch import deadline
from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError, counted, quote

from ._bytes import Buffer, Bytes, Held, as_bytes
from ._checksum import crc32
from ._limits import Limits
from ._source import DAMAGED, FOREIGN, UNWRITTEN

SIGNATURE = b"PK\x03\x04"
_END_MAGIC = b"PK\x05\x06"

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
_FULL = 0xFFFFFFFF  # "the number stands in the zip64 field"
_PIECE = 1 << 20  # bytes
_ZEROS = 64  # so many at the end were never written


@dataclass(frozen=True)
class Member:
    """One member: its name, its size, and where its stored bytes are."""

    name: str
    method: int
    crc: int
    size: int
    at: int
    stored: int


def stays_inside(name: str) -> bool:
    """Whether the name of a member is a plain one, below the folder of whoever unpacks it."""
    return all(part not in ("", ".", "..") for part in name.split("/")) and not any(c in name for c in "\\\0:")


class Archive:
    """The members of a zip file, all checked.

    Args:
        data: The whole file.
        name: What to call it in messages.
        limits: The bounds.
    """

    def __init__(self, data: Bytes | Buffer, name: str, limits: Limits) -> None:
        self._data = as_bytes(data)
        self._name = name
        self._limits = limits
        self.members: Mapping[str, Member] = self._read_directory()

    def open(self, name: str, limit: int | None = None) -> Bytes:
        """Return the bytes of a member: a part of the file if it is stored, else unpacked; the checksum is checked.

        Args:
            name: The member, exactly as it is called.
            limit: Most bytes that it may have; None for a member that holds weights.
        """
        member = self.members[name]
        if limit is None and member.method == _STORED:
            limit = member.size
        allowed = limit or self._limits.allocation(self._data.size)
        if member.size > allowed:
            bound = "json_bytes" if allowed == self._limits.json_bytes else "allocation_bytes"
            raise self._beyond(f"{quote(name)} has {counted(member.size, 'byte')}", bound, allowed)
        ratio = self._limits.zip_ratio
        if member.size > max(self._limits.zip_free_bytes, ratio * member.stored):
            packed = counted(member.stored, "byte")
            problem = f"{quote(name)} unpacks {packed} to {member.size:,}, more than {ratio} times as many"
            raise self._beyond(problem, "zip_ratio")
        raw = self._data.part(member.at, member.at + member.stored)
        content = raw if member.method == _STORED else self._unpack(raw, member)
        if crc32(content) != member.crc:
            raise self._corrupt(f"the checksum of {quote(name)} is wrong")
        return content

    def read(self, name: str, limit: int | None = None) -> memoryview:
        """Return the bytes of a member in memory; see `open`."""
        content = self.open(name, limit)
        return content.read(0, content.size)

    def head(self, name: str, size: int = 512) -> bytes:
        """The first bytes of a member, unpacked; its checksum is not looked at."""
        member = self.members[name]
        raw = bytes(self._data.read(member.at, member.at + min(member.stored, size + 64)))
        if member.method == _STORED:
            return raw[:size]
        try:
            return zlib.decompressobj(-15).decompress(raw, size)
        except zlib.error as error:
            raise self._corrupt(f"{quote(name)} cannot be unpacked ({error})") from None

    def _unpack(self, raw: Bytes, member: Member) -> Held:
        unpacker, content = zlib.decompressobj(-15), bytearray()
        try:
            for at in range(0, raw.size, _PIECE):
                deadline.check("the member {} was unpacked", member.name)
                piece = raw.read(at, min(at + _PIECE, raw.size))
                content += unpacker.decompress(piece, member.size + 1 - len(content))
                if len(content) > member.size or unpacker.unused_data:
                    break
        except zlib.error as error:
            raise self._corrupt(f"{quote(member.name)} cannot be unpacked ({error})") from None
        if len(content) != member.size or not unpacker.eof or unpacker.unused_data:
            raise self._corrupt(f"{quote(member.name)} does not unpack to its {counted(member.size, 'byte')}")
        return Held(content)

    def _read_directory(self) -> dict[str, Member]:
        at, count, start, size = self._find_directory()
        if start + size != at:
            raise self._unsafe("bytes that belong to no member stand around its directory")
        if count > self._limits.zip_members:
            raise self._beyond(f"it has {counted(count, 'member')}", "zip_members")
        found: dict[str, Member] = {}
        folded: set[str] = set()
        records: list[tuple[int, int]] = []
        at = start
        for _ in range(count):
            deadline.check("the directory of the zip archive was read")
            member, record, at = self._read_entry(at, start + size)
            if member.name.casefold() in folded:
                raise self._unsafe(f"the member {quote(member.name)} stands twice")
            folded.add(member.name.casefold())
            found[member.name] = member
            records.append(record)
        if at != start + size:
            raise self._corrupt("its directory has another length than it says")
        expected = 0
        for begin, end in sorted(records):
            if begin != expected:
                raise self._unsafe("its members overlap, or bytes between them belong to none")
            expected = end
        if expected != start:
            raise self._unsafe("bytes that belong to no member stand before its directory")
        return found

    def _find_directory(self) -> tuple[int, int, int, int]:
        """Return where the directory ends, and its count, start and size."""
        total = self._data.size
        tail = bytes(self._data.read(max(0, total - _END.size - 0xFFFF), total))
        found = tail.rfind(_END_MAGIC)
        while found >= 0:
            at = total - len(tail) + found
            if total - at >= _END.size and total - at - _END.size == int.from_bytes(
                self._data.read(at + 20, at + 22), "little"
            ):
                break
            found = tail.rfind(_END_MAGIC, 0, found)
        else:
            if tail.endswith(bytes(_ZEROS)):
                raise self._corrupt("zeros stand at its end, where its directory belongs", UNWRITTEN)
            raise self._corrupt("its directory is missing at the end")
        _, disk, start_disk, here, count, size, start, _ = _END.unpack(self._data.read(at, at + _END.size))
        if disk or start_disk or here != count:
            raise self._unsafe("it is said to be one part of several")
        locator = at - _LOCATOR64.size
        # Python's zipfile adds the 64-bit form from 2 GiB on, where the old fields still hold the numbers.
        if locator >= 0 and self._data.read(locator, locator + 4) == b"PK\x06\x07":
            _, disk, at, disks = _LOCATOR64.unpack(self._data.read(locator, locator + _LOCATOR64.size))
            if disk or disks > 1 or at + _END64.size != locator:
                raise self._corrupt("its 64-bit directory is missing")
            old = count, size, start
            fields = _END64.unpack(self._data.read(at, at + _END64.size))
            magic, length, _, _, disk, start_disk, here, count, size, start = fields
            if magic != b"PK\x06\x06" or length != _END64.size - 12 or disk or start_disk or here != count:
                raise self._corrupt("its 64-bit directory is damaged")
            for short, long, full in zip(old, (count, size, start), (0xFFFF, _FULL, _FULL), strict=True):
                if short not in (long, full):
                    raise self._unsafe("its two directories disagree")
        return at, count, start, size

    def _read_entry(self, at: int, end: int) -> tuple[Member, tuple[int, int], int]:
        """Read one entry of the directory; return the member, its record (begin, end), and where the next entry is."""
        if at + _CENTRAL.size > end:
            raise self._corrupt("its directory is cut short")
        fields = _CENTRAL.unpack(self._data.read(at, at + _CENTRAL.size))
        magic, _, _, flags, method, _, _, crc, stored, size, name_len, extra_len, comment_len, disk, _, mode, begin = (
            fields
        )
        name_at = at + _CENTRAL.size
        after = name_at + name_len + extra_len + comment_len
        if magic != b"PK\x01\x02" or after > end:
            raise self._corrupt("its directory is damaged")
        raw_name = bytes(self._data.read(name_at, name_at + name_len))
        name = self._check_name(raw_name, flags, mode >> 16)
        if flags & _ENCRYPTED:
            raise self._unsupported(f"{quote(name)} is encrypted", "Unpack it and pack it again without a password.")
        if flags & ~(_SIZES_FOLLOW | _UTF8) or disk:
            raise self._unsafe(f"{quote(name)} has unusual flags ({flags:#x})")
        if method not in (_STORED, _DEFLATED):
            raise self._unsupported(
                f"{quote(name)} is packed with zip method {method}; 0 (stored) and 8 (deflate) are read",
                "Save the model again with Keras.",
            )
        size, stored, begin = self._extend(name_at + name_len, extra_len, (size, stored, begin))
        data_at, record_end = self._read_local(begin, (raw_name, flags, method, crc, stored, size), name)
        if method == _STORED and size != stored:
            raise self._corrupt(f"{quote(name)} is stored with two different sizes")
        return Member(name, method, crc, size, data_at, stored), (begin, record_end), after

    def _read_local(self, begin: int, expected: tuple[bytes, int, int, int, int, int], name: str) -> tuple[int, int]:
        """Check a member's own head against the directory; return where its data begins and its record ends."""
        raw_name, flags, method, crc, stored, size = expected
        if begin + _LOCAL.size > self._data.size:
            raise self._corrupt(f"{quote(name)} stands outside the file")
        magic, _, *own, name_len, extra_len = _LOCAL.unpack(self._data.read(begin, begin + _LOCAL.size))
        own_flags, own_method, _, _, own_crc, own_stored, own_size = own
        data_at = begin + _LOCAL.size + name_len + extra_len
        end = data_at + stored
        if magic != SIGNATURE or end > self._data.size:
            raise self._corrupt(f"{quote(name)} is damaged or stands outside the file")
        extra_at = begin + _LOCAL.size + name_len
        own_size, own_stored, _ = self._extend(extra_at, extra_len, (own_size, own_stored, 0))
        same = bytes(self._data.read(begin + _LOCAL.size, extra_at)) == raw_name and (own_flags, own_method) == (
            flags,
            method,
        )
        numbers = (own_crc, own_stored, own_size)
        follow = bool(flags & _SIZES_FOLLOW)
        if not same or (numbers != (crc, stored, size) and not (follow and numbers == (0, 0, 0))):
            raise self._unsafe(f"the archive describes {quote(name)} in two different ways")
        if follow:
            end = self._skip_descriptor(end, (crc, stored, size), name)
        return data_at, end

    def _skip_descriptor(self, at: int, numbers: tuple[int, int, int], name: str) -> int:
        """Pass over the sizes that follow a member: with or without a signature, in 32 or 64 bits."""
        for form in ("<4s3I", "<4sI2Q", "<3I", "<I2Q"):
            fields = struct.Struct(form)
            if at + fields.size > self._data.size:
                continue
            found = fields.unpack(self._data.read(at, at + fields.size))
            if found[-3:] == numbers and (len(found) == 3 or found[0] == b"PK\x07\x08"):
                return at + fields.size
        raise self._corrupt(f"the sizes that follow {quote(name)} do not agree with the directory")

    def _extend(self, at: int, length: int, numbers: tuple[int, int, int]) -> tuple[int, int, int]:
        """Replace size, stored size and offset by their 64-bit values, where a zip64 field holds them."""
        end = at + length
        if end > self._data.size:
            raise self._corrupt("a field of its directory stands outside the file")
        found = list(numbers)
        while at + 4 <= end:
            kind, size = struct.unpack("<2H", self._data.read(at, at + 4))
            at += 4
            if at + size > end:
                raise self._corrupt("a field of its directory is cut short")
            if kind == 1:
                place, last = at, at + size
                for i, number in enumerate(found):
                    if number == _FULL:
                        if place + 8 > last:
                            raise self._corrupt("a 64-bit field of its directory is cut short")
                        found[i] = int.from_bytes(self._data.read(place, place + 8), "little")
                        place += 8
                break
            at += size
        return found[0], found[1], found[2]

    def _check_name(self, raw: bytes, flags: int, mode: int) -> str:
        try:
            name = raw.decode("utf-8" if flags & _UTF8 else "cp437")
        except UnicodeDecodeError:
            raise self._corrupt(f"the name {quote(raw)} is not UTF-8 text") from None
        if len(raw) > self._limits.name_length:
            raise self._beyond(f"a member is called {quote(name)}, in {counted(len(raw), 'byte')}", "name_length")
        if not stays_inside(name.removesuffix("/")):
            raise self._unsafe(f"a member is called {quote(name)}")
        if mode & 0o170000 not in (0, 0o100000, 0o040000):
            raise self._unsafe(f"the member {quote(name)} is a link or a device")
        return name

    def _corrupt(self, problem: str, advice: str = DAMAGED) -> LoadError:
        return CorruptFileError(f"{self._name}: the zip archive cannot be read: {problem}. {advice}")

    def _unsafe(self, problem: str) -> LoadError:
        return UnsafeFileError(f"{self._name}: the zip archive is refused: {problem}. {FOREIGN}")

    def _beyond(self, problem: str, bound: str, most: int | None = None) -> LoadError:
        said = f"{self._name}: the zip archive is refused: {problem}"
        return UnsafeFileError(self._limits.beyond(said, bound, most))

    def _unsupported(self, problem: str, advice: str) -> LoadError:
        return UnsupportedFileError(f"{self._name}: the zip archive cannot be read: {problem}. {advice}")
