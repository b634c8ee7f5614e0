"""Files whose space was reserved and never filled, streams that fail, paths that are none: each is told what it is."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _made_files import Maker

from kerastorch.errors import ArgumentError, CorruptFileError, UnreadableFileError
from kerastorch.files import open_archive, opening

LARGE = 200 * 10**9  # bytes; none of them is stored
RESERVED = r"The space of the file was reserved and not filled.*Its size proves nothing\."


def sparse(path: Path, content: bytes, size: int) -> Path:
    path.write_bytes(content)
    os.truncate(path, size)
    return path


def test_a_file_of_nothing(tmp_path: Path) -> None:
    for name in ("m.keras", "m.h5"):
        path = sparse(tmp_path / name, b"", LARGE)
        with pytest.raises(CorruptFileError, match=f"nothing but zeros stands in its first 4,096 bytes. {RESERVED}"):
            open_archive(path)


@pytest.mark.parametrize("size", [LARGE, None])
def test_a_file_that_was_not_filled_to_its_end(tmp_path: Path, make: Maker, size: int | None) -> None:
    whole = make.keras()
    path = sparse(tmp_path / "m.keras", whole[: len(whole) - 400], size or len(whole))
    with pytest.raises(CorruptFileError, match=f"zeros stand at its end, where its directory belongs. {RESERVED}"):
        open_archive(path)
    whole = make.legacy()[0].read_bytes()
    path = sparse(tmp_path / "m.h5", whole[: len(whole) // 3], size or len(whole))
    with pytest.raises(CorruptFileError, match=f"where the file says that one is, but zeros. {RESERVED}"):
        open_archive(path).close()


def test_a_stream_larger_than_the_memory(tmp_path: Path, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind a stream of `open` is asked before a byte is read; of others the bytes are counted."""
    message = "a stream is read into memory, and .* bytes are more than the .* that this machine has. Pass the path"
    with sparse(tmp_path / "m.keras", b"", 1 << 43).open("rb") as stream:
        with pytest.raises(UnreadableFileError, match=message):
            open_archive(stream)
        assert stream.tell() == 0
    content = make.keras()
    open_archive(io.BytesIO(content)).close()
    monkeypatch.setattr(opening, "_memory", lambda: len(content) - 1)
    with pytest.raises(UnreadableFileError, match=message):
        open_archive(io.BytesIO(content))


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def read(self, size: int = -1) -> bytes:
        raise self.error


class NoSize:
    def read(self) -> bytes:
        return b""


def closed() -> Any:
    stream = tempfile.TemporaryFile()  # noqa: SIM115
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("make_stream", "reason"),
    [
        (closed, "ValueError: read of closed file"),
        (lambda: Failing(OSError(5, "Input/output error")), r"OSError: \[Errno 5\] Input/output error"),
        (lambda: Failing(RuntimeError("gone")), "RuntimeError: gone"),
        (lambda: Failing(zlib.error("bad")), "error: bad"),
        (lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(bytes(999))[:-20])), "EOFError: Compressed file ended"),
        (NoSize, "TypeError: .*takes 1 positional argument"),
    ],
)
def test_a_stream_that_cannot_be_read(make_stream: Callable[[], Any], reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=rf"the stream cannot be read \({reason}.*Pass one that is open and"):
        open_archive(make_stream())


def test_an_interruption_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        open_archive(Failing(KeyboardInterrupt()))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("path", ["a\0b", b"a\0b"])
def test_a_path_with_a_nul(path: Any) -> None:
    with pytest.raises(UnreadableFileError, match=r"'a\\x00b': the file cannot be opened \(embedded null byte\)"):
        open_archive(path)


@pytest.mark.parametrize("path", [3, None, 2.5, []])
def test_what_is_neither_path_nor_stream(path: Any) -> None:
    with pytest.raises(ArgumentError, match=f"a path or a binary stream is needed, got {type(path).__name__}"):
        open_archive(path)
