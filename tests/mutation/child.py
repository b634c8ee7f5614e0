"""Running test files in a forked process: which functions each test enters, and what a mutant dies of."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

OWN_ERRORS = {"KerasTorchError", "KerasWorkerError"}
# Where an AssertionError is a test's judgement. One of torch's own, say, is a crash.
JUDGES = ("/tests/", "/_pytest/", "/torch/testing/", "/numpy/testing/", "/unittest/")
# A mutant that crashes in test after test is not going to be judged by an assertion: in one file, and in all.
CRASHES_OF_A_FILE = 10
MOST_CRASHES = 40
# So many calls of a function without a new line, and its lines are followed no more in that test.
MOST_IDLE = 10
_WARNING = "ignore::pytest.PytestAssertRewriteWarning"
OPTIONS = ["-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", _WARNING]


def run_forked(
    work: Callable[[Callable[[dict[str, Any]], None]], None], log: Path, limit: float
) -> tuple[list[dict[str, Any]], str]:
    """Run `work` in a fork of this process, with a function that notes a line of `log`; kill it after `limit` seconds.

    Returns:
        What was noted, and how the process ended: "ended", "killed" (by its own fault) or "timeout".
    """
    log.write_text("")
    child = os.fork()
    if child == 0:
        os.setsid()
        status = 1
        try:
            silence(log.with_suffix(".out"))
            with log.open("a", buffering=1) as file:
                work(lambda line: print(json.dumps(line), file=file) and None)
            status = 0
        except BaseException:  # noqa: BLE001 - the fork's own end: what it died of stands in its output
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)  # neither pytest's nor torch's endings of the parent
    end = time.monotonic() + limit
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done or time.monotonic() > end:
            break
        time.sleep(0.02)
    how = "timeout" if not done else "ended" if status == 0 else "killed"
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started, too
    if not done:
        os.waitpid(child, 0)
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")], how


def _work() -> float:
    """Seconds of processors that this process and its own have had: what others do on the machine does not count."""
    return sum(os.times()[:4])


def silence(path: Path) -> None:
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)


def pytest_run(file: str, plugin: object) -> None:
    mark_other_errors()
    code = pytest.main([*OPTIONS, file], plugins=[plugin])
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise RuntimeError(f"{file}: pytest ended with {code!r}")  # not the same as tests that passed


class Chosen:
    """Takes live Keras's tests, or the others; `order` chooses and sorts within a file."""

    def __init__(self, live: bool, package: Path, order: dict[str, float] | None = None) -> None:
        self.live = live
        self.package = str(package)
        self.order = order

    def pytest_collection_finish(self) -> None:
        """The package that is tested must be the copy's: nothing else says anything of a mutant."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)  # a module of an old path is made by the package, of no file
            if name.partition(".")[0] == "kerastorch" and file and not file.startswith(self.package):
                raise RuntimeError(f"{name} comes from {file}, not from {self.package}")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [each for each in items if ("keras_worker" in getattr(each, "fixturenames", ())) == self.live]
        if self.order is not None:
            items[:] = [each for each in items if each.nodeid in self.order]
            items.sort(key=lambda each: self.order[each.nodeid])  # type: ignore[index]


class Baseline(Chosen):
    """Notes of each test: whether it passes, its seconds, and the functions and lines of `traced` that it reaches."""

    def __init__(
        self,
        live: bool,
        package: Path,
        note: Callable[[dict[str, Any]], None],
        order: dict[str, float] | None = None,
        traced: Iterable[str] = (),
    ) -> None:
        super().__init__(live, package, order)
        self.note = note
        self.traced = frozenset(traced)
        self.lines: dict[tuple[str, int], set[int]] = {}
        self.idle: dict[tuple[str, int], int] = {}  # calls that have reached no line that was new in this test
        self.failed: set[str] = set()
        self.skipped: set[str] = set()

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self.traced:
            return None
        key = (code.co_filename, code.co_firstlineno)
        lines = self.lines.setdefault(key, set())
        if self.idle.get(key, 0) > MOST_IDLE:
            return None  # lines cost more than calls; what is lost here is asked with the function
        before = len(lines)

        def note_line(frame: Any, event: str, argument: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
            elif event == "return" and len(lines) == before:
                self.idle[key] = self.idle.get(key, 0) + 1
            return note_line

        return note_line

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.lines, self.idle = {}, {}
        begin = _work()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        yield
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        name = item.nodeid
        outcome = "failed" if name in self.failed else "skipped" if name in self.skipped else "passed"
        entered: dict[str, dict[str, list[int]]] = {}
        for (file, line), lines in self.lines.items():
            entered.setdefault(file[len(self.package) + 1 :], {})[str(line)] = sorted(lines)
        self.note({"test": name, "outcome": outcome, "seconds": _work() - begin, "entered": entered})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        if report.skipped:
            self.skipped.add(report.nodeid)


class Judge(Chosen):
    """Notes each failure and its kind; stops at the first assertion."""

    def __init__(
        self,
        live: bool,
        order: dict[str, float],
        package: Path,
        note: Callable[[dict[str, Any]], None],
        most: int = CRASHES_OF_A_FILE,
    ) -> None:
        super().__init__(live, package, order)
        self.note = note
        self.most = most
        self.crashes = 0
        self.killed = False

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report = (yield).get_result()  # type: ignore[func-returns-value]
        if not report.failed:
            return
        how = "crash" if call.excinfo is None else kind_of(call.excinfo.value, self.package)
        what = "" if call.excinfo is None else f"{call.excinfo.typename}: {call.excinfo.value}"
        self.note({"test": item.nodeid, "how": how, "what": what[:300]})
        self.crashes += how != "assertion"
        self.killed |= how == "assertion"
        if self.killed or self.crashes >= self.most:
            item.session.shouldstop = "enough"  # type: ignore[assignment]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.note({"test": report.nodeid, "how": "crash", "what": str(report.longrepr)[-300:]})


def mark_other_errors() -> None:
    """From now on an error that leaves a `pytest.raises` of another one is marked: the test has judged it."""
    leave = pytest.RaisesExc.__exit__
    if leave.__name__ == "leave_and_mark":
        return

    def leave_and_mark(self: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
        expected = leave(self, kind, error, trace)
        if error is not None and not expected:
            error.another_than_asserted = True  # type: ignore[attr-defined]
        return expected

    pytest.RaisesExc.__exit__ = leave_and_mark  # type: ignore[method-assign, assignment]


def kind_of(error: BaseException, package: str) -> str:
    """What a test died of: "assertion" (its own judgement), "refusal" (an error raised on purpose) or "crash"."""
    if isinstance(inner := getattr(error, "exceptions", None), tuple):  # an ExceptionGroup, which Python 3.10 lacks
        kinds = {kind_of(each, package) for each in inner}
        return "assertion" if "assertion" in kinds else sorted(kinds)[-1]
    if getattr(error, "another_than_asserted", False):
        return "assertion"
    if isinstance(error, AssertionError | pytest.fail.Exception):
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        file = "" if trace is None else trace.tb_frame.f_code.co_filename
        judged = not file.startswith(package) and any(place in file for place in JUDGES)
        return "assertion" if judged else "crash"
    return "refusal" if OWN_ERRORS & {each.__name__ for each in type(error).__mro__} else "crash"
