"""Files and folders that are being written, beside the place that they will take.

A process that is killed leaves what it was writing. The name says who wrote it (this library, the machine, the
process), and who writes holds a lock on it, so the next save to the same place can take away what nobody writes any
more, and nothing else: not where the lock is held, not where that process is still there, not what another machine
wrote to a folder that both share, not where the file system knows no locks.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Windows: nothing is taken away there
    fcntl = None

_LONGEST = 100  # bytes of a name that stand in the name of its unfinished file
_OWNER = re.compile(r"([1-9]\d{0,9})-[0-9a-f]{8}\.tmp")
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if fcntl else 0
_mine: set[str] = set()  # those of this process, by its threads


class Unfinished:
    """One of them.

    Attributes:
        path: Where it stands. Other files whose names begin so are taken away with it.
    """

    def __init__(self, path: str, lock: int | None) -> None:
        self.path, self._lock = path, lock

    def move_to(self, target: str) -> None:
        """Let it take its place; what stood there is gone."""
        self._unlock()  # a reader of the target may want a lock of its own
        os.replace(self.path, target)

    def close(self) -> None:
        """Take it away, where it has not taken its place."""
        self._unlock()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            _delete(self.path)
        _mine.discard(self.path)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextlib.contextmanager
def unfinished(target: str, is_folder: bool = False) -> Iterator[Unfinished]:
    """A new, empty file or folder beside `target`, which the block fills and moves to its place.

    What killed processes have left of `target` is taken away first.

    Raises:
        OSError: It cannot be made.
    """
    folder, name = os.path.split(target)
    raw = os.fsencode(name)
    stem = name if len(raw) <= _LONGEST else hashlib.sha256(raw).hexdigest()[:24]
    prefix = f".{stem}.kerastorch-{_machine()}-"
    _sweep(folder, prefix)
    made = _make(os.path.join(folder, f"{prefix}{os.getpid()}-"), is_folder)
    try:
        yield made
    finally:
        made.close()


@functools.cache
def _machine() -> str:
    """A short name of this machine: containers on one disk, and machines of one name, differ in one of the two."""
    try:
        with open("/etc/machine-id", "rb") as file:
            number = file.read(64)
    except OSError:
        number = b""
    return hashlib.sha256(platform.node().encode() + b"\0" + number).hexdigest()[:12]


def _make(begin: str, is_folder: bool) -> Unfinished:
    while True:
        path = f"{begin}{secrets.token_hex(4)}.tmp"
        _mine.add(path)
        try:
            lock = _made_and_locked(path, is_folder)
        except BaseException as error:
            _mine.discard(path)
            if isinstance(error, FileExistsError):
                continue
            raise
        return Unfinished(path, lock)


def _made_and_locked(path: str, is_folder: bool) -> int | None:
    if is_folder:
        os.mkdir(path, 0o700)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if fcntl is None:
        return None
    try:
        lock = os.open(path, _OPEN | (os.O_RDONLY if is_folder else os.O_RDWR))
    except FileNotFoundError:
        raise FileExistsError from None
    try:
        _lock(lock)
        taken = not os.path.samestat(os.fstat(lock), os.lstat(path))
    except (BlockingIOError, FileNotFoundError):
        taken = True  # by a process that cannot see this one, before the lock was held
    except OSError:
        taken = False  # a file system without locks: nobody else gets one either, so it is left alone
    if taken:
        os.close(lock)
        raise FileExistsError
    return lock


def _lock(descriptor: int) -> None:
    if fcntl is None:
        raise OSError("this system has no such locks")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sweep(folder: str, prefix: str) -> None:
    if fcntl is None:
        return
    try:
        with os.scandir(folder or ".") as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith(prefix))
    except OSError:
        return
    for name in names:
        owner, path = _OWNER.fullmatch(name, len(prefix)), os.path.join(folder, name)
        if owner and path not in _mine and not _runs(int(owner[1])):
            others = [os.path.join(folder, other) for other in names if other.startswith(name) and other != name]
            _take_away(path, others)


def _runs(process: int) -> bool:
    """Whether another process of this number is there. Ours may have got the number of one that was killed."""
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _take_away(path: str, others: list[str]) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        try:
            lock = os.open(path, _OPEN | os.O_RDWR)
        except OSError:  # a folder, or a file that has got its permissions
            lock = os.open(path, _OPEN | os.O_RDONLY)
        stack.callback(os.close, lock)
        _lock(lock)
        for found in (*others, path):  # it goes last: it is what the others are found by
            _delete(found)


def _delete(path: str) -> None:
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    elif stat.S_ISREG(mode):
        os.unlink(path)
