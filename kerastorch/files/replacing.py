"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

from kerastorch.errors import ArgumentError, SaveError, quote
from kerastorch.paths import AnyPath

from .permissions import is_protected, protected, write_advice
from .unfinished import unfinished


@contextlib.contextmanager
def replacing(path: AnyPath) -> Iterator[str]:
    """Yield the name of a new file beside `path`; when the block ends well, it takes the place of `path` in one step.

    Until then, and if the block fails or the process is killed, `path` is what it was. A link stays a link: what it
    leads to is replaced. What a killed process has left is taken away by the next one, see `unfinished`.

    Raises:
        SaveError: The place cannot be written to, or holds something that is no regular file.
    """
    given = os.fsdecode(path)
    shown = quote(given)
    if "\0" in given:
        raise SaveError(f"{shown}: cannot be written (a path holds no null bytes). Check the path.")
    try:
        os.fsencode(given)
    except UnicodeEncodeError as error:
        raise SaveError(f"{shown}: cannot be written ({error}). Check the path.") from None
    target = os.path.realpath(given)
    mode = _mode_for(target, shown)
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(unfinished(target))
        except OSError as error:
            raise _refusal(shown, error, target) from None
        try:
            yield made.path
            os.chmod(made.path, mode)
            _to_disk(made.path)
            made.move_to(target)
            _to_disk(os.path.dirname(target))
        except OSError as error:
            raise _refusal(shown, error, target, "; nothing was changed") from error


@contextlib.contextmanager
def streaming(stream: BinaryIO) -> Iterator[str]:
    """Yield the name of a new file; when the block ends well, its content goes into a stream, from where that stands.

    If the block fails the stream is what it was.

    Raises:
        SaveError: The stream does not take it, or there is no room for the file.
        ArgumentError: The stream takes text.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="kerastorch-") as folder:
            path = os.path.join(folder, "written")
            yield path
            with open(path, "rb") as made:
                _copy(made, stream)
    except OSError as error:
        reason = error.strerror or error
        raise SaveError(f"the stream cannot be written to ({reason}); pass another one, or a path.") from error


def _copy(made: BinaryIO, stream: BinaryIO) -> None:
    try:
        shutil.copyfileobj(made, stream, 1 << 20)
    except TypeError as error:
        raise ArgumentError(f"a stream that takes bytes is needed ({error}): open it with 'wb'.") from None
    except ValueError as error:
        raise SaveError(f"the stream cannot be written to ({error}); pass one that is open, or a path.") from error


def _refusal(shown: str, error: OSError, target: str, outcome: str = "") -> SaveError:
    reason = error.strerror or error
    return SaveError(f"{shown}: cannot be written ({reason}){outcome}. {write_advice(error, target)}")


def _mode_for(target: str, shown: str) -> int:
    """The permissions of the file that is replaced, or those of a new one."""
    try:
        state = os.stat(target)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
    except OSError as error:
        raise _refusal(shown, error, target) from None
    except ValueError as error:
        raise SaveError(f"{shown}: cannot be written ({error}). Check the path.") from None
    if not stat.S_ISREG(state.st_mode):
        raise SaveError(f"{shown}: this is a folder, a pipe or a device; give the path of a file.")
    if is_protected(target):
        raise SaveError(f"{shown}: this file is protected from being written to. {protected(target)}")
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
