"""The loop of a process that holds one framework: it is told over a pipe what to make and what to time.

Started by `_workers.py` with the descriptor of its end of the pipe, the contestant, the threads and the device.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import re
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def confine(threads: int) -> None:
    """Keep every pool of threads of the process, whoever makes it, to so many cores; where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def prefer(on: bool) -> bool:
    """Run before the other processes of the machine, where that is allowed: to wait for one of them is no computing.

    Real-time threads, as lesser precedence leaves a thread that wakes up waiting until the system's next tick (4 ms).
    """
    if not hasattr(os, "sched_setscheduler"):
        return False
    policy, parameter = (os.SCHED_FIFO, os.sched_param(1)) if on else (os.SCHED_OTHER, os.sched_param(0))
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setscheduler(int(thread), policy, parameter)
        except ProcessLookupError:  # it has just ended
            continue
        except PermissionError:
            return False
    return True


def memory(what: str) -> int:
    """Bytes of the process: VmRSS (now) or VmHWM (the most since it was forgotten)."""
    found = re.search(what + r":\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {what}")
    return 1024 * int(found[1])


class Server:
    """What can be asked for; each method is a command."""

    def __init__(self, contestant: Any) -> None:
        self.contestant = contestant
        self.cases: dict[str, Any] = {}

    def prepare(self, name: str, row: dict[str, Any], with_numbers: bool = True) -> dict[str, Any]:
        """Make the layer and the function, call it once (that is where it is compiled), and say what it computes."""
        from _rows import make_arrays, row_of

        start = time.perf_counter()
        case = self.contestant.make(row_of(row), make_arrays(row_of(row)))
        numbers = case.numbers() if with_numbers else {}
        if not numbers or row_of(row).recurrent_dropout:  # its numbers come from another function
            case.call()
        seconds = time.perf_counter() - start
        self.cases[name] = case
        return {"seconds": seconds, "numbers": numbers, "note": getattr(case, "note", "")}

    def roundings(self, name: str) -> dict[str, float]:
        """How far each of the numbers moves, at most, if the inputs do by what sums are rounded by."""
        return self.cases[name].roundings()

    def time(self, name: str, calls: int, warm: float) -> float:
        """Seconds of a call, as the mean of some, after `warm` seconds of calls that are not counted."""
        call = self.cases[name].call
        prefer(True)
        try:
            start = time.perf_counter()
            while time.perf_counter() - start < warm:
                call()
            start = time.perf_counter()
            for _ in range(calls):
                call()
            return (time.perf_counter() - start) / calls
        finally:
            prefer(False)

    def memory(self, name: str) -> int:
        """Bytes that one more call takes on top of what the process holds, at its peak."""
        case = self.cases[name]
        case.call()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        case.call()
        return memory("VmHWM") - before

    def drop(self, name: str) -> None:
        self.cases.pop(name, None)
        gc.collect()


def main(descriptor: int, contestant: str, threads: int) -> None:
    """Answer `(command, args)` with `("ok", value)`, `("not there", reason)` or `("error", traceback)`."""
    confine(threads)
    preferred = prefer(True)
    prefer(False)
    connection = Connection(descriptor)
    server = Server(importlib.import_module(f"contestants.{contestant}"))
    from contestants import NotThere

    connection.send(("ok", {"versions": server.contestant.versions(), "preferred": preferred}))
    while True:
        try:
            command, arguments = connection.recv()
        except EOFError:
            return
        try:
            reply = ("ok", getattr(server, command)(*arguments))
        except NotThere as error:
            reply = ("not there", str(error))
        except Exception:  # noqa: BLE001 - the other process must see it, whatever it is
            reply = ("error", traceback.format_exc())
        connection.send(reply)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
