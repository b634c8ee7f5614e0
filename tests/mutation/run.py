"""Plants one fault after another and runs the tests that can see it; see `make mutants` in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .child import CRASHES_OF_A_FILE, MOST_CRASHES, Judge, pytest_run, run_forked
from .copied import Copy
from .crashes import crash_of_import, lines_of, verdict
from .reached import Reached, followed, is_broad
from .subjects import SUBJECTS, Mutant, files_of_tests, modules
from .warm import Warm

# Before a mutant counts as one that crashes at once: how many tests of one parametrized function, how long in all.
SIBLINGS = 8
# Tests that read tables and defaults of arguments, and enter no function for it.
READING = "test_stated_outcomes.py"
FOLLOW_SECONDS = 30.0


class Runner:
    """Holds what is known of the unchanged tests, and judges mutants."""

    def __init__(self, folder: Path, most_seconds: float, mutants: Callable[[Path], list[Mutant]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.most_seconds = most_seconds  # of tests for a mutant in a stage
        self.copy = Copy(folder)
        self.package = self.copy.root / "kerastorch"
        self.kills: dict[tuple[str, str], int] = {}  # (module, test) -> how many mutants it has killed
        self.unfit: set[str] = set()  # tests that fail on the unchanged copy as well
        os.chdir(self.copy.root)
        os.environ.update(
            PYTHONPATH=str(self.copy.root), KERASTORCH_SEED="0", OMP_NUM_THREADS="1", TF_CPP_MIN_LOG_LEVEL="3"
        )
        # Else each fork would compile the whole package and the tests anew; `Copy.write` lets go of what is stale.
        sys.dont_write_bytecode = False
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.path[:0] = [str(self.copy.root), str(self.copy.root / "tests")]
        # Imported here once, never again in a fork. kerastorch must not be among them: it is what changes.
        import h5py  # noqa: F401
        import hypothesis  # noqa: F401
        import numpy  # noqa: F401
        import torch

        torch.set_num_threads(1)
        self.mutants = mutants(self.copy.root)
        traced = sorted({str(path) for name in SUBJECTS for path in modules(self.copy.root, name)})
        self.warm = Warm(files_of_tests(self.copy.root), self.package, folder, traced)
        self._cases: dict[str, list[str]] = {}  # test function -> its cases; the first ones are followed
        for name in sorted(self.warm.collected, key=_mixed):
            self._cases.setdefault(name.partition("[")[0], []).append(name)
        self.reached = Reached(folder, self.copy, self.warm, self._cases)
        self.seconds = self.reached.seconds
        self.reaching = self.reached.reaching
        self.entering = self.reached.entering
        self.reached.learn({(each.module, line) for each in self.mutants for line in self._lines(each)})

    def _lines(self, mutant: Mutant) -> range:
        return statement_lines(self.copy.text(mutant.module), mutant.site.line)

    # ------------------------------------------------------------------------ which tests are asked

    def that_reach(self, mutant: Mutant) -> set[str]:
        """The tests that come to the changed statement."""
        return set().union(*(self.reaching.get((mutant.module, line), ()) for line in self._lines(mutant)))

    def more_cases(self, tests: Iterable[str]) -> set[str]:
        """The other cases of tests of which one is among these."""
        cases = (self._cases[function] for function in {name.partition("[")[0] for name in tests})
        return {name for names in cases for name in names[followed(names[0]) :] if name in self.seconds}

    def that_enter(self, mutant: Mutant) -> set[str]:
        """The tests that enter the changed function, and those that read what it states.

        In a table of a module or class, every function there counts as changed; what no test enters runs at import,
        and every test may see it.
        """
        function = mutant.site.function.replace("<module>", "")
        place = f"{mutant.module}:{function}"
        found = set().union(*(tests for entered, tests in self.entering.items() if _is_in(place, entered)))
        every = (name for names in self._cases.values() for name in names[: followed(names[0])])
        found = found or {name for name in every if name in self.seconds}
        return found | {name for name in self.seconds if READING in name}

    def ordered(self, mutant: Mutant, tests: Iterable[str], most: float) -> list[str]:
        """Tests in the order in which they are asked, as many as `most` seconds allow.

        First those that have killed in this module; then all that compare the outcomes of many cases, errors among
        them; then those of the subject's files; of a parametrized test one case, then a second: a fault is rather seen
        by another test than by the hundredth case of one.
        """
        own = set(files_of_tests(self.copy.root, mutant.subject))
        rank: dict[str, int] = {}
        keys = {}
        for name in sorted(set(tests) - self.unfit, key=lambda name: (_mixed(name), name)):
            function = name.partition("[")[0]
            rank[function] = rank.get(function, -1) + 1
            file = name.partition("::")[0]
            far = -1 if is_broad(name) else rank[function] + 3 * (file not in own)
            keys[name] = (-self.kills.get((mutant.module, name), 0), far, self.seconds[name])
        out, total = [], 0.0
        for name in sorted(keys, key=lambda name: (keys[name], name)):
            if out and total + self.seconds[name] > most:
                continue
            total += self.seconds[name]
            out.append(name)
        return out

    # ------------------------------------------------------------------------ what a mutant dies of

    def judge(self, mutant: Mutant, tests: list[str], anew: bool = False) -> dict[str, Any]:
        """Run tests until an assertion kills the mutant.

        Args:
            mutant: What is changed.
            tests: Which tests, in their order.
            anew: Whether the package is imported with the fault; else it is planted into the one that runs, where
                that is the same (`planted.plant`).
        """
        text = self.copy.text(mutant.module)
        after = mutant.site.apply(text)
        limit = 60 + 15 * sum(self.seconds[name] for name in tests)  # they are seconds of a processor
        how = "unplanted"
        lines: list[dict[str, Any]] = []
        if not anew:
            change = {"module": mutant.module, "before": text, "after": after}
            lines, how = self.warm.ask("judge", tests, limit, most=MOST_CRASHES, **change)
        if how == "unplanted":
            lines, how = self._imported(mutant.module, after, tests, limit)
        for kind in ("assertion", "refusal", "crash"):
            for each in lines:
                if each["how"] == kind:
                    if kind == "assertion":
                        self.count_kill(mutant.module, each["test"])
                    return {"how": kind, "by": each["test"], "what": each["what"]}
        if how != "ended":
            return {"how": "timeout" if how == "timeout" else "crash", "by": "", "what": how}
        return {"how": "lived", "by": "", "what": f"{len(tests)} tests"}

    def _imported(self, module: str, after: str, tests: list[str], limit: float) -> tuple[list[dict[str, Any]], str]:
        order: dict[str, dict[str, float]] = {}
        for place, name in enumerate(tests):
            order.setdefault(name.partition("::")[0], {})[name] = float(place)

        def work(note: Callable[[dict[str, Any]], None]) -> None:
            crashes = 0
            for file, chosen in order.items():
                judge = Judge(False, chosen, self.package, note, CRASHES_OF_A_FILE)
                pytest_run(file, judge)
                crashes += judge.crashes
                if judge.killed or crashes >= MOST_CRASHES:
                    return

        text = self.copy.text(module)
        self.copy.write(module, after)
        try:
            return run_forked(work, self.folder / "log", limit)
        finally:
            self.copy.write(module, text)

    def crash(self, mutant: Mutant) -> dict[str, Any] | None:
        """What the changed function crashes with in every call, if that is all it ever does; see `crashes.verdict`."""
        text = self.copy.text(mutant.module)
        noted = mutant.site.apply(text, noted=True)
        lines = lines_of(noted, mutant.site.line) if mutant.site.noted else None
        tests = self._varied(mutant)

        def work(note: Callable[[dict[str, Any]], None]) -> None:
            if error := crash_of_import(mutant.module):
                note({"import": error})

        self.copy.write(mutant.module, mutant.site.apply(text))
        try:
            found, how = run_forked(work, self.folder / "log", 240)
        finally:
            self.copy.write(mutant.module, text)
        if found and "import" in found[0]:
            given = {"by": "", "given": "nothing: it cannot be imported", "seen": "every import"}
            return {"how": "crashing", "what": found[0]["import"], **given}
        if lines is None:
            return None
        more = {"file": self.copy.root / mutant.module, "lines": lines, "checks": mutant.site.checks}
        found, how = self.warm.ask("follow", tests, 240, module=mutant.module, before=text, after=noted, **more)
        return verdict(found, mutant.site.checks) if how == "ended" else None

    def _varied(self, mutant: Mutant) -> list[str]:
        """A few of each parametrized test, of many files, as many as there is time for; quick ones first."""
        taken: list[str] = []
        counts: dict[str, int] = {}
        total = 0.0
        for name in sorted(self.that_enter(mutant), key=lambda name: (self.seconds[name], name)):
            function = name.partition("[")[0]
            counts[function] = counts.get(function, 0) + 1
            if counts[function] <= SIBLINGS and (total := total + self.seconds[name]) <= FOLLOW_SECONDS:
                taken.append(name)
        return taken

    def confirm(self, killers: Iterable[str]) -> set[str]:
        """Run tests that have killed once more, on the unchanged copy.

        Returns:
            Those that do not pass there. They are not asked again.
        """
        order = sorted(set(killers))
        lines, _ = self.warm.ask("baseline", order, 900)
        self.unfit |= set(order) - {each["test"] for each in lines if each["outcome"] == "passed"}
        return self.unfit

    def count_kill(self, module: str, test: str) -> None:
        """A test that has killed one mutant of a module is tried first on the next."""
        self.kills[module, test] = self.kills.get((module, test), 0) + 1


def statement_lines(text: str, line: int) -> range:
    """The lines of the innermost statement around a line; of one that has a body, those before it."""
    best = range(line, line + 1)
    size = None
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.stmt) and each.end_lineno is not None and each.lineno <= line <= each.end_lineno:
            body = getattr(each, "body", None)
            last = body[0].lineno - 1 if isinstance(body, list) and body else each.end_lineno
            if line <= max(last, each.lineno) and (size is None or each.end_lineno - each.lineno < size):
                size = each.end_lineno - each.lineno
                best = range(each.lineno, max(last, each.lineno) + 1)
    return best


def _mixed(name: str) -> str:
    """An order of the cases of a test that has nothing to do with how they are listed."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def _is_in(place: str, entered: str) -> bool:
    """Whether a function that was entered is the changed one, or stands in the changed one, class or module."""
    return entered == place or entered.startswith(place if place.endswith(":") or not place else f"{place}.")
