"""`python -m mutation`: draws mutants, judges them, and writes docs/mutants.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from .copied import ROOT
from .measure import Measurement
from .reached import say
from .run import Runner
from .subjects import SUBJECTS, modules
from .table import page


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=200, help="so many faults that do not crash at once")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), help="subjects")
    arguments.add_argument("--folder", type=Path, default=ROOT / "build" / "mutants", help="what is kept between runs")
    arguments.add_argument("--skip", type=int, default=0, help="leave the first ones to another run")
    arguments.add_argument("--again", action="store_true", help="judge those once more that no assertion has killed")
    arguments.add_argument("--seconds", type=float, default=60.0, help="of tests for one mutant in one stage")
    arguments.add_argument("--minutes", type=float, default=120.0, help="after which no further mutant is judged")
    arguments.add_argument("--note", default="", help="a paragraph for the page: what was measured, and where")
    arguments.add_argument("--unreached", choices=("by any", "by broad"), help="print what no test comes to, and end")
    given = arguments.parse_args()
    run(given) if given.unreached is None else unreached(given)


def run(given: argparse.Namespace) -> None:
    it = Measurement(
        given.folder.resolve(), given.seed, given.count, given.only, given.seconds, given.minutes, given.skip
    )
    if given.again:
        it.forget_survivors()
    it.draw_on()
    it.take_back_false_kills()
    (ROOT / "docs" / "mutants.md").write_text(page(it.drawn, it.results, it.reasons, given.seed, given.note))
    say("docs/mutants.md is written")


def unreached(given: argparse.Namespace) -> None:
    """Print the statements of the subjects that no test comes to, or no test that compares many kept outcomes."""
    runner = Runner(given.folder.resolve(), given.seconds, lambda root: [])
    runner.reached.learn()
    for subject in given.only:
        for module in modules(runner.copy.root, subject):
            name = module.relative_to(runner.copy.root).as_posix()
            for line, text in runner.reached.unreached(name, given.unreached == "by broad"):
                print(f"{name}:{line} {text}")


if __name__ == "__main__":
    main()
