"""Real Keras at arm's length: one subprocess that holds Keras 3 and tf-keras on TensorFlow.

TensorFlow and torch never share a process: the two bring their own copies of the same native libraries.
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from _needs import lacking

SERVER = Path(__file__).parent / "workers" / "_server.py"
PACKAGES = {"keras3": ("keras", "tensorflow"), "keras2": ("tf_keras", "tensorflow")}
ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "CUDA_VISIBLE_DEVICES": "",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "OMP_NUM_THREADS": "1",
}


class KerasWorkerError(Exception):
    """A call in the Keras process failed; the message holds the traceback from there, or how the process ended."""


def missing_packages(framework: str) -> list[str]:
    """The packages that a call for `framework` needs and that are not installed."""
    return [name for name in PACKAGES[framework] if importlib.util.find_spec(name) is None]


class KerasWorker:
    """Runs functions of `tests/workers/` in a subprocess that is started at the first call.

    A process that dies or does not answer in time is reported and replaced at the next call. One that cannot even
    start is not tried again: every later call reports the same error at once.
    """

    def __init__(
        self, start_timeout: float = 300.0, call_timeout: float = 120.0, environment: Mapping[str, str] | None = None
    ) -> None:
        self.environment = {**ENVIRONMENT, **(environment or {})}
        self.start_timeout = start_timeout
        self.call_timeout = call_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._log: Any = None
        self._broken: str | None = None

    def call(self, framework: str, target: str, /, *args: Any, **kwargs: Any) -> Any:
        """Run `target` ("module:function") there with the framework's module, `args` and `kwargs`.

        Args:
            framework: "keras3" or "keras2" (tf-keras).
            target: A module in `tests/workers/` and a function in it.

        Raises:
            KerasWorkerError: The function raised, or the process died, or it did not answer in time.
        """
        if missing := missing_packages(framework):
            lacking(f"real Keras is not installed here: {', '.join(missing)}", "KERASTORCH_REQUIRE_KERAS")
        if self._process is None:
            self._start()
        assert self._connection is not None
        try:
            self._connection.send((framework, target, args, kwargs))
        except OSError:
            raise KerasWorkerError(self._end(f"{target}: the Keras process has died")) from None
        return self._receive(target, self.call_timeout)

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()  # the loop there ends with the pipe
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._end("closed")

    def _start(self) -> None:
        if self._broken:
            raise KerasWorkerError(self._broken)
        self._connection, theirs = multiprocessing.Pipe()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        theirs.close()
        try:
            self._receive("start", self.start_timeout)
        except KerasWorkerError as error:
            self._broken = str(error)
            raise

    def _receive(self, target: str, timeout: float) -> Any:
        assert self._connection is not None
        try:
            if not self._connection.poll(timeout):
                raise KerasWorkerError(self._end(f"{target}: no answer within {timeout} s; the process was ended"))
            kind, value = self._connection.recv()
        except (EOFError, ConnectionError):
            raise KerasWorkerError(self._end(f"{target}: the Keras process has died")) from None
        if kind == "error":
            raise KerasWorkerError(f"{target} failed in the Keras process:\n{value}")
        return value

    def _end(self, what: str) -> str:
        """Make sure that the process is gone; return the report with the exit status and the end of its output."""
        assert self._process is not None
        assert self._connection is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        status = self._process.poll()
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._log.seek(0)
        tail = self._log.read()[-2000:].decode(errors="replace")
        self._log.close()
        self._process = self._connection = self._log = None
        return f"{what} (exit status {status}); its last output:\n{tail}"
