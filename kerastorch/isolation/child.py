"""What runs in the process that reads: a script, which `parent.py` starts by its path.

On stdin stands a line of JSON, what is asked for, and behind it the content of a stream, if it is one. On stdout goes
what `handing.py` says. Both are files. torch is not imported: it takes a second, and more address space than a bound
of memory can leave.
"""

from __future__ import annotations

import errno
import json
import math
import os
import sys
import types
from typing import Any

_PIECE = 1 << 22  # bytes of an array that are handed on at once
_THREADS = 4
_MOST = 1 << 62  # of a limit of the system, which has 63 bits for it


def main() -> int:
    """Read what stdin asks for; the exit status."""
    asked = json.loads(sys.stdin.buffer.readline())
    sys.path += asked["paths"]
    # The package without its `__init__`, which would import torch.
    package = types.ModuleType("kerastorch")
    package.__path__ = [asked["package"]]
    sys.modules["kerastorch"] = package
    from kerastorch.isolation import handing

    _bound(asked)
    try:
        _read(asked)
    except MemoryError as error:
        print(f"MemoryError: {error}", file=sys.stderr)
        return handing.NO_MEMORY
    except OSError as error:  # of what is written: one of what is read is an error of ours
        print(f"what was read cannot be handed on: {error}", file=sys.stderr)
        return handing.NO_ROOM if error.errno in (errno.EFBIG, errno.ENOSPC, errno.ENOMEM) else 1
    return 0


def _bound(asked: dict[str, Any]) -> None:
    """Let the system bound memory and time, where it can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = asked["memory"]
    used = resource.getrusage(resource.RUSAGE_SELF)
    # The caller looks at its clock. This is for a caller that is gone; checksums are computed by several threads.
    seconds = min(used.ru_utime + used.ru_stime + _THREADS * asked["seconds"], _MOST)
    _lower(resource, resource.RLIMIT_CPU, math.ceil(seconds) + 1)
    _lower(resource, resource.RLIMIT_FSIZE, memory)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux, where nothing says how much address space is taken already
        return
    _lower(resource, resource.RLIMIT_AS, held + memory)


def _lower(resource: Any, what: int, to: int) -> None:
    hard = resource.getrlimit(what)[1]
    to = min(to, _MOST)
    resource.setrlimit(what, (to, to) if hard in (-1, resource.RLIM_INFINITY) or to < hard else (hard, hard))


def _read(asked: dict[str, Any]) -> None:
    from kerastorch import deadline
    from kerastorch.errors import KerasTorchError, LoadError
    from kerastorch.files import Limits, open_archive
    from kerastorch.files.opening import NamedBytes
    from kerastorch.isolation.handing import ALIGNED, HEAD, MAGIC, say_archive, say_error

    limits = Limits(**asked["limits"])
    source = asked["path"] if asked["stream"] is None else NamedBytes(sys.stdin.buffer.read(), asked["stream"])
    at = ALIGNED
    os.lseek(1, at, os.SEEK_SET)

    def write(data: Any) -> None:
        nonlocal at
        view = memoryview(data).cast("B")
        at += view.nbytes
        while view.nbytes:
            view = view[os.write(1, view) :]

    def values(array: Any) -> dict[str, Any]:
        begin, kind = at, None
        try:
            if array.in_rows and array.shape and 0 not in array.shape:
                whole = array.read_rows(0, 1)
                rows = max(1, _PIECE // whole.nbytes)
                for first in range(0, array.shape[0], rows):
                    part = array.read_rows(first, min(first + rows, array.shape[0]))
                    write(part.reshape(-1).view("u1"))
            else:
                whole = array.read()
                write(whole.reshape(-1).view("u1"))
            kind = whole.dtype.str
        except KerasTorchError as error:  # it is raised where somebody asks for these values
            return say_error(error)
        said = {"kind": kind, "at": begin, "bytes": at - begin, "unwritten": array.unwritten}
        write(bytes(-at % ALIGNED))
        return said

    not_asked = say_error(LoadError(f"{asked['name']}: the values of its arrays were not asked for."))
    try:
        with (
            deadline.within(asked["limit"], asked["name"]),
            open_archive(source, limits, asked["expected_sha256"]) as archive,
        ):
            if asked["arrays"]:
                said = say_archive(archive, values, asked["state"])
            else:
                said = say_archive(archive, lambda array: not_asked, False)
            said["changed"] = None
            try:
                archive.check_unchanged()
            except KerasTorchError as error:
                said["changed"] = say_error(error)
    except KerasTorchError as error:
        said = {"error": say_error(error)}
    text = json.dumps(said).encode("ascii")
    place = at
    write(text)
    os.lseek(1, 0, os.SEEK_SET)
    write(HEAD.pack(MAGIC, place, len(text)))


if __name__ == "__main__":
    sys.exit(main())
