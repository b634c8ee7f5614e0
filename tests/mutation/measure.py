"""One measurement: which mutants are drawn, what is known of each, and what is asked next."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .equivalents import EQUIVALENT
from .run import Runner, say
from .subjects import SUBJECTS, Mutant, draw, files_of_tests
from .table import LIVE, OWN

# Of so many times the number that is asked for, enough are no crashes.
MOST_DRAWN = 3
DECIDED = ("assertion", "crashing")


class Measurement:
    """Judges mutants one after another, and writes down each result as it comes."""

    def __init__(
        self, folder: Path, seed: int, count: int, only: Iterable[str], seconds: float, minutes: float
    ) -> None:
        self.end = time.monotonic() + 60 * minutes
        self.runner = Runner(folder, seconds)
        self.root = self.runner.copy.root
        self.count = count
        self.mutants = draw(self.root, MOST_DRAWN * count, seed, only)
        self.drawn: list[Mutant] = []  # as many of them as are needed
        self.stored = folder / "results.json"
        self.known: dict[str, dict[str, Any]] = json.loads(self.stored.read_text()) if self.stored.exists() else {}
        self.results = {each.key: self.known[each.key] for each in self.mutants if each.key in self.known}
        self.reasons = {each.key: EQUIVALENT[each.key] for each in self.mutants if each.key in EQUIVALENT}
        self.own = {name: files_of_tests(self.root, name) for name in SUBJECTS}
        self.of_subjects = sorted({file for each in self.own.values() for file in each})
        for key, result in self.results.items():
            if result["how"] == "assertion":
                self.runner.count_kill(key.partition(" | ")[0], result["by"])

    def forget_survivors(self) -> None:
        """Judge those anew that no assertion has killed."""
        self.results = {key: result for key, result in self.results.items() if result["how"] in DECIDED}

    def draw_on(self) -> None:
        """Judge mutants by the tests of their subjects, until there are as many as were asked for.

        Those that change nothing and those that crash at once are set aside, and others drawn for them.
        """
        counted = 0
        for mutant in self.mutants:
            if counted == self.count or self.is_over():
                return
            self.drawn.append(mutant)
            if mutant.key not in self.reasons:
                self.judge_first(mutant)
                counted += self.results[mutant.key]["how"] != "crashing"

    def judge_first(self, mutant: Mutant) -> None:
        if self.is_open(mutant):
            self.ask(mutant, OWN, self.own[mutant.subject])
        result = self.results[mutant.key]
        if result["how"] not in ("crash", "refusal") or result.get("followed"):
            return
        result["followed"] = True
        if crash := self.runner.crash(mutant, self.of_subjects):
            say(f"crashing: {crash['what'][:100]!r} with {crash['given'][:60]!r}, {crash['seen']}")
            self.keep(mutant, {"stage": OWN, "tried": [OWN], **crash})

    def stage(self, name: str, choose: Callable[[Mutant], Iterable[str]], **how: Any) -> None:
        """Judge those that no assertion has killed yet; first those that nothing has seen."""
        left = [each for each in self.drawn if each.key not in self.reasons and self.is_open(each)]
        left.sort(key=lambda each: self.results[each.key]["how"] != "lived")
        say(f"{name}: {len(left)}")
        if how.get("live") and left:
            self.runner.start_keras()
        for mutant in left:
            if self.is_over():
                return
            self.ask(mutant, name, choose(mutant), **how)

    def ask(self, mutant: Mutant, stage: str, files: Iterable[str], **how: Any) -> None:
        before = self.results.get(mutant.key, {"tried": []})
        if stage in before["tried"]:
            return
        result = {**self.runner.judge(mutant, sorted(files), **how), "stage": stage}
        if before.get("how", "lived") != "lived" and result["how"] != "assertion":
            result = before  # what other tests had seen of it says more
        site = mutant.site
        place = f"{mutant.module}:{site.line} {site.operator}: {site.after[:60]!r}"
        say(f"{result['how']:9} {stage}: {place} {result['by']}")
        self.keep(mutant, {**result, "tried": [*before["tried"], stage]})

    def keep(self, mutant: Mutant, result: dict[str, Any]) -> None:
        self.results[mutant.key] = result
        self.stored.write_text(json.dumps({**self.known, **self.results}, indent=1))

    def is_open(self, mutant: Mutant) -> bool:
        return mutant.key not in self.results or self.results[mutant.key]["how"] not in DECIDED

    def is_over(self) -> bool:
        if over := time.monotonic() > self.end:
            say("the time is over")
        return over

    def take_back_false_kills(self) -> None:
        killed = [(key, each) for key, each in self.results.items() if each["how"] == "assertion"]
        unfit = self.runner.confirm((each["by"], each["stage"] == LIVE) for _, each in killed)
        for key, each in killed:
            if each["by"] in unfit:
                say(f"fails without a fault, so it kills nothing: {each['by']}")
                self.results[key] = {"how": "lived", "stage": OWN, "by": "", "what": "no kill that holds", "tried": []}
