"""`python -m mutation`: draws mutants, judges them in three stages, and writes docs/mutants.md."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .equivalents import EQUIVALENT
from .run import ROOT, Runner, say
from .subjects import SUBJECTS, Mutant, draw, files_of_tests
from .table import page


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=210, help="how many mutants are drawn")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), help="subjects")
    arguments.add_argument("--folder", type=Path, default=ROOT / "build" / "mutants", help="what is kept between runs")
    arguments.add_argument("--again", action="store_true", help="judge those once more that no assertion has killed")
    arguments.add_argument("--without-live", action="store_true", help="leave out the stage with live Keras")
    given = arguments.parse_args()
    run(given)


def run(given: argparse.Namespace) -> None:
    folder = given.folder.resolve()
    runner = Runner(folder)
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
            results[mutant.key] = {**result, "stage": stage}
        stored.write_text(json.dumps({**known, **results}, indent=1))
        site, by = mutant.site, result["by"]
        say(f"{result['how']:9} {stage}: {mutant.module}:{site.line} {site.operator}: {site.after[:60]!r} {by}")

    def open_ones() -> list[Mutant]:
        return [each for each in mutants if each.key not in reasons and results[each.key]["how"] != "assertion"]

    def take_back_false_kills() -> None:
        killed = [(key, each) for key, each in results.items() if each["how"] == "assertion"]
        unfit = runner.confirm((each["by"], each["stage"] == "live Keras") for _, each in killed)
        for key, each in killed:
            if each["by"] in unfit:
                say(f"fails without a fault, so it kills nothing: {each['by']}")
                results[key] = {"how": "lived", "stage": "subject", "by": "", "what": "no kill that holds"}

    for number, mutant in enumerate(mutants):
        if mutant.key not in results and mutant.key not in reasons:
            say(f"{number + 1} of {len(mutants)}")
            judge(mutant, "subject", files=files_of_tests(runner.copy.root, mutant.subject))
    take_back_false_kills()
    say(f"the subjects' files leave {len(open_ones())}; all other files are tried, and whole files")
    for mutant in open_ones():
        judge(mutant, "subject", files=files_of_tests(runner.copy.root, mutant.subject), wide=True)
    for mutant in open_ones():
        others = set(files_of_tests(runner.copy.root)) - set(files_of_tests(runner.copy.root, mutant.subject))
        judge(mutant, "other files", files=sorted(others))
    if not given.without_live and open_ones():
        say(f"{len(open_ones())} are left for live Keras")
        runner.start_keras()
        for mutant in open_ones():
            judge(mutant, "live Keras", files=files_of_tests(runner.copy.root), live=True)
    take_back_false_kills()
    (ROOT / "docs" / "mutants.md").write_text(page(mutants, results, reasons, given.seed))
    say("docs/mutants.md is written")


if __name__ == "__main__":
    main()
