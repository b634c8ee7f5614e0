"""A process that has imported the package and collected the tests once, and forks for each mutant."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from .child import OPTIONS, Baseline, Chosen, Judge, mark_other_errors, run_forked, silence
from .crashes import Follow
from .planted import plant


class Warm:
    """The other end of such a process."""

    def __init__(self, files: list[str], package: Path, folder: Path, traced: list[str]) -> None:
        self.connection, there = multiprocessing.Pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                os.setsid()
                self.connection.close()  # else it would wait for more of a measurement that was stopped
                silence(folder / "warm.out")
                mark_other_errors()
                server = Server(there, package, folder / "log", traced)
                code = pytest.main([*OPTIONS, *files], plugins=[server])
                print("pytest ended with", code, flush=True)
            except BaseException:  # noqa: BLE001 - the fork's own end: what it died of stands in its output
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(0)
        there.close()
        self.collected: list[str] = self.connection.recv()

    def ask(
        self,
        kind: str,
        tests: list[str],
        limit: float,
        *,
        module: str = "",
        before: str = "",
        after: str = "",
        **more: Any,
    ) -> tuple[list[dict[str, Any]], str]:
        """Run tests in a fork, in their order, with a module changed.

        Args:
            kind: "baseline", "judge" or "follow": what is noted.
            tests: Their names.
            limit: Seconds after which the fork is killed.
            module: What is changed, relative to the root; empty for nothing.
            before: Its text.
            after: The text that it gets.
            more: Further arguments of `Judge` or `Follow`.

        Returns:
            As `run_forked`; "unplanted" where the change has to be imported (`planted.plant`).
        """
        self.connection.send((kind, tests, limit, module, before, after, more))
        return self.connection.recv()


UNPLANTED = {"unplanted": True}


class Server(Chosen):
    """Answers `Warm.ask` in the place of pytest's loop over tests."""

    def __init__(self, connection: Connection, package: Path, log: Path, traced: list[str]) -> None:
        super().__init__(False, package)
        self.connection = connection
        self.path = package
        self.log = log
        self.traced = traced

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.connection.send(list(self.items))
        while True:
            try:
                kind, tests, limit, module, before, after, more = self.connection.recv()
            except EOFError:
                return True

            def work(
                note: Callable[[dict[str, Any]], None],
                kind: str = kind,
                tests: Any = tests,
                change: Any = (module, before, after),
                more: Any = more,
            ) -> None:
                module, before, after = change
                if module and not plant(str(self.path.parent / module), before, after):
                    note(UNPLANTED)
                    return
                self._run(session, self._plugin(kind, note, more), tests)

            lines, how = run_forked(work, self.log, limit)
            self.connection.send((lines, "unplanted") if lines[:1] == [UNPLANTED] else (lines, how))

    def _plugin(self, kind: str, note: Callable[[dict[str, Any]], None], more: dict[str, Any]) -> Any:
        if kind == "baseline":
            return Baseline(False, self.path, note, traced=self.traced)
        if kind == "judge":
            return Judge(False, {}, self.path, note, **more)
        return Follow({}, self.path, note, **more)

    def _run(self, session: pytest.Session, plugin: Any, tests: list[str]) -> None:
        session.config.pluginmanager.register(plugin)
        items = [self.items[name] for name in tests if name in self.items]
        for item, following in zip(items, [*items[1:], None][: len(items)], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldstop:
                return
