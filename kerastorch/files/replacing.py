"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator

from kerastorch.errors import SaveError, quote


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the name of a new file beside `path`; when the block ends well, it takes the place of `path` in one step.

    Until then, and if the block fails or the process is killed, `path` is what it was. A link stays a link: what it
    leads to is replaced.

    Raises:
        SaveError: The place cannot be written to, or holds something that is no regular file.
    """
    shown = quote(os.fsdecode(path))
    if "\0" in os.fsdecode(path):
        raise SaveError(f"{shown}: cannot be written (a path holds no null bytes). Check the path.")
    target = os.path.realpath(os.fsdecode(path))
    mode = _mode_for(target, shown)
    folder, name = os.path.split(target)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".tmp", dir=folder)
    except OSError as error:
        what = "the permissions of the folder" if isinstance(error, PermissionError) else "that the folder exists"
        raise SaveError(f"{shown}: cannot be written ({error.strerror or error}). Check {what}.") from None
    os.close(descriptor)
    try:
        yield temporary
        os.chmod(temporary, mode)
        _to_disk(temporary)
        os.replace(temporary, target)
        _to_disk(folder)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise SaveError(f"{shown}: cannot be written ({error.strerror or error}); nothing was changed.") from error
        raise


def _mode_for(target: str, shown: str) -> int:
    """The permissions of the file that is replaced, or those of a new one."""
    try:
        state = os.stat(target)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    except (OSError, ValueError) as error:
        raise SaveError(f"{shown}: cannot be written ({error}). Check the path.") from None
    if not stat.S_ISREG(state.st_mode):
        raise SaveError(f"{shown}: this is a folder, a pipe or a device; give the path of a file.")
    return stat.S_IMODE(state.st_mode)


def _to_disk(path: str) -> None:
    """Make sure that a file's content, or a folder's list of names, outlives a crash of the machine."""
    if os.name == "nt" and os.path.isdir(path):
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
