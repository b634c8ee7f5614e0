"""Processes that are started for one task and are gone when it is over, whatever happens; and what they said last."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

_READ = 20_000  # bytes of a log, from its end
_LOOK = 0.2  # seconds between two looks at a process


@contextlib.contextmanager
def later_interrupts() -> Iterator[list[int]]:
    """Ctrl-C meanwhile is noted in the list, for `ended` to raise.

    A process that is half started would be nobody's. And Python raises KeyboardInterrupt wherever it is; in a function
    that collects garbage it prints it and goes on, so that the user would have to press the keys again.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only there it arrives
        yield noted
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


def ended(
    process: subprocess.Popen[bytes], interrupts: list[int], seconds: float, look: Callable[[], object] | None = None
) -> bool:
    """Wait for a process, and tell whether it has ended in time.

    Args:
        process: Runs.
        interrupts: What `later_interrupts` gives; it is left after this.
        seconds: How long to wait.
        look: Is called now and then meanwhile.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    last = time.monotonic() + seconds
    while process.poll() is None and not interrupts:
        left = last - time.monotonic()
        if left < 0:
            return False
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, _LOOK))
        if look is not None:
            look()
    if interrupts:
        raise KeyboardInterrupt
    return True


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session of its own, and what it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def how_it_ended(status: int) -> str:
    """The exit status of a process in words."""
    if status >= 0:
        return f"its process ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    hint = ", as where the memory is full" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{hint}"


def lines_of(log: BinaryIO) -> list[str]:
    """The last lines that a process has written, without empty ones."""
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _READ))
    return [line.rstrip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]


def last_lines(lines: list[str], count: int) -> str:
    """A sentence with the last lines, for a message."""
    shown = lines[-count:]
    return "Its last lines:\n" + "\n".join(f"  {line}" for line in shown) if shown else "It has printed nothing."
