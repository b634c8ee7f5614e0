"""Bytes that are not trusted: every access is checked, every structure that is parsed is counted."""

from __future__ import annotations

from struct import Struct

from kerastorch import deadline
from kerastorch.errors import CorruptFileError, UnsafeFileError, UnsupportedFileError, counted, quote

from ._bytes import Buffer, Bytes, as_bytes
from ._limits import MIB, Limits

DAMAGED = (
    "The file is damaged or cut short: download or copy it again, and compare its size or checksum with the original."
)
UNWRITTEN = (
    "The space of the file was reserved and not filled, as where a download or a copy was broken off: download or copy "
    "it again, and compare its checksum with the original. Its size proves nothing."
)
FOREIGN = "No Keras writes this, so the file is refused; save the model again with Keras."
RESAVE = "Save the model again with Keras, which does not use this."
REWRITE = (
    'Rewrite the file with h5py: `with h5py.File("OLD") as old, h5py.File("NEW", "w") as new: '
    "new.attrs.update(old.attrs); old.visititems(lambda name, item: (new.create_dataset(name, data=item[()]) "
    'if hasattr(item, "shape") else new.require_group(name)).attrs.update(item.attrs))`.'
)
UNDEFINED = (1 << 64) - 1  # HDF5's address of what is not there


def where_text(path: str) -> str:
    """A place inside a file, as it stands in a message."""
    return f"object {quote(path)}" if path else "the root group"


class Source:
    """The bytes of one file or of one member of an archive.

    Args:
        data: The bytes.
        name: What to call them in a message.
        limits: The bounds.
    """

    __slots__ = (
        "data",
        "deadline",
        "decoded",
        "end",
        "limits",
        "most_objects",
        "name",
        "objects",
        "ranks",
        "read",
        "room",
        "steps",
    )

    def __init__(self, data: Bytes | Buffer, name: str, limits: Limits) -> None:
        self.data = as_bytes(data)
        self.read = self.data.read  # (at, end)
        self.name = name
        self.limits = limits
        self.end = self.data.size
        self.ranks: tuple[int, int, int] = (
            4,
            16,
            32,
        )  # half of what a list of names, an index of a group and one of chunks have room for
        self.deadline = deadline.current()
        # No group or array of h5py takes less than 200 bytes, so small files get less.
        self.most_objects = self.objects = min(limits.objects, 100 + self.end // 200)
        self.steps = min(limits.steps, 10_000 + self.end // 2)
        self.decoded = limits.decoded_ratio * self.end + MIB
        self.room = limits.allocation(self.end)  # bytes for values that were never written, and cost none in the file

    def step(self, where: str, count: int = 1) -> None:
        """Count parsed structures: a file whose structures overlap or repeat runs out of steps."""
        self.steps -= count
        if self.steps < 0:
            problem = "the file makes the reader parse far more than a file of its size can hold"
            if 10_000 + self.end // 2 < self.limits.steps:
                raise self.unsafe(where, problem)
            raise self.beyond(where, "the file makes the reader parse far more structures", "steps")
        if self.deadline is not None:
            self.deadline.check(f"{where_text(where)} was read")

    def cursor(self, at: int, size: int, where: str) -> Cursor:
        """A cursor over `size` bytes from `at`; both come from the file and are checked."""
        if at + size > self.end:
            raise self.corrupt(where, f"bytes {at} to {at + size} are needed, the file ends at {self.end}")
        return Cursor(self, at, at + size, where)

    def corrupt(self, where: str, problem: str) -> CorruptFileError:
        return CorruptFileError(f"{self.name}: {where_text(where)}: {problem}. {DAMAGED}")

    def unwritten(self, where: str, problem: str) -> CorruptFileError:
        return CorruptFileError(f"{self.name}: {where_text(where)}: {problem}. {UNWRITTEN}")

    def unsafe(self, where: str, problem: str) -> UnsafeFileError:
        return UnsafeFileError(f"{self.name}: {where_text(where)}: {problem}. {FOREIGN}")

    def beyond(self, where: str, problem: str, bound: str, most: int | None = None) -> UnsafeFileError:
        """For what is more than a bound allows: what there is, and the name of the bound."""
        return UnsafeFileError(self.limits.beyond(f"{self.name}: {where_text(where)}: {problem}", bound, most))

    def too_deep(self, where: str) -> UnsafeFileError:
        """For a group below more groups than may be."""
        return self.beyond(where, "it stands too deep", "depth", self.limits.group_depth)

    def spend_room(self, where: str, size: int) -> None:
        """Count memory for values that were never written."""
        self.room -= size
        if self.room < 0:
            problem = f"with the {counted(size, 'byte')} of it that were never written, the file needs too much memory"
            raise self.beyond(where, problem, "allocation_bytes", self.limits.allocation(self.end))

    def unsupported(self, where: str, problem: str, advice: str = RESAVE) -> UnsupportedFileError:
        return UnsupportedFileError(f"{self.name}: {where_text(where)}: {problem}. {advice}")

    def unread(self, where: str, problem: str) -> UnsupportedFileError:
        """For a part of HDF5 that this reader does not have: the file can be written anew without it."""
        return self.unsupported(where, problem, REWRITE)


class Cursor:
    """Reads little-endian fields one after the other, never past its end."""

    __slots__ = ("at", "end", "source", "where")

    def __init__(self, source: Source, at: int, end: int, where: str) -> None:
        self.source = source
        self.at = at
        self.end = end
        self.where = where

    def take(self, size: int) -> memoryview:
        at = self.at
        after = at + size
        if after > self.end:
            raise self.corrupt(f"a structure at byte {at} needs {counted(size, 'byte')}, {self.end - at} are left")
        self.at = after
        return self.source.read(at, after)

    def u(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def fields(self, form: Struct) -> tuple[int, ...]:
        """Read several fields in one go."""
        at = self.at
        after = at + form.size
        if after > self.end:
            self.take(form.size)
        self.at = after
        return form.unpack(self.source.read(at, after))

    def skip(self, size: int) -> None:
        self.take(size)

    def expect(self, magic: bytes, what: str) -> None:
        found = self.take(len(magic))
        if found != magic:
            problem = f"no {what} stands at byte {self.at - len(magic)}, where the file says that one is"
            raise self.corrupt(problem) if any(found) else self.unwritten(f"{problem}, but zeros")

    def cut(self, size: int) -> Cursor:
        """A cursor over the next `size` bytes, which this one passes over."""
        at = self.at
        after = at + size
        if after > self.end:
            self.take(size)
        self.at = after
        return Cursor(self.source, at, after, self.where)

    def again(self) -> Cursor:
        """Another cursor at the same place."""
        return Cursor(self.source, self.at, self.end, self.where)

    @property
    def left(self) -> int:
        return self.end - self.at

    def corrupt(self, problem: str) -> CorruptFileError:
        return self.source.corrupt(self.where, problem)

    def unwritten(self, problem: str) -> CorruptFileError:
        return self.source.unwritten(self.where, problem)

    def unsafe(self, problem: str) -> UnsafeFileError:
        return self.source.unsafe(self.where, problem)

    def beyond(self, problem: str, bound: str) -> UnsafeFileError:
        return self.source.beyond(self.where, problem, bound)

    def unsupported(self, problem: str) -> UnsupportedFileError:
        return self.source.unsupported(self.where, problem)

    def unread(self, problem: str) -> UnsupportedFileError:
        return self.source.unread(self.where, problem)


def decode_name(raw: bytes | memoryview, cursor: Cursor, what: str) -> str:
    """Decode a name strictly."""
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        raise cursor.corrupt(f"a {what} is not UTF-8 text: {quote(bytes(raw[:64]))}") from None
