"""Many mutants, in processes of their own: one that dies, hangs in C or takes too much memory is a fault, too."""

from __future__ import annotations

import logging
import os
import re
import resource
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

MEMORY = 1 << 30  # bytes that mutants may take beyond what is there before the first
SECONDS = 12  # of processor time until the system ends a process, where Python's own signal has not come through
BATCH = 5_000  # mutants in one process


class Found(NamedTuple):
    """A fault, and the number of the mutant."""

    number: int
    text: str

    @property
    def kind(self) -> str:
        """What faults of one origin have in common."""
        text = re.sub(r"\([^()]*\)$", "", self.text.partition(": ")[2])  # the place in the file
        return re.sub(r"\d+", "N", text)[:160]


def _limit_seconds() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + SECONDS + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _memory() -> int:
    """The bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _work(judge: Callable[[int], str | None], numbers: range, report: Path) -> None:
    """What a child does: one line for each number that it comes to, and its fault behind it."""
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    judge(numbers[0])  # what is made once
    limit = _memory() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with report.open("w", buffering=1, encoding="utf-8", errors="backslashreplace") as lines:
        for number in numbers:
            lines.write(f"{number}\n")
            _limit_seconds()
            text = judge(number)
            if text is not None:
                lines.write(f"={' '.join(text.split())}\n")


def run(judge: Callable[[int], str | None], numbers: range, batch: int = BATCH, progress: bool = False) -> list[Found]:
    """Judge all numbers; a process that ends early is a fault of the number that it was at.

    Args:
        judge: What is wrong with the mutant of this number, or None.
        numbers: Which ones.
        batch: How many in one process.
        progress: Whether to print after each process how far it is.
    """
    found: list[Found] = []
    with tempfile.TemporaryDirectory() as folder:
        at = 0
        while at < len(numbers):
            part, report = numbers[at : at + batch], Path(folder) / "report"
            report.write_text("")
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    _work(judge, part, report)
                    status = 0
                finally:
                    os._exit(status)
            _, status = os.waitpid(child, 0)
            number = part[0]
            for line in report.read_text("utf-8").splitlines():
                if line.startswith("="):
                    found.append(Found(number, line[1:]))
                else:
                    number = int(line)
            if status:
                ended = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "an error"
                found.append(Found(number, f"process: it ends by {ended}"))
                at = number - numbers[0] + 1
            else:
                at += batch
            if progress:
                print(f"{min(at, len(numbers))} judged, {len(found)} faults", flush=True)
    return found
