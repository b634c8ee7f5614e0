"""`python -m mutation`: draws mutants, judges them in stages, and writes docs/mutants.md."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .equivalents import EQUIVALENT
from .run import ROOT, Runner, say
from .subjects import SUBJECTS, Mutant, draw, files_of_tests
from .table import ALL, LIVE, OTHERS, OWN, WHOLE, page


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=210, help="how many mutants are drawn")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), help="subjects")
    arguments.add_argument("--folder", type=Path, default=ROOT / "build" / "mutants", help="what is kept between runs")
    arguments.add_argument("--again", action="store_true", help="judge those once more that no assertion has killed")
    arguments.add_argument("--without-live", action="store_true", help="leave out the stage with live Keras")
    arguments.add_argument("--seconds", type=float, default=240.0, help="of tests for one mutant in one stage")
    arguments.add_argument("--minutes", type=float, default=120.0, help="after which no further mutant is judged")
    arguments.add_argument("--note", default="", help="a paragraph for the page: what was measured, and where")
    given = arguments.parse_args()
    run(given)


def run(given: argparse.Namespace) -> None:
    end = time.monotonic() + 60 * given.minutes
    folder = given.folder.resolve()
    runner = Runner(folder, given.seconds)
    mutants = draw(runner.copy.root, given.count, given.seed, given.only)
    stored = folder / "results.json"
    known: dict[str, dict[str, Any]] = json.loads(stored.read_text()) if stored.exists() else {}
    results = {each.key: known[each.key] for each in mutants if each.key in known}
    if given.again:
        results = {key: result for key, result in results.items() if result["how"] == "assertion"}
    for key, result in results.items():
        if result["how"] == "assertion":
            runner.count_kill(key.partition(" | ")[0], result["by"])
    reasons = {key: reason for key, reason in EQUIVALENT.items() if key in {each.key for each in mutants}}

    def judge(mutant: Mutant, stage: str, **how: Any) -> None:
        result = runner.judge(mutant, **how)
        before = results.get(mutant.key)
        if before is None or result["how"] == "assertion" or before["how"] == "lived":
            before = {**result, "stage": stage}
        results[mutant.key] = before
        stored.write_text(json.dumps({**known, **results}, indent=1))
        site, by = mutant.site, result["by"]
        say(f"{result['how']:9} {stage}: {mutant.module}:{site.line} {site.operator}: {site.after[:60]!r} {by}")

    def take_back_false_kills() -> None:
        killed = [(key, each) for key, each in results.items() if each["how"] == "assertion"]
        unfit = runner.confirm((each["by"], each["stage"] == LIVE) for _, each in killed)
        for key, each in killed:
            if each["by"] in unfit:
                say(f"fails without a fault, so it kills nothing: {each['by']}")
                results[key] = {"how": "lived", "stage": OWN, "by": "", "what": "no kill that holds", "tried": []}

    files = files_of_tests(runner.copy.root)
    own = {name: files_of_tests(runner.copy.root, name) for name in SUBJECTS}
    of_subjects = {file for each in own.values() for file in each}

    def stage(name: str, choose: Callable[[Mutant], Iterable[str]], **how: Any) -> None:
        """Judge those that no assertion has killed yet; first those that nothing has seen."""
        left = [each for each in mutants if each.key not in reasons and is_open(each)]
        left.sort(key=lambda each: each.key in results and results[each.key]["how"] != "lived")
        say(f"{name}: {len(left)}")
        if how.get("live") and left:
            runner.start_keras()
        for mutant in left:
            if time.monotonic() > end:
                say("the time is over")
                return
            tried = results.get(mutant.key, {}).get("tried", [])
            if name not in tried:
                judge(mutant, name, files=sorted(choose(mutant)), **how)
                results[mutant.key]["tried"] = [*tried, name]

    def is_open(mutant: Mutant) -> bool:
        return mutant.key not in results or results[mutant.key]["how"] != "assertion"

    stage(OWN, lambda mutant: own[mutant.subject])
    stage(OTHERS, lambda mutant: of_subjects - {*own[mutant.subject]})
    stage(ALL, lambda mutant: {*files} - of_subjects)
    stage(WHOLE, lambda mutant: own[mutant.subject], wide=True)
    if not given.without_live:
        stage(LIVE, lambda mutant: files, live=True)
    take_back_false_kills()
    (ROOT / "docs" / "mutants.md").write_text(page(mutants, results, reasons, given.seed, given.note))
    say("docs/mutants.md is written")


if __name__ == "__main__":
    main()
