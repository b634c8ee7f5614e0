"""Which faults make the changed function crash at once, so that nobody ever gets a wrong number from it."""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from .child import OWN_ERRORS, Chosen, kind_of
from .operators import REACHED

# Calls of one test that are followed; a loop may come to the changed place a thousand times.
MOST_CALLS = 50
# A loop's end and a generator's are exceptions, too.
ENDS = (StopIteration, GeneratorExit)


def lines_of(text: str, line: int) -> tuple[int, int] | None:
    """First and last line of the innermost function around a line; None outside functions."""
    around = []
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.FunctionDef) and each.end_lineno is not None and each.lineno <= line <= each.end_lineno:
            # To Python a function begins with its decorators.
            first = min([each.lineno, *(decorator.lineno for decorator in each.decorator_list)])
            around.append((each.end_lineno - first, first, each.end_lineno))
    return min(around)[1:] if around else None


def crash_of_import(module: str) -> str:
    """The error that stops a module from being imported, other than a refusal; empty if there is none."""
    try:
        importlib.import_module(module.removesuffix(".py").replace("/", "."))
    except BaseException as error:  # noqa: BLE001 - whatever a fault makes of the module
        return "" if is_refusal(error) else f"{type(error).__name__}: {error}"
    return ""


def is_refusal(error: BaseException) -> bool:
    return bool(OWN_ERRORS & {each.__name__ for each in type(error).__mro__})


@dataclass
class Call:
    """One call of the changed function that came to the changed place, and how it ended."""

    given: str  # its arguments
    error: BaseException | None = None

    @property
    def how(self) -> str:
        if self.error is None:
            return "returned"  # or runs on, or waits for a generator's next turn: it has not crashed
        return "refused" if is_refusal(self.error) else "crashed"


class Follow(Chosen):
    """Follows each call of the changed function that comes to the changed place; stops at one that returns."""

    def __init__(
        self,
        order: dict[str, float],
        package: Path,
        note: Callable[[dict[str, Any]], None],
        file: Path,
        lines: tuple[int, int],
        checks: bool = False,
    ) -> None:
        super().__init__(False, package, order)
        self.note = note
        self.file = str(file)
        self.lines = lines
        self.checks = checks
        self.calls: list[Call] = []
        self.frames: list[FrameType] = []
        self.failure = ""
        self.stop = False

    def reached(self) -> None:
        """Stands for the changed place; returns None, so that `reached() or x` is x."""
        frame = sys._getframe(1)
        while frame.f_back is not None and self._inside(frame.f_back.f_code):
            frame = frame.f_back  # a comprehension or a lambda is a part of the function
        if frame in self.frames or len(self.frames) >= MOST_CALLS:
            return
        code = frame.f_code
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        call = Call(", ".join(f"{name}={shown(frame.f_locals[name])}" for name in names if name in frame.f_locals))
        self.frames.append(frame)
        self.calls.append(call)

        def follow(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "exception":
                call.error = argument[1]
            elif event == "line":
                call.error = None  # it was caught
            elif event == "return" and (argument is not None or isinstance(call.error, ENDS)):
                call.error = None
            return follow

        frame.f_trace = follow
        sys.settrace(lambda *_: None)

    def stop_tracing(self) -> None:
        sys.settrace(None)
        self.frames = []

    def _inside(self, code: CodeType) -> bool:
        first, last = self.lines
        return code.co_filename == self.file and first <= code.co_firstlineno <= last

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.calls, self.frames, self.failure = [], [], ""
        setattr(builtins, REACHED, self.reached)
        yield
        self.stop_tracing()
        if not self.calls:
            return
        ways = {call.how for call in self.calls}
        crash = next((call for call in self.calls if call.how != "returned"), None)
        self.note(
            {
                "test": item.nodeid,
                "failure": self.failure,
                "ways": sorted(ways),
                "calls": len(self.calls),
                "given": crash.given[:300] if crash else "",
                "what": f"{type(crash.error).__name__}: {crash.error}"[:300] if crash else "",
            }
        )
        if speaks_against(ways, self.failure, self.checks):
            self.stop = True
            item.session.shouldstop = "enough"  # type: ignore[assignment]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        report = (yield).get_result()  # type: ignore[func-returns-value]
        if report.failed and not self.failure:
            self.failure = "crash" if call.excinfo is None else kind_of(call.excinfo.value, self.package)


def speaks_against(ways: Collection[str], failure: str, checks: bool) -> bool:
    """Whether a test shows that a mutant does more than die at once.

    Args:
        ways: How the calls that came to the changed place ended.
        failure: What the test died of, or "".
        checks: Whether the changed place is a part of a check. What refuses too much is then judged by tests that say
            what is refused; elsewhere a refusal is an error like others, which follows from what was changed.
    """
    if "returned" in ways or failure == "assertion":
        return True
    # In a test that passes, a call that is refused had no ordinary input.
    return bool(failure) and checks and "crashed" not in ways


def verdict(lines: list[dict[str, Any]], checks: bool = False) -> dict[str, Any] | None:
    """What was noted of a mutant's tests -> its error, if that is all it ever does in them; else None."""
    if any(speaks_against(each["ways"], each["failure"], checks) for each in lines):
        return None
    crashes = [each for each in lines if each["failure"]]
    if not crashes:
        return None
    first = crashes[0]
    seen = f"{sum(each['calls'] for each in crashes)} calls in {len(crashes)} tests"
    return {"how": "crashing", "by": first["test"], "what": first["what"], "given": first["given"], "seen": seen}


def shown(value: Any) -> str:
    """A value in a few words: what kind of input it is."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{str(value.dtype).removeprefix('torch.')}{tuple(value.shape)}"
    if value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        return text if len(text) <= 30 else f"{text[:27]}..."
    if isinstance(value, list | tuple) and len(value) <= 3:
        return f"[{', '.join(map(shown, value))}]"
    return type(value).__name__
