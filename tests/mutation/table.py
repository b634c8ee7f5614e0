"""The page that says what died of what, and what lived."""

from __future__ import annotations

from typing import Any

from .operators import OPERATORS
from .subjects import SUBJECTS, Mutant

# The stages, in their order: which tests were asked.
REACH = "tests that come to the changed statement"
ENTER = "other tests that enter the changed function"
ANEW = "the former, with the fault when the package is imported"
STAGES = (REACH, ENTER, ANEW)
COLUMNS = ("assertion", "refusal", "crash", "timeout", "lived")


def page(
    mutants: list[Mutant], results: dict[str, dict[str, Any]], reasons: dict[str, str], seed: int, note: str = ""
) -> str:
    """The text of docs/mutants.md.

    Args:
        mutants: What was drawn.
        results: `Mutant.key` -> "how", "stage", "by", "what".
        reasons: `Mutant.key` -> why it is no fault.
        seed: What they were drawn with.
        note: A paragraph on what was measured, and where.
    """
    judged = [each for each in mutants if each.key in results and each.key not in reasons]
    how = {each.key: results[each.key]["how"] for each in judged}
    crashing = [each for each in judged if how[each.key] == "crashing"]
    counted = [each for each in judged if how[each.key] != "crashing"]
    by_assertion = [each for each in counted if how[each.key] == "assertion"]
    stages = {stage: sum(results[each.key]["stage"] == stage for each in by_assertion) for stage in STAGES}
    open_ones = [each for each in counted if how[each.key] != "assertion"]
    seen = [each for each in open_ones if how[each.key] != "lived"]
    equivalent = [each for each in mutants if each.key in reasons]
    at_first = [results[each.key].get("first", how[each.key]) for each in judged]
    of_first = [each for each in at_first if each != "crashing"]
    unjudged = len(mutants) - len(judged) - len(equivalent)
    lines = [
        "# Planted faults",
        "",
        f"`make mutants` plants single faults and runs the tests: {len(mutants)} drawn with seed {seed}, of which "
        f"{len(equivalent)} change nothing, {len(crashing)} crash at once and {unjudged} were not judged. "
        f"Of the other {len(counted)}, **{len(by_assertion)} "
        f"({len(by_assertion) / max(1, len(counted)):.1%}) die by an assertion of a test** ("
        + ", ".join(f"{number} by {stage}" for stage, number in stages.items() if number)
        + f"); {len(seen)} more make tests fail with another error, and "
        f"{len(open_ones) - len(seen)} ({(len(open_ones) - len(seen)) / max(1, len(counted)):.1%}) are seen by no test "
        f"that was asked. **At first sight, before tests were written for them, {of_first.count('assertion')} of "
        f"{len(of_first)} ({of_first.count('assertion') / max(1, len(of_first)):.1%}) died so.**",
        "",
        "| tests that were asked | of the mutants that no assertion had killed before |",
        "|---|---:|",
        *(
            f"| {stage} | {sum(stage in results[each.key].get('tried', [REACH]) for each in counted)} |"
            for stage in STAGES
        ),
        "",
        *([note, ""] if note else []),
        "A fault that makes the changed function crash at once is set aside: nobody ever gets a number from it, so it "
        "says nothing about tests. That is so where every call that comes to the changed place ends in an error that "
        "nobody raised on purpose, in all tests that were followed, of all files, without live Keras, a few of each "
        "parametrized test; where one call returns, or a test that asserts can judge it, it counts. So does a check "
        "that refuses too much: tests say what is refused. The last table names the input of the first such call.",
        "",
        "A refusal is an error that the library, or real Keras, raises on purpose where a test expects numbers; "
        "a crash is any other error. A mutant counts as one of these only where no assertion kills it.",
        "",
        *_counts("subject", [(name, [each for each in counted if each.subject == name]) for name in SUBJECTS], how),
        *_counts(
            "operator", [(name, [each for each in counted if each.site.operator == name]) for name in OPERATORS], how
        ),
    ]
    for kind, title in (
        ("lived", "What lived"),
        ("timeout", "What hung"),
        ("crash", "What only crashed"),
        ("refusal", "What was only refused"),
    ):
        rows = [each for each in counted if how[each.key] == kind]
        if rows:
            lines += [f"## {title}", "", "| where | is | was made | seen by |", "|---|---|---|---|"]
            lines += [_row(each, _cell(results[each.key]["by"] or results[each.key]["what"])) for each in rows] + [""]
    if equivalent:
        lines += ["## What changes nothing", "", "| where | is | was made | why |", "|---|---|---|---|"]
        lines += [_row(each, reasons[each.key]) for each in equivalent] + [""]
    if crashing:
        lines += ["## What crashes at once", "", "| where | is | was made | error | with |", "|---|---|---|---|---|"]
        lines += [_row(each, _crash(results[each.key])) for each in crashing]
    return "\n".join(lines).rstrip() + "\n"


def _counts(head: str, groups: list[tuple[str, list[Mutant]]], how: dict[str, str]) -> list[str]:
    lines = [f"| {head} | mutants | {' | '.join(COLUMNS)} |", "|---" + "|---:" * (len(COLUMNS) + 1) + "|"]
    for name, group in groups:
        if group:
            numbers = [sum(how[each.key] == column for each in group) for column in COLUMNS]
            lines.append(f"| {name} | {len(group)} | {' | '.join(map(str, numbers))} |")
    return [*lines, ""]


def _row(mutant: Mutant, last: str) -> str:
    site = mutant.site
    place = f"{mutant.module.removeprefix('kerastorch/')}, `{site.function}`"
    return f"| {place} | {_code(site.before)} | {_code(site.after)} | {last} |"


def _crash(result: dict[str, Any]) -> str:
    return f"{_code(result['what'])} | {_code(result['given'] or 'no argument')}, {result['seen']}"


def _code(text: str) -> str:
    short = " ".join(text.split())
    short = short if len(short) <= 90 else f"{short[:87]}..."
    return f"`` {_cell(short)} ``"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
