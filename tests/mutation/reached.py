"""Which lines of the package each test comes to: made once, kept, and followed through changes of the package."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .copied import Copy
from .warm import Warm

# Cases of a parametrized test of which it is noted what they reach; the others are asked where one of these is.
CASES = 4
# Files whose tests compare what is kept of many cases: a crash is another outcome to them, not the end of the test.
BROAD = ("outcomes.py", "_kept.py")
MOST_SECONDS = 900.0  # for the tests of a file


class Reached:
    """What each test reaches on the unchanged copy.

    It is kept in `folder` for each test file until that file changes, or one of tests/ that it imports. Where the
    package has changed since, the lines that stayed are found in it; what a test reaches of a new line is not known
    then, but which functions it enters is.
    """

    def __init__(self, folder: Path, copy: Copy, warm: Warm, cases: dict[str, list[str]]) -> None:
        self.folder = folder
        self.copy = copy
        self.warm = warm
        self.cases = cases
        self.seconds: dict[str, float] = {}  # of each test
        self.reaching: dict[tuple[str, int], set[str]] = {}  # (module, line) -> tests
        self.entering: dict[str, set[str]] = {}  # "module:function" -> tests
        (folder / "baseline").mkdir(exist_ok=True)
        (folder / "texts").mkdir(exist_ok=True)

    def learn(self, wanted: set[tuple[str, int]] | None = None) -> None:
        """Run what is not known, and index it.

        Args:
            wanted: The lines that are asked of; None for all.
        """
        of_file: dict[str, list[str]] = {}
        for names in self.cases.values():
            for name in names[: followed(names[0])]:
                of_file.setdefault(name.partition("::")[0], []).append(name)
        for file, tests in of_file.items():
            known = self._known(file, tests)
            for each in known["tests"]:
                if each["outcome"] == "passed":
                    self._index(each, known["texts"], wanted)
        for names in self.cases.values():
            first = followed(names[0])
            known_ones = [self.seconds[name] for name in names[:first] if name in self.seconds]
            for name in names[first:] if known_ones else ():
                self.seconds[name] = sum(known_ones) / len(known_ones)

    def _known(self, file: str, tests: list[str]) -> dict[str, Any]:
        stored = self.folder / "baseline" / f"{file.replace('/', '-')}.json"
        stamp = self._stamp(file)
        known = json.loads(stored.read_text()) if stored.exists() else {}
        # A test that failed may pass since: what it compares with, or the package, has changed.
        if known.get("stamp") == stamp and all(each["outcome"] != "failed" for each in known["tests"]):
            return known
        lines, how = self.warm.ask("baseline", tests, MOST_SECONDS)
        if how != "ended":
            say(f"  {file} {how}: the tests before that are used; see {self.folder / 'log.out'}")
        modules = {module for each in lines for module in each["entered"]}
        known = {"stamp": stamp, "texts": {module: self._keep_text(module) for module in modules}, "tests": lines}
        stored.write_text(json.dumps(known))
        bad = [each["test"] for each in lines if each["outcome"] == "failed"]
        took = sum(each["seconds"] for each in lines)
        say(f"  {file}: {len(lines)} tests, {took:.0f} s{', failing: ' + str(bad) if bad else ''}")
        return known

    def _stamp(self, file: str) -> str:
        """What changes with a test file, and with what it imports of tests/."""
        found: dict[str, str] = {}
        todo = [file]
        while todo:
            name = todo.pop()
            text = (self.copy.root / name).read_text()
            found[name] = hashlib.sha256(text.encode()).hexdigest()
            inner = {f"tests/{each}.py" for each in re.findall(r"^(?:from|import) (_\w+)", text, re.MULTILINE)}
            todo += [each for each in inner - found.keys() if (self.copy.root / each).is_file()]
        return " ".join(found[name] for name in sorted(found))

    def _keep_text(self, module: str) -> str:
        text = self.copy.text(f"kerastorch/{module}")
        name = hashlib.sha256(text.encode()).hexdigest()
        (self.folder / "texts" / name).write_text(text)
        return name

    @cache  # noqa: B019 - there is one
    def _lines_now(self, module: str, kept: str) -> dict[int, int] | None:
        """Where the lines of a text that was kept stand now; None if all are where they were."""
        now = self.copy.root / "kerastorch" / module
        if not now.exists():
            return {}
        old, new = (self.folder / "texts" / kept).read_text(), self.copy.text(f"kerastorch/{module}")
        return None if old == new else moved(old, new)

    def _index(self, test: dict[str, Any], texts: dict[str, str], wanted: set[tuple[str, int]] | None) -> None:
        name = test["test"]
        self.seconds[name] = test["seconds"]
        for module, functions in test["entered"].items():
            lines_now = self._lines_now(module, texts[module])
            path = f"kerastorch/{module}"
            for first, lines in functions.items():
                start = int(first) if lines_now is None else lines_now.get(int(first))
                if start is not None:
                    place = f"{path}:{self.copy.function_at(path, start)}"
                    self.entering.setdefault(place, set()).add(name)
                for line in lines if lines_now is None else (lines_now[each] for each in lines if each in lines_now):
                    if wanted is None or (path, line) in wanted:
                        self.reaching.setdefault((path, line), set()).add(name)

    def unreached(self, module: str, broad: bool = False) -> Iterator[tuple[int, str]]:
        """The statements of functions of a module that no test comes to: line and text.

        Args:
            module: Relative to the root.
            broad: Whether only the tests that compare many kept outcomes count.
        """
        text = self.copy.text(module)
        lines = text.splitlines()
        for line in statements(text):
            tests = self.reaching.get((module, line), set())
            if not any(is_broad(name) or not broad for name in tests):
                yield line, lines[line - 1].strip()


def statements(text: str) -> list[int]:
    """The first lines of the statements that run when a function is called."""
    found: set[int] = set()
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef):
            for each in (inner for part in function.body for inner in ast.walk(part)):
                named = isinstance(each, ast.FunctionDef | ast.ClassDef | ast.Nonlocal | ast.Global | ast.Pass)
                text_only = isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
                if isinstance(each, ast.stmt) and not named and not text_only:
                    found.add(each.lineno)
    return sorted(found)


def moved(old: str, new: str) -> dict[int, int]:
    """The lines of a text that stand in another one too: number there -> number here."""
    lines = (old.splitlines(), new.splitlines())
    blocks = difflib.SequenceMatcher(None, *lines, autojunk=False).get_matching_blocks()
    return {block.a + at + 1: block.b + at + 1 for block in blocks for at in range(block.size)}


def is_broad(test: str) -> bool:
    return test.partition("::")[0].endswith(BROAD)


def followed(test: str) -> int:
    """How many cases of a parametrized test are followed: all of those that compare many outcomes each."""
    return sys.maxsize if is_broad(test) else CASES


def say(line: str) -> None:
    print(time.strftime("%H:%M:%S"), line, flush=True)
