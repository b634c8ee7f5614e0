"""Zip archives: what zip programs write is read, every trick is refused before a member is read."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Limits
from kerastorch.files._zip import Archive

CONTENT = {
    "config.json": b'{"a": 1}' * 40,
    "assets/": b"",
    "assets/gr\u00fc\u00dfe.txt": b"x\n",
    "model.weights.h5": b"\0\1\2\3" * 999,
}


class Unseekable(io.RawIOBase):
    """A stream as a pipe is one: the sizes have to follow each member."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def pack(content: dict[str, bytes] = CONTENT, method: int = zipfile.ZIP_STORED, stream: Any = None) -> bytearray:
    target = io.BytesIO() if stream is None else stream
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return bytearray(target.getvalue()) if stream is None else stream.data


def read(data: bytes | bytearray, limits: Limits | None = None) -> dict[str, bytes]:
    archive = Archive(memoryview(data).toreadonly(), "m.keras", limits or Limits())
    return {name: bytes(archive.read(name)) for name in archive.members}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_reads_what_zipfile_writes(method: int, streamed: bool) -> None:
    data = pack(method=method, stream=Unseekable() if streamed else None)
    assert read(data) == CONTENT
    with_comment = io.BytesIO(data)
    with zipfile.ZipFile(with_comment, "a") as archive:
        archive.comment = b"PK\x05\x06 is a comment"
    assert read(with_comment.getvalue()) == CONTENT


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_reads_64_bit_archives(monkeypatch: pytest.MonkeyPatch, method: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive, archive.open("config.json", "w", force_zip64=True) as member:
        member.write(CONTENT["config.json"])
    assert read(stream.getvalue()) == {"config.json": CONTENT["config.json"]}
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    data = pack(method=method)
    assert b"PK\x06\x07" in data
    assert read(data) == CONTENT


def test_stored_members_are_views() -> None:
    data = pack()
    content = Archive(memoryview(data), "m.keras", Limits()).read("model.weights.h5")
    at = data.find(CONTENT["model.weights.h5"])
    data[at] = 77
    assert content[0] == 77


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\x", "C:x", "a//x", ".", "a/./x", "n" * 1_025])
def test_refuses_names(name: str) -> None:
    with pytest.raises(UnsafeFileError, match="a member is called"):
        read(pack({**CONTENT, name: b"x"}))


def test_refuses_twins() -> None:
    for name in ("config.json", "CONFIG.json"):
        stream = io.BytesIO(pack())
        with zipfile.ZipFile(stream, "a") as archive, pytest.warns() if name == "config.json" else io.BytesIO():
            archive.writestr(name, b"other")
        with pytest.raises(UnsafeFileError, match="stands twice"):
            read(stream.getvalue())


def test_refuses_links_and_devices() -> None:
    for mode in (0o120777, 0o020666, 0o010666):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            info = zipfile.ZipInfo("model.weights.h5")
            info.external_attr = mode << 16
            archive.writestr(info, b"/etc/passwd")
        with pytest.raises(UnsafeFileError, match="is a link or a device"):
            read(stream.getvalue())


def patch(data: bytearray, magic: bytes, offset: int, form: str, value: int, which: int = 0) -> bytearray:
    at = -1
    for _ in range(which + 1):
        at = data.find(magic, at + 1)
    struct.pack_into(form, data, at + offset, value)
    return data


CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: patch(patch(d, CENTRAL, 8, "<H", 1), LOCAL, 6, "<H", 1), UnsupportedFileError, "encrypted"),
        (lambda d: patch(d, CENTRAL, 8, "<H", 0x2000), UnsafeFileError, "unusual flags"),
        (lambda d: patch(patch(d, CENTRAL, 10, "<H", 12), LOCAL, 8, "<H", 12), UnsupportedFileError, "zip method 12"),
        (lambda d: patch(d, LOCAL, 30, "<B", 67), UnsafeFileError, "in two different ways"),
        (lambda d: patch(d, LOCAL, 22, "<I", 5), UnsafeFileError, "in two different ways"),
        (lambda d: patch(d, LOCAL, 8, "<H", 8), UnsafeFileError, "in two different ways"),
        (lambda d: patch(d, LOCAL, 14, "<I", 5), UnsafeFileError, "in two different ways"),
        (
            lambda d: patch(patch(d, CENTRAL, 16, "<I", 5), LOCAL, 14, "<I", 5),
            CorruptFileError,
            "checksum of 'config.json'",
        ),
        (lambda d: patch(patch(d, CENTRAL, 24, "<I", 5), LOCAL, 22, "<I", 5), CorruptFileError, "two different sizes"),
        (lambda d: patch(d, CENTRAL, 42, "<I", 0, which=1), UnsafeFileError, "in two different ways"),
        (lambda d: patch(d, CENTRAL, 42, "<I", 1 << 30), CorruptFileError, "outside the file"),
        (lambda d: patch(d, END, 4, "<H", 1), UnsafeFileError, "one part of several"),
        (lambda d: patch(patch(d, END, 8, "<H", 2), END, 10, "<H", 2), CorruptFileError, "another length"),
        (lambda d: patch(patch(d, END, 8, "<H", 9), END, 10, "<H", 9), CorruptFileError, "cut short"),
        (lambda d: patch(d, END, 12, "<I", 5), UnsafeFileError, "around its directory"),
        (lambda d: d[: len(d) // 2], CorruptFileError, "directory is missing"),
        (lambda d: d + b"x", CorruptFileError, "directory is missing"),
        (lambda d: b"GIF89a" + d, UnsafeFileError, "around its directory"),
        (lambda d: bytearray(), CorruptFileError, "directory is missing"),
    ],
    ids=range(19),
)
def test_refuses_archives_that_lie(change: Any, error: type[LoadError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        read(change(pack()))
    assert type(caught.value) is error
    assert str(caught.value).startswith("m.keras: the zip archive ")


def test_refuses_gaps_and_overlaps() -> None:
    one, two = pack({"a": b"x" * 50}), pack({"a": b"x" * 50, "b": b"y" * 50})
    at = two.find(LOCAL, 1)
    # An unlisted record: both members stand in the file, the directory knows the second only.
    start = two.find(CENTRAL)
    second = two.find(CENTRAL, start + 1)
    hidden = two[:start] + two[second:]
    patch(patch(hidden, END, 8, "<H", 1), END, 10, "<H", 1)
    patch(hidden, END, 12, "<I", two.find(END) - second)
    assert at > 0
    assert len(one) < len(hidden)
    with pytest.raises(UnsafeFileError, match="bytes between them belong to none"):
        read(hidden)
    # A member inside another one: its record stands in the first one's data.
    inner = pack({"b": b"y" * 50})
    outer = pack({"a": bytes(inner[: inner.find(CENTRAL)])})
    entry = bytearray(inner[inner.find(CENTRAL) : inner.find(END)])
    struct.pack_into("<I", entry, 42, 31)
    end = outer.find(END)
    overlapping = outer[:end] + entry + outer[end:]
    patch(patch(overlapping, END, 8, "<H", 2), END, 10, "<H", 2)
    patch(overlapping, END, 12, "<I", end - outer.find(CENTRAL) + len(entry))
    with pytest.raises(UnsafeFileError, match="members overlap"):
        read(overlapping)


def test_bombs_stay_small() -> None:
    big = {"model.weights.h5": bytes(40 << 20)}
    data = pack(big, zipfile.ZIP_DEFLATED)
    shown = {"config.json": bytes(40 << 20)}
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(UnsafeFileError, match="more than 200 times as many"):
        read(data)
    with pytest.raises(UnsafeFileError, match="41,943,040 bytes, the limit is 33,554,432"):
        Archive(memoryview(pack(shown)), "m.keras", Limits()).read("config.json", 32 << 20)
    lying = pack({"a": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    patch(patch(lying, CENTRAL, 24, "<I", 10), LOCAL, 22, "<I", 10)
    with pytest.raises(CorruptFileError, match="does not unpack to its 10 bytes"):
        read(lying)
    assert time.process_time() - start < 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 << 20


def test_too_many_members() -> None:
    with pytest.raises(UnsafeFileError, match="11 members, the limit is 10"):
        read(pack({str(i): b"" for i in range(11)}), Limits(zip_members=10))


def test_every_flipped_bit_is_noticed_or_harmless(rng: np.random.Generator) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        good = pack({"a": rng.bytes(100), "b": bytes(300)}, method)
        expected = read(good)
        refused = 0
        for _ in range(400):
            bad = bytearray(good)
            bad[rng.integers(len(bad))] ^= 1 << int(rng.integers(8))
            try:
                assert read(bad) == expected
            except LoadError:
                refused += 1
        assert refused > 200
