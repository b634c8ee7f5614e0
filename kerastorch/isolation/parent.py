"""The side that asks: start the process, wait for it, and make an archive of what it has handed on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..deadline import Deadline
from ..errors import ArgumentError, KerasTorchError, ReaderProcessError, TimeLimitError, counted, quote
from ..files import Archive, Limits, checked_sha256, limits_of, name_of, open_archive
from ..files.opening import OpenFile, read_stream
from ..paths import AnyPath, is_path
from ..processes import end, ended, how_it_ended, last_lines, later_interrupts, lines_of
from .handing import HEAD, MAGIC, NO_MEMORY, NO_ROOM, Read, archive_of, error_of, parse

_SCRIPT = Path(__file__).with_name("child.py")
_OF_A_PROCESS = ("/dev/", "/proc/")  # what stands there may be another file for another process
_LINES = 8  # of a process that failed
_MIB = 1 << 20
_LONGEST = 1e9  # seconds: what the system can count
_GRACE = 1.0  # seconds: a process that is in time says itself where it was stopped
# A library of numpy's or the allocator would take address space for each processor.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_ADVICE = "If the file is to be trusted, load it without isolate=True."


def open_isolated(
    path: AnyPath | BinaryIO,
    limits: Limits | None = None,
    expected_sha256: str | None = None,
    *,
    arrays: bool = True,
    state: bool = True,
) -> Archive:
    """`files.open_archive`, where another process opens and reads the file, all of it.

    Args:
        path: See `open_archive`; of a stream the rest is read here, and handed over.
        limits: See `open_archive`; `memory` and `seconds` bound the process.
        expected_sha256: See `open_archive`.
        arrays: Whether the values of arrays are wanted.
        state: Whether those of the optimizer are.

    Returns:
        The archive. What it holds is in memory of this process, or in a file without a name, until it is closed.

    Raises:
        ReaderProcessError: The process died, took more memory than `limits` allow, or could not be started.
        TimeLimitError: It took longer.
        LoadError: Everything that `open_archive` raises, with the same message.
    """
    limits = limits_of(limits)
    name, expected = name_of(path), checked_sha256(expected_sha256)
    if not is_path(path) and not hasattr(path, "read"):
        return open_archive(path, limits)  # which says what is wrong
    content, shown = b"", None
    if is_path(path) and not os.fsdecode(path).startswith(_OF_A_PROCESS):
        shown = os.fsdecode(path)
        size = _size_of(shown)
    else:
        if is_path(path):
            if not os.path.isfile(path):
                return open_archive(path, limits)  # which says what is wrong
            with open(path, "rb") as stream:
                content = read_stream(stream, limits)
        else:
            content = read_stream(path, limits)
        size = len(content)
    seconds = 120 + size / _MIB if limits.seconds is None else min(limits.seconds, _LONGEST)
    memory = 2048 * _MIB + 4 * size if limits.memory is None else limits.memory
    asked = {
        "path": shown,
        "stream": None if shown is not None else name if is_path(path) else str(getattr(path, "name", "<stream>")),
        "name": name,
        "limits": asdict(limits),
        "limit": limits.seconds,
        "expected_sha256": expected,
        "arrays": arrays,
        "state": state,
        "seconds": seconds,
        "memory": memory,
        "package": str(Path(__file__).resolve().parents[1]),
        "paths": [str(Path(np.__file__).resolve().parents[1])],
    }
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as log:
        request.write(json.dumps(asked).encode("ascii") + b"\n")
        request.write(content)
        request.seek(0)
        out = _nameless()
        try:
            _run(_Process(request, out, log, seconds, memory, name))
            file = OpenFile(os.dup(out), name)
        finally:
            os.close(out)
    return _received(file, name)


def _size_of(path: str) -> int:
    """The bytes of a file; of an index of sharded weights those of all shards that may be its."""
    try:
        size = os.path.getsize(path)
        if path.endswith(".json"):
            size += sum(item.stat().st_size for item in Path(path).parent.glob("*.weights.h5"))
    except (OSError, ValueError):  # the reader says what is wrong; a path with a NUL is a ValueError
        return 0
    return size


def _nameless() -> int:
    """A file that is nowhere but in this process and those that it starts: in memory where the system has such."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("kerastorch")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class _Process:
    """One process and its bounds."""

    def __init__(self, request: BinaryIO, out: int, log: BinaryIO, seconds: float, memory: int, name: str) -> None:
        self.request, self.out, self.log = request, out, log
        self.seconds, self.memory, self.name = seconds, memory, name

    def problem(self, how: str, advice: str = _ADVICE) -> ReaderProcessError:
        lines = [line if line.isprintable() else quote(line) for line in lines_of(self.log)]
        return ReaderProcessError(
            f"{self.name}: the file was not read, and nothing was changed: {how}. {advice} {last_lines(lines, _LINES)}"
        )


def _run(run: _Process) -> None:
    """Run the process to its end; it is gone when this returns or raises, Ctrl-C included."""
    if not sys.executable:
        raise ArgumentError("isolate=True: this program has no Python of its own (sys.executable) to start.")
    options = ["-I", "-S", "-B", "-X", "faulthandler", *(["-X", "utf8"] if sys.flags.utf8_mode else [])]
    begin = time.monotonic()
    with later_interrupts() as interrupts:
        try:
            process = subprocess.Popen(
                [sys.executable, *options, str(_SCRIPT)],
                env={**os.environ, **_ENVIRONMENT},
                stdin=run.request,
                stdout=run.out,
                stderr=run.log,
                start_new_session=True,  # Ctrl-C is for this process, which ends the other one
            )
        except OSError as error:
            raise run.problem(f"{quote(sys.executable)} cannot be started ({error})") from error
        try:
            in_time = ended(process, interrupts, run.seconds + _GRACE)
        finally:
            end(process)
    if not in_time:
        Deadline(run.name, run.seconds, begin).check("another process read it")
    status = process.returncode
    more = "If the file may need more, pass limits=kt.Limits(memory=...)."
    if status == NO_MEMORY:
        raise run.problem(
            f"its process needed more than the {counted(run.memory, 'byte')} of memory that it may take", more
        )
    if status == NO_ROOM:
        raise run.problem(
            f"there is no room for what its process handed on; it may be {counted(run.memory, 'byte')}", more
        )
    if status:
        raise run.problem(how_it_ended(status))


def _received(file: OpenFile, name: str) -> Archive:
    """What was handed on; the file is closed with the archive."""

    def read(at: int, count: int) -> np.ndarray:
        content = np.empty(count, np.uint8)
        file.into(at, content.data)
        return content

    try:
        made = _made(file, read)
    except TimeLimitError:  # the time of the whole load, not a fault of what was handed on
        file.close()
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        file.close()
        raise ReaderProcessError(
            f"{name}: the file was not read, and nothing was changed: the process that read it has handed on what "
            f"cannot be understood ({type(error).__name__}: {quote(error)}). {_ADVICE}"
        ) from error
    if isinstance(made, KerasTorchError):
        file.close()
        raise made
    return made


def _made(file: OpenFile, read: Read) -> Archive | KerasTorchError:
    """The archive, or the error that the process has met."""
    magic, at, size = HEAD.unpack(read(0, HEAD.size).tobytes()) if file.size >= HEAD.size else (b"", 0, 0)
    if magic != MAGIC or at + size != file.size:
        raise ValueError(magic)
    said: dict[str, Any] = parse(read(at, size).tobytes())
    return error_of(said["error"]) if "error" in said else archive_of(said, at, read, file.close)
