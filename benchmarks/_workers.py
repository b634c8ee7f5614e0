"""The processes: one for each contestant, long-lived, with one framework in it, told over a pipe what to do."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


# torch's threads wait for each other at every step: on a busy machine two of them may be put on one core.
_THREADS = {"OMP_PROC_BIND": "close", "OMP_PLACES": "cores"}


# The C library gives large pieces of memory back at once, or keeps them, as the heap happens to lie: a training step
# that gets all its memory anew takes up to twice as long. Here every process keeps what it has had.
_KEEPING = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_TOP_PAD_": str(1 << 26)}
# What `measure_memory` wants is the opposite: what is free is not there.
GIVING_BACK = {"MALLOC_MMAP_MAX_": "1000000", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


class Failed(Exception):
    """A command failed in the process; the message holds its traceback, or how the process ended."""


class Missing(Exception):
    """The contestant has nothing for this row; the message says what it lacks."""


@dataclass(frozen=True)
class Contestant:
    """Who is measured: a Python, what it runs, and its environment.

    Args:
        name: Its column.
        python: The interpreter of the environment where its framework is.
        module: The module in `contestants/`; none for what is only started (see `bench_loading.py`).
        backend: Keras's backend, where it is Keras.
        settings: More variables of the environment.
    """

    name: str
    python: str = sys.executable
    module: str = ""
    backend: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "KERAS_BACKEND": self.backend or "torch",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONPATH": str(ROOT),
            **self.settings,
        }

    def has(self, *packages: str) -> bool:
        """Whether these can be imported there."""
        code = "import " + ", ".join(packages)
        done = subprocess.run([self.python, "-c", code], env=self.environment(), capture_output=True, check=False)
        return not done.returncode


@contextlib.contextmanager
def turn_of_this_run() -> Iterator[None]:
    """Two runs on one machine measure one after the other."""
    with (Path(tempfile.gettempdir()) / "kerastorch-bench.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def others_running() -> int:
    """How many threads of the machine run or wait for a core at this moment, but this one; 0 where that is not told."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0]) - 1
    except OSError:
        return 0


class Worker:
    """The process of a contestant; it starts at the first command, and anew after it was ended.

    Args:
        patience: Seconds after which a command that has no answer is given up, and its process with it.
    """

    def __init__(self, contestant: Contestant, threads: int, patience: float = 180.0) -> None:
        self.contestant, self.threads, self.patience = contestant, threads, patience
        self.versions: dict[str, str] = {}
        self.preferred = False  # it runs before others
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._log: Any = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, command: str, *arguments: Any) -> Any:
        """The answer to a command of `_serve.Server`.

        Raises:
            Missing: There is nothing that computes this.
            Failed: Anything else that went wrong.
        """
        if self._process is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send((command, arguments))
        except OSError:
            raise Failed(f"the process has died; its last output:\n{self.end()}") from None
        return self._answer(self.patience)

    def _start(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        threads = str(self.threads)
        self._process = subprocess.Popen(
            [
                self.contestant.python,
                str(HERE / "_serve.py"),
                str(theirs.fileno()),
                self.contestant.module,
                threads,
            ],
            pass_fds=[theirs.fileno()],
            env={
                **_KEEPING,
                **self.contestant.environment(),
                **_THREADS,
                "OMP_NUM_THREADS": threads,
                "BENCH_THREADS": threads,
            },
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        theirs.close()
        about = self._answer(300.0)
        self.versions, self.preferred = about["versions"], about["preferred"]

    def _answer(self, patience: float) -> Any:
        assert self._connection is not None
        try:
            if not self._connection.poll(patience):
                self.end(kill=True)
                raise Failed(f"no answer within {patience:.0f} s")
            kind, value = self._connection.recv()
        except (EOFError, ConnectionError):
            raise Failed(f"the process has died; its last output:\n{self.end()}") from None
        if kind == "not there":
            raise Missing(value)
        if kind == "error":
            raise Failed(value)
        return value

    def end(self, kill: bool = False) -> str:
        """End the process; return the end of what it printed."""
        if self._process is None or self._connection is None:
            return ""
        self._connection.close()  # its loop ends with the pipe
        if not kill:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        self._process.kill()
        self._process.wait()
        self._log.seek(0)
        tail = self._log.read()[-2000:].decode(errors="replace")
        self._log.close()
        self._process = self._connection = self._log = None
        return tail
