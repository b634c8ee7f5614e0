"""One measurement: which mutants are drawn, what is known of each, and what is asked next."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .equivalents import EQUIVALENT
from .reached import say
from .run import Runner
from .subjects import Mutant, draw
from .table import ANEW, ENTER, REACH

# Of so many times the number that is asked for, enough are no crashes.
MOST_DRAWN = 2
DECIDED = ("assertion", "crashing")


class Measurement:
    """Judges mutants one after another, and writes down each result as it comes."""

    def __init__(
        self, folder: Path, seed: int, count: int, only: Iterable[str], seconds: float, minutes: float, skip: int = 0
    ) -> None:
        self.runner = Runner(folder, seconds, lambda root: draw(root, MOST_DRAWN * count, seed, only))
        self.end = time.monotonic() + 60 * minutes
        self.count = count
        self.skip = skip
        self.mutants = self.runner.mutants
        self.drawn: list[Mutant] = []  # as many of them as are needed
        self.stored = folder / "results.json"
        self.known: dict[str, dict[str, Any]] = json.loads(self.stored.read_text()) if self.stored.exists() else {}
        self.results = {each.key: self.known[each.key] for each in self.mutants if each.key in self.known}
        self.reasons = {each.key: EQUIVALENT[each.key] for each in self.mutants if each.key in EQUIVALENT}
        for key, result in self.results.items():
            if result["how"] == "assertion":
                self.runner.count_kill(key.partition(" | ")[0], result["by"])

    def forget_survivors(self) -> None:
        """Judge those anew that no assertion has killed."""
        for result in self.results.values():
            if result["how"] not in DECIDED:
                result["tried"] = []

    def draw_on(self) -> None:
        """Judge mutants until there are as many as were asked for.

        Those that change nothing and those that crash at once are set aside, and others drawn for them.
        """
        counted = 0
        for place, mutant in enumerate(self.mutants):
            if counted == self.count or self.is_over():
                return
            self.drawn.append(mutant)
            if mutant.key not in self.reasons and place >= self.skip:
                self.judge(mutant)
                counted += self.results[mutant.key]["how"] != "crashing"

    def judge(self, mutant: Mutant) -> None:
        """Ask the tests that reach the changed line, then those that enter the function, then both after an import."""
        ask = self.runner
        reach = ask.that_reach(mutant)
        if self.is_open(mutant, REACH):
            self.ask(mutant, REACH, ask.ordered(mutant, reach, ask.most_seconds))
        if self.is_open(mutant, ENTER):
            self.ask(mutant, ENTER, ask.ordered(mutant, self.rest(mutant), ask.most_seconds / 2))
        if self.is_open(mutant, ANEW) and self.results[mutant.key]["how"] == "lived":
            near = ask.ordered(mutant, reach or ask.that_enter(mutant), ask.most_seconds / 2)
            self.ask(mutant, ANEW, near, anew=True)
        result = self.results[mutant.key]
        if result["how"] in ("crash", "refusal") and not result.get("followed"):
            result["followed"] = True
            if crash := ask.crash(mutant):
                say(f"crashing: {crash['what'][:100]!r} with {crash['given'][:60]!r}, {crash['seen']}")
                self.keep(mutant, {"stage": REACH, "tried": [REACH], **crash})
        result = self.results[mutant.key]
        result.setdefault("first", result["how"])
        self.keep(mutant, result)

    def rest(self, mutant: Mutant) -> set[str]:
        """More cases of tests that reach the statement; and tests that enter the function only."""
        reach, enter = self.runner.that_reach(mutant), self.runner.that_enter(mutant)
        return (self.runner.more_cases(reach or enter) | enter) - reach

    def ask(self, mutant: Mutant, stage: str, tests: list[str], **how: Any) -> None:
        before = self.results.get(mutant.key, {"tried": []})
        begin = time.monotonic()
        found = self.runner.judge(mutant, tests, **how)
        if before.get("how", "lived") != "lived" and found["how"] != "assertion":
            found = before  # what other tests had seen of it says more
        site = mutant.site
        place = f"{mutant.module}:{site.line} {site.operator}: {site.before[:40]!r} -> {site.after[:60]!r}"
        took = f"{time.monotonic() - begin:.1f} s, {len(tests)} tests"
        say(f"{found['how']:9} {stage}: {place} {found['by']} ({took})")
        self.keep(mutant, {**before, **found, "stage": stage, "tried": [*before["tried"], stage]})

    def keep(self, mutant: Mutant, result: dict[str, Any]) -> None:
        self.results[mutant.key] = result
        self.stored.write_text(json.dumps({**self.known, **self.results}, indent=1))

    def is_open(self, mutant: Mutant, stage: str) -> bool:
        result = self.results.get(mutant.key)
        return result is None or (result["how"] not in DECIDED and stage not in result["tried"])

    def is_over(self) -> bool:
        if over := time.monotonic() > self.end:
            say("the time is over")
        return over

    def take_back_false_kills(self) -> None:
        killed = [(key, each) for key, each in self.results.items() if each["how"] == "assertion"]
        unfit = self.runner.confirm(each["by"] for _, each in killed)
        for key, each in killed:
            if each["by"] in unfit:
                say(f"fails without a fault, so it kills nothing: {each['by']}")
                self.results[key] = {**each, "how": "lived", "by": "", "what": "no kill that holds", "tried": []}
