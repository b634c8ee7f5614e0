"""Which of the compiled libraries runs here, and what stands in the way of a better one."""

from __future__ import annotations

import ctypes
import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from ..errors import ArgumentError, counted

LEVELS = ("AVX512", "AVX2", "DEFAULT")  # of vector units, as torch calls them, each with all that follow
HIGHEST = "KERASTORCH_COMPILED"  # environment variable: the highest level that may run, or "none"
_MACHINES = {3: "x86", 20: "PowerPC", 21: "PowerPC64", 22: "s390x", 40: "ARM", 62: "x86-64", 183: "AArch64"}


class Found(NamedTuple):
    """The library that runs.

    Attributes:
        library: None where none can be had.
        level: What it was compiled for.
        shortfall: Why it is not the one that the processor could have; empty where it is.
    """

    library: ctypes.CDLL | None
    level: str | None
    shortfall: str


def file_of(level: str) -> Path:
    """Where the library for a level of the processor is, if it was compiled."""
    return Path(__file__).parent / f"steps-{level.lower()}.so"


def find(load: Callable[[Path], ctypes.CDLL]) -> Found:
    """The library for this processor, or else the best that loads; where one does not, a warning says so, once.

    The environment variable KERASTORCH_COMPILED ("avx512", "avx2", "default" or "none") keeps higher levels out. It is
    there to measure and to test.

    Args:
        load: Opens a library. OSError: the system cannot load it; ImportError: it is not for these sources.

    Raises:
        ArgumentError: The environment variable names no level.
    """
    has = torch.backends.cpu.get_cpu_capability()
    levels = LEVELS[LEVELS.index(has) :] if has in LEVELS else ("DEFAULT",)
    allowed = _allowed()
    if levels[0] not in allowed:
        levels = allowed
        kept_out = f"the environment variable {HIGHEST} is {os.environ[HIGHEST]!r}"
    else:
        kept_out = ""
    troubles: list[str] = []
    found: Found | None = None
    for level in levels:
        file = file_of(level)
        try:
            if file.exists():
                found = Found(load(file), level, "; ".join(troubles))
                break
        except (OSError, ImportError) as error:
            troubles.append(f"{file.name} cannot be loaded: {error}")
    if found is None:
        none = kept_out or "no recurrence was compiled when kerastorch was installed, which takes a C compiler"
        found = Found(None, None, "; ".join(troubles) or none)
    elif not troubles and kept_out:
        found = found._replace(shortfall=kept_out)
    elif not troubles and found.level != levels[0]:
        lower = f"compiled for {found.level}, where the processor has {has}: the compiler at installation knew no more"
        found = found._replace(shortfall=lower)
    if troubles:
        instead = f"The code for {found.level} runs" if found.level else "Operations of torch run"
        warnings.warn(
            f"kerastorch: {'; '.join(troubles)}. {instead} in its place: right, but slower. Install kerastorch anew on "
            "this machine to have it compiled here.",
            RuntimeWarning,
            stacklevel=2,
        )
    return found


def _allowed() -> tuple[str, ...]:
    """The levels that the environment variable lets run."""
    highest = os.environ.get(HIGHEST, "").upper()
    if not highest:
        return LEVELS
    if highest == "NONE":
        return ()
    if highest not in LEVELS:
        raise ArgumentError(
            f"environment variable {HIGHEST}: expected 'avx512', 'avx2', 'default' or 'none', got "
            f"{os.environ[HIGHEST]!r}. Unset it to have the best that this processor can run."
        )
    return LEVELS[LEVELS.index(highest) :]


def check_file(file: Path) -> None:
    """Refuse a library that is cut or of another processor.

    The system's loader maps what the headers promise: behind the end of the file, a read kills the process. And of a
    library for another processor it says that there is none.

    Raises:
        OSError: It is.
    """
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(64)
        if head[:4] != b"\x7fELF":
            return  # another format: its loader looks itself
        if len(head) < 64:
            raise OSError(f"it is cut: {counted(size, 'byte is', 'bytes are')} no library")
        wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
        (machine,) = struct.unpack_from(f"{order}H", head, 18)
        here = _machine_here()
        if here is not None and here != head[4:6] + head[18:20]:
            raise OSError(f"it is for another processor, {_MACHINES.get(machine, f'number {machine} of ELF')}")
        parts, sections = struct.unpack_from(f"{order}{'QQ' if wide else 'II'}", head, 32 if wide else 28)
        part_size, part_count, section_size, section_count = struct.unpack_from(f"{order}4H", head, 54 if wide else 42)
        ends = [parts + part_size * part_count, sections + section_size * section_count]
        if max(ends) <= size:
            stream.seek(parts)
            table = stream.read(part_size * part_count)
            layout, places, least = (f"{order}4Q", 8, 40) if wide else (f"{order}4I", 4, 20)
            if part_size < least:
                raise OSError("it is damaged: the table of its parts is none")
            for at in range(0, len(table), part_size):
                offset, _, _, length = struct.unpack_from(layout, table, at + places)
                ends.append(offset + length)
    if size < max(ends):
        raise OSError(f"it is cut: {counted(size, 'byte')} of {max(ends):,}")


def _machine_here() -> bytes | None:
    """What the headers of this process's own program say of the processor, where they can be read."""
    try:
        with open("/proc/self/exe", "rb") as stream:
            head = stream.read(20)
    except OSError:
        return None
    return head[4:6] + head[18:20] if head[:4] == b"\x7fELF" else None
