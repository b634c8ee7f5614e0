"""Plants one fault after another and runs the tests that can see it; see `make mutants` in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .child import CRASHES_OF_A_FILE, MOST_CRASHES, Baseline, Judge, pytest_run, run_forked
from .crashes import Follow, crash_of_import, lines_of, verdict
from .subjects import Mutant

ROOT = Path(__file__).resolve().parents[2]
# Before a mutant counts as one that crashes at once: how many tests of one parametrized function, how long in all.
SIBLINGS = 8
FOLLOW_SECONDS = 30.0


class Copy:
    """A copy of the working tree, in which one module at a time is another."""

    def __init__(self, folder: Path) -> None:
        self.root = (folder / "tree").resolve()
        if self.root in (ROOT, *ROOT.parents):
            raise SystemExit(f"{self.root} would be written over, and holds the checkout; give another --folder.")
        shutil.rmtree(self.root, ignore_errors=True)
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        compiled = [str(path.relative_to(ROOT)) for path in (ROOT / "kerastorch" / "native").glob("*.so")]
        for name in (*names, *compiled):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        shared = folder / "shared"
        if (ROOT.parent / "shared").is_dir() and not shared.exists():
            shared.symlink_to((ROOT.parent / "shared").resolve())
        self.functions: dict[str, list[tuple[int, int, str]]] = {}
        self.texts: dict[str, str] = {}
        self.package = ""

    def text(self, module: str) -> str:
        """A module as it is in the working tree."""
        return self.texts.setdefault(module, (self.root / module).read_text())

    def stamp(self, file: str) -> str:
        """What changes with a test file, and with the package."""
        if not self.package:
            parts = [path.read_bytes() for path in sorted((self.root / "kerastorch").rglob("*.py"))]
            self.package = hashlib.sha256(b"\0".join(parts)).hexdigest()
        return f"{self.package} {hashlib.sha256((self.root / file).read_bytes()).hexdigest()}"

    def write(self, module: str, text: str) -> None:
        path = self.root / module
        path.write_text(text)
        for old in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            old.unlink()  # two mutants of one second and one size have the same stamp

    def function_at(self, module: str, line: int) -> str:
        """The qualified name of the innermost function or class around a line."""
        if module not in self.functions:
            self.functions[module] = []
            self._collect(ast.parse(self.text(module)), module, [])
        around = [(last - first, name) for first, last, name in self.functions[module] if first <= line <= last]
        return min(around)[1] if around else "<module>"

    def _collect(self, node: ast.AST, module: str, names: list[str]) -> None:
        for child in ast.iter_child_nodes(node):
            inner = names
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = [*names, child.name]
                first = min([child.lineno, *(each.lineno for each in child.decorator_list)])
                assert child.end_lineno is not None
                self.functions[module].append((first, child.end_lineno, ".".join(inner)))
            self._collect(child, module, inner)


class Runner:
    """Holds what is known of the unchanged tests, and judges mutants."""

    def __init__(self, folder: Path, most_seconds: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.most_seconds = most_seconds  # of tests for a mutant in a stage
        self.copy = Copy(folder)
        self.tests: dict[tuple[str, bool], dict[str, dict[str, Any]]] = {}
        self.kills: dict[tuple[str, str], int] = {}  # (module, test) -> how many mutants it has killed
        self.unfit: set[str] = set()  # tests that fail on the unchanged copy as well
        self.keras: Any = None
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

    def baseline(self, file: str, live: bool) -> dict[str, dict[str, Any]]:
        """The tests of a file that pass: seconds and entered functions of each; kept as long as its stamp holds."""
        if (file, live) in self.tests:
            return self.tests[file, live]
        stored = self.folder / "baseline" / f"{file.replace('/', '-')}{'-live' if live else ''}.json"
        stored.parent.mkdir(exist_ok=True)
        stamp = self.copy.stamp(file)
        known = json.loads(stored.read_text()) if stored.exists() else {}
        if known.get("stamp") != stamp:
            package = self.copy.root / "kerastorch"

            def work(note: Callable[[dict[str, Any]], None]) -> None:
                self._prepare(live)
                pytest_run(file, Baseline(live, package, note))

            lines, how = run_forked(work, self.folder / "log", 900)
            if how != "ended":
                say(f"  {file} {how}: the tests before that are used; see {self.folder / 'log.out'}")
            for each in lines:
                places = {self._place(place) for place in each["entered"]}
                each["entered"] = sorted(places)
            known = {"stamp": stamp, "tests": lines}
            stored.write_text(json.dumps(known))
            bad = [each["test"] for each in lines if each["outcome"] == "failed"]
            say(f"  {file}{' (live)' if live else ''}: {len(lines)} tests{', failing: ' + str(bad) if bad else ''}")
        passed = {
            each["test"]: each
            for each in known["tests"]
            if each["outcome"] == "passed" and each["test"] not in self.unfit
        }
        for each in passed.values():
            each["entered"] = frozenset(each["entered"])
        self.tests[file, live] = passed
        return passed

    def _place(self, place: str) -> str:
        module, line = place.rsplit(":", 1)
        return f"kerastorch/{module}:{self.copy.function_at(f'kerastorch/{module}', int(line))}"

    def _prepare(self, live: bool) -> None:
        """In a fork: whoever wants the process with real Keras gets the one that is already there."""
        if live:
            import _keras_worker

            worker = self.keras
            worker.close = lambda: None
            _keras_worker.KerasWorker = lambda *args, **kwargs: worker

    def start_keras(self) -> None:
        import _keras_worker

        if self.keras is not None:
            self.keras.close()
        self.keras = _keras_worker.KerasWorker()
        self.keras.call("keras3", "selftest:versions")

    def candidates(self, mutant: Mutant, files: Iterable[str], live: bool, wide: bool) -> dict[str, dict[str, float]]:
        """File -> test -> its place in the order, for the tests that enter the changed function.

        Args:
            mutant: What is changed. In a table of a module or class, every function there counts as changed.
            files: Where to look.
            live: Whether to take the tests that need live Keras, or the others.
            wide: Whether to take all tests of a file in which one enters the function: what a fixture or a cache
                keeps is entered by one test and seen by others.
        """
        files = list(files)
        function = mutant.site.function.replace("<module>", "")
        # A table is seen by whoever looks in it, and what no test enters runs at import: then every test may see it.
        for place in (f"{mutant.module}:{function}", "") if function else ("",):
            if found := self._entering(mutant.module, place, files, live, wide):
                return found
        return {}

    def _entering(
        self, module: str, place: str, files: list[str], live: bool, wide: bool
    ) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for file in files:
            tests = self.baseline(file, live)
            enter = {name for name, each in tests.items() if any(_is_in(place, one) for one in each["entered"])}
            if enter:
                taken = tests if wide else enter
                kills = {name: self.kills.get((module, name), 0) for name in taken}
                found[file] = {name: tests[name]["seconds"] - 1e6 * kills[name] for name in taken}
        return found

    def judge(self, mutant: Mutant, files: list[str], live: bool = False, wide: bool = False) -> dict[str, Any]:
        """Run the tests of `files` that can see the mutant until an assertion kills it."""
        chosen = self.candidates(mutant, files, live, wide)
        # Files with killers first, then those that have the module's name, then those of quick tests.
        stem = Path(mutant.module).stem.strip("_")
        ordered = sorted(
            chosen,
            key=lambda file: (
                min(0.0, *chosen[file].values()),
                stem not in file,
                self._seconds(file, live, chosen[file]) / len(chosen[file]),
            ),
        )
        seconds = self._leave_out_slow(chosen, live)
        ordered = [file for file in ordered if chosen[file]]
        package = self.copy.root / "kerastorch"
        text = self.copy.text(mutant.module)

        def work(note: Callable[[dict[str, Any]], None]) -> None:
            self._prepare(live)
            crashes = 0
            for file in ordered:
                most = MOST_CRASHES if stem in file else CRASHES_OF_A_FILE
                judge = Judge(live, chosen[file], package, note, most)
                pytest_run(file, judge)
                crashes += judge.crashes
                if judge.killed or crashes >= MOST_CRASHES:
                    return

        self.copy.write(mutant.module, mutant.site.apply(text))
        try:
            lines, how = run_forked(work, self.folder / "log", 60 + 4 * seconds)
        finally:
            self.copy.write(mutant.module, text)
        if live and how != "ended":
            self.start_keras()  # an answer that nobody took may stand in its pipe
        for kind in ("assertion", "refusal", "crash"):
            for each in lines:
                if each["how"] == kind:
                    if kind == "assertion":
                        self.count_kill(mutant.module, each["test"])
                    return {"how": kind, "by": each["test"], "what": each["what"]}
        if how != "ended":
            return {"how": "timeout" if how == "timeout" else "crash", "by": "", "what": how}
        return {"how": "lived", "by": "", "what": f"{sum(map(len, chosen.values()))} tests"}

    def _leave_out_slow(self, chosen: dict[str, dict[str, float]], live: bool) -> float:
        """Keep as many tests as there is time for, first those that have killed, then quick ones; their seconds."""
        each = [
            (place, self.tests[file, live][name]["seconds"], file, name)
            for file, tests in chosen.items()
            for name, place in tests.items()
        ]
        total = 0.0
        for _, seconds, file, name in sorted(each):
            if total and total + seconds > self.most_seconds:
                del chosen[file][name]
            else:
                total += seconds
        return total

    def crash(self, mutant: Mutant, files: list[str]) -> dict[str, Any] | None:
        """What the changed function crashes with in every call, if that is all it ever does; see `crashes.verdict`."""
        text = self.copy.text(mutant.module)
        noted = mutant.site.apply(text, noted=True)
        lines = lines_of(noted, mutant.site.line) if mutant.site.noted else None
        package = self.copy.root / "kerastorch"
        chosen = self._varied(self.candidates(mutant, files, live=False, wide=False))

        def work(note: Callable[[dict[str, Any]], None]) -> None:
            if error := crash_of_import(mutant.module):
                note({"import": error})
            if error or lines is None:
                return
            for file, order in chosen.items():
                follow = Follow(order, package, note, self.copy.root / mutant.module, lines, mutant.site.checks)
                pytest_run(file, follow)
                if follow.stop:
                    return

        self.copy.write(mutant.module, noted if lines else mutant.site.apply(text))
        try:
            found, how = run_forked(work, self.folder / "log", 240)
        finally:
            self.copy.write(mutant.module, text)
        if found and "import" in found[0]:
            given = {"by": "", "given": "nothing: it cannot be imported", "seen": "every import"}
            return {"how": "crashing", "what": found[0]["import"], **given}
        return verdict(found, mutant.site.checks) if how == "ended" else None

    def _varied(self, chosen: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        """A few of each parametrized test, of many files, as many as there is time for; quick ones first."""
        each: list[tuple[float, str, str]] = []
        for file in chosen:
            counts: dict[str, int] = {}
            for name in sorted(chosen[file], key=lambda name: (self.tests[file, False][name]["seconds"], name)):
                function = name.partition("[")[0]
                counts[function] = counts.get(function, 0) + 1
                if counts[function] <= SIBLINGS:
                    each.append((self.tests[file, False][name]["seconds"], file, name))
        taken: dict[str, dict[str, float]] = {}
        total = 0.0
        for seconds, file, name in sorted(each):
            if (total := total + seconds) > FOLLOW_SECONDS:
                break
            taken.setdefault(file, {})[name] = seconds
        return taken

    def confirm(self, killers: Iterable[tuple[str, bool]]) -> set[str]:
        """Run tests that have killed once more, on the unchanged copy.

        Args:
            killers: Each test, and whether it needs live Keras.

        Returns:
            Those that do not pass there. They are not asked again.
        """
        groups: dict[tuple[str, bool], dict[str, float]] = {}
        for name, live in sorted(set(killers)):
            groups.setdefault((name.partition("::")[0], live), {})[name] = 0.0
            if live and self.keras is None:
                self.start_keras()
        for (file, live), order in groups.items():

            def work(
                note: Callable[[dict[str, Any]], None], file: str = file, live: bool = live, order: Any = order
            ) -> None:
                self._prepare(live)
                pytest_run(file, Baseline(live, self.copy.root / "kerastorch", note, order))

            lines, _ = run_forked(work, self.folder / "log", 900)
            self.unfit |= set(order) - {each["test"] for each in lines if each["outcome"] == "passed"}
        for key, tests in self.tests.items():
            self.tests[key] = {name: each for name, each in tests.items() if name not in self.unfit}
        return self.unfit

    def count_kill(self, module: str, test: str) -> None:
        """A test that has killed one mutant of a module is tried first on the next."""
        self.kills[module, test] = self.kills.get((module, test), 0) + 1

    def _seconds(self, file: str, live: bool, chosen: Iterable[str]) -> float:
        tests = self.baseline(file, live)
        return sum(tests[name]["seconds"] for name in chosen)


def _is_in(place: str, entered: str) -> bool:
    """Whether a function that was entered is the changed one, or stands in the changed one, class or module."""
    return entered == place or entered.startswith(place if place.endswith(":") or not place else f"{place}.")


def say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)
