"""What to say where the system lets no file be written or read: what stands in the way, whose it is, what helps."""

from __future__ import annotations

import errno
import os
import stat

from kerastorch.errors import quote

_DENIED = (errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_EFFECTIVE = os.access in os.supports_effective_ids


def write_advice(error: OSError, path: str) -> str:
    """A sentence or two on an error that writing a file or a folder at `path` has met."""
    folder = os.path.dirname(os.path.abspath(path))
    if error.errno in _DENIED:
        return f"{_barrier(path, writing=True)} Save to a folder of your own, or ask for the permission."
    if error.errno == errno.ENOENT and not os.path.isdir(folder):
        missing = folder
        while not os.path.lexists(os.path.dirname(missing)):
            missing = os.path.dirname(missing)
        return f"Check that the folder exists: there is no {quote(missing, 300)}."
    if error.errno == errno.EROFS:
        return f"The folder {quote(folder, 300)} can only be read (its file system is mounted so). Save elsewhere."
    if error.errno in _FULL:
        return "Make room on the disk, or save elsewhere."
    if error.errno == errno.EFBIG:
        return (
            "The system lets this process, or this disk, hold no larger file (ulimit -f): save elsewhere, or raise it."
        )
    if error.errno == errno.ENAMETOOLONG:
        return "Give a shorter name."
    return "Check the path."


def read_advice(error: OSError, path: str) -> str:
    """The same for reading."""
    if error.errno in _DENIED:
        return f"{_barrier(path, writing=False)} Ask for the permission to read it."
    if error.errno == errno.EMFILE:
        return "This process has too many files open: close some."
    return "Check the path."


def is_protected(path: str) -> bool:
    """Whether a file is there that this process may not write to."""
    return os.path.exists(path) and not _may(path, os.W_OK)


def protected(path: str) -> str:
    """What to say of such a file."""
    return f"{_owned('The file', path)} Save under another name, or let it be written to (chmod u+w)."


def _barrier(path: str, writing: bool) -> str:
    """What is in the way: the first folder that cannot be entered, the last one, or the file."""
    path = os.path.abspath(path)
    folders = [path]
    while os.path.dirname(folders[-1]) != folders[-1]:
        folders.append(os.path.dirname(folders[-1]))
    for folder in folders[:0:-1]:
        if not _may(folder, os.X_OK):
            return _owned("The folder", folder)
    last = folders[1]
    if writing and not _may(last, os.W_OK):
        return _owned("The folder", last)
    if os.path.lexists(path) and not _may(path, os.W_OK if writing else os.R_OK):
        return _owned("The file", path)
    if writing and os.path.lexists(path) and _is_sticky(last):
        return f"{_owned('The file', path)} In this folder only its owner may replace it."
    return f"{_owned('The folder', last)} That allows it: another rule of the system forbids it."


def _owned(what: str, path: str) -> str:
    try:
        state = os.stat(path)
    except OSError:
        return f"{what} {quote(path, 300)} cannot be looked at."
    text = f"{what} {quote(path, 300)} has the permissions {stat.filemode(state.st_mode)}"
    if not hasattr(os, "geteuid"):
        return f"{text}."
    return f"{text} and belongs to {_user(state.st_uid)}; this process runs as {_user(os.geteuid())}."


def _user(number: int) -> str:
    try:
        import pwd  # not on Windows

        return f"{pwd.getpwuid(number).pw_name} ({number})"
    except (ImportError, KeyError):
        return f"user {number}"


def _may(path: str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True) if _EFFECTIVE else os.access(path, mode)


def _is_sticky(folder: str) -> bool:
    return bool(os.stat(folder).st_mode & stat.S_ISVTX)
