"""The page: what is measured, as tables and a plot, between the parts of `docs/benchmarks.md` that people write."""

from __future__ import annotations

import fnmatch
import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from _measures import LEAST_ROUNDS, MOST_ROUNDS, Verdict, exponent, verdicts
from _results import Results
from _rows import COLUMNS, GROWTH, MIDDLE, MODES, SIZES, UNMASKED, Row, memory_rows, table_rows

UNEXPLAINED = "not explained yet"
_OTHERS = [column for column in COLUMNS if column != "kerastorch"]
_NAMES = {**COLUMNS, UNMASKED: "the same layer without its mask"}


def write(results: Results, loading: Path, page: Path) -> None:
    """Fill the page's parts anew, and draw the plot beside it."""
    text = page.read_text()
    parts = {
        "machine": machine(results),
        "aims": aims(results),
        "misses": misses(results, reasons(text)),
        "growth": growth(results),
        "memory": memory(results),
        "start": start(json.loads(loading.read_text())) if loading.exists() else "Not measured.",
        "tables": tables(results),
    }
    page.write_text(filled(text, parts))
    plot(results, page.with_suffix(".svg"))


def filled(text: str, parts: Mapping[str, str]) -> str:
    """The page with what stands between `<!-- NAME -->` and `<!-- end -->` exchanged."""
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"The page has no place for <!-- {name} -->.")
        text = pattern.sub(lambda found, part=part: found[1] + part.rstrip("\n") + "\n" + found[2], text)
    return text


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]) + "\n"


# ---------------------------------------------------------------------------- reasons


def reasons(text: str) -> list[tuple[str, str, str]]:
    """The table `| rows | against | why |` that people write: pattern of rows, pattern of columns, reason."""
    lines = iter(text.splitlines())
    found = []
    for line in lines:
        if line.replace(" ", "") == "|rows|against|why|":
            next(lines)
            for row in lines:
                cells = [cell.strip().strip("`") for cell in row.strip().strip("|").split(" | ")]
                if len(cells) != 3:
                    break
                found.append((cells[0], cells[1], cells[2]))
    return found


def reason_for(verdict: Verdict, given: Sequence[tuple[str, str, str]]) -> str:
    """The first reason that is given for a row and a column."""
    for rows, columns, why in given:
        if fnmatch.fnmatch(verdict.row.key, rows) and fnmatch.fnmatch(verdict.aim.column, columns):
            return why
    return UNEXPLAINED


# ---------------------------------------------------------------------------- the parts


def all_verdicts(results: Results) -> list[Verdict]:
    return [verdict for row in table_rows() for verdict in verdicts(row, results.cells("rows", row))]


def machine(results: Results) -> str:
    facts = results.facts
    versions = ", ".join(f"{name} {version}" for name, version in sorted(facts["versions"].items()))
    rows = [results.cells("rows", row) for row in table_rows()]
    measured = [cells for cells in rows if cells]
    busy = [cell["others"] for cells in measured for cell in cells.values() if "others" in cell]
    preferred = "ran before them" if facts["preferred"] else "had no precedence over them"
    commits = ", ".join(sorted({entry["commit"] for entry in results.found["rows"].values()}))
    return (
        f"{facts['machine']}, {facts['threads']} threads, device {facts['device']}; Python {facts['python']}, "
        f"{versions}; kerastorch at {commits}.\n{len(measured)} of {len(rows)} rows are measured. {facts['note']}\n"
        f"When a sample began, {statistics.median(busy):.1f} other threads wanted a core (median over all cells); "
        f"what was timed {preferred}.\n"
    )


def aims(results: Results) -> str:
    """How many rows reach each aim, and how kerastorch's time stands to the column's in the middle."""
    groups: dict[tuple[str, float, str], list[Verdict]] = {}
    for verdict in all_verdicts(results):
        groups.setdefault((verdict.aim.column, verdict.aim.limit, verdict.row.mode), []).append(verdict)
    order = [*COLUMNS, UNMASKED]
    lines = []
    for (column, limit, mode), found in sorted(groups.items(), key=lambda item: (order.index(item[0][0]), item[0])):
        middle = math.exp(statistics.fmean(math.log(verdict.ratio) for verdict in found))
        worst = max(found, key=lambda verdict: verdict.ratio)
        met = sum(verdict.met for verdict in found)
        lines.append(
            (
                _NAMES[column],
                "B = 1" if limit in (1.25, 1.5) else "all" if column not in ("keras-jax", "torch") else "B >= 32",
                mode,
                f"<= {limit:g}",
                f"{met} of {len(found)}",
                f"{middle:.2f}",
                f"{worst.ratio:.2f} ({worst.row.key})",
            )
        )
    return markdown(
        ("kerastorch's time / that of", "rows", "mode", "aim", "met by", "geometric mean", "largest"), lines
    )


def misses(results: Results, given: Sequence[tuple[str, str, str]]) -> str:
    """The rows that miss an aim, with the reason that the page gives."""
    found = [verdict for verdict in all_verdicts(results) if not verdict.met]
    lines = [
        (
            verdict.row.key,
            _NAMES[verdict.aim.column],
            f"{verdict.ratio:.2f}",
            f"{verdict.aim.limit:g}",
            reason_for(verdict, given),
        )
        for verdict in found
    ]
    return markdown(("row", "against", "ratio", "aim", "why"), lines) if lines else "No row misses an aim.\n"


def growth(results: Results) -> str:
    """The exponent of the growth with each letter of the size, the others as in the middle size."""
    lines = []
    for variant in ("default", "relu"):
        for mode in MODES:
            for letter, values in GROWTH.items():
                sized = [
                    results.cells("rows", Row("LSTM", variant, mode, MIDDLE._replace(**{letter: value})))
                    for value in values
                ]
                powers = []
                for column in COLUMNS:
                    times = [cells.get(column, {}).get("ms") for cells in sized]
                    powers.append(f"{exponent(values, times):.2f}" if None not in times else "-")
                if any(power != "-" for power in powers):
                    name = f"LSTM {variant}, {mode}, {letter} = {', '.join(map(str, values))}"
                    lines.append((name, *powers))
    return markdown(("time grows as size to the power of", *COLUMNS.values()), lines) if lines else "Not measured.\n"


def memory(results: Results) -> str:
    lines = []
    for row in memory_rows():
        cells = results.cells("memory", row)
        if cells:
            shown = [f"{cells[c]['mib']:.1f}" if "mib" in cells.get(c, {}) else "-" for c in COLUMNS if c != "gemm"]
            lines.append((row.key, *shown))
    head = ("one call takes at its peak, MiB", *[name for column, name in COLUMNS.items() if column != "gemm"])
    return markdown(head, lines) if lines else "Not measured.\n"


def start(loading: Mapping[str, Any]) -> str:
    """Import and load, in short; `benchmarks/results/loading.md` has the whole."""
    names = list(loading["start"])
    imports = loading.get("import", {})
    lines = [
        (
            name,
            f"{imports[name]:.2f}" if name in imports else "-",
            f"{loading['start'][name]:.2f}" if name != "import torch" else "-",
            f"{1e3 * loading['warm'][name]:.1f}" if name in loading["warm"] else "-",
        )
        for name in names
    ]
    return markdown(("", "import, s", "start to first prediction, s", "one more load, ms"), lines)


def shown(row: Row, cells: Mapping[str, Any]) -> tuple[str, ...]:
    """A line of the large tables: kerastorch's milliseconds, the others' time as a multiple of it."""
    ours = cells["kerastorch"]

    def mark(cell: Mapping[str, Any]) -> str:
        return "" if cell["n"] == MOST_ROUNDS else f" ({cell['n']})"

    def multiple(cell: Mapping[str, Any]) -> str:
        if "ms" in cell and "ms" in ours:
            return f"{cell['ms'] / ours['ms']:.2f}{mark(cell)}"
        if "ms" in cell:
            return f"{cell['ms']:.4g} ms{mark(cell)}"
        if "too long" in cell:
            return f"{cell['too long']:.0f} s"
        return "failed" if "failed" in cell else "-"

    own = f"{ours['ms']:.4g} [{ours['low']:.4g}, {ours['high']:.4g}]{mark(ours)}" if "ms" in ours else multiple(ours)
    return (f"{row.family}, {row.variant}", ours.get("note", ""), own, *[multiple(cells.get(c, {})) for c in _OTHERS])


def tables(results: Results) -> str:
    """Everything, by size and mode."""
    parts = [
        "kerastorch: milliseconds, median [quartiles]; the others: their median as a multiple of it, so that 2.00 is "
        f"twice as slow.\nA number in parentheses: how many samples there are where they are not {MOST_ROUNDS} "
        f"({LEAST_ROUNDS} at least).\nSeconds: one call took so long that no more were made. -: there is none.\n"
    ]
    for size in SIZES:
        for mode in MODES:
            rows = [row for row in table_rows() if (row.size, row.mode) == (size, mode)]
            lines = [shown(row, cells) for row in rows if (cells := results.cells("rows", row))]
            if lines:
                parts.append(f"### B={size.B}, T={size.T}, F={size.F}, U={size.U}: {mode}\n")
                parts.append(markdown(("", "path", *COLUMNS.values()), lines))
    failed = sorted(
        {
            f"- {_NAMES[column]}, {entry['family']} {entry['variant']}, {entry['mode']}: `{cell['failed']}`"
            for entry in results.found["rows"].values()
            for column, cell in entry["cells"].items()
            if "failed" in cell
        }
    )
    if failed:
        parts.append("What failed:\n\n" + "\n".join(failed) + "\n")
    return "\n".join(parts)


def plot(results: Results, path: Path) -> None:
    """The middle size: each column's time as a multiple of kerastorch's."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "kerastorch"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(MODES), figsize=(13, 10.5), sharex=True, layout="constrained")
    markers = dict(zip(_OTHERS, "s^vDox", strict=True))
    for axis, mode in zip(axes, MODES, strict=True):
        rows = [row for row in table_rows() if (row.size, row.mode) == (MIDDLE, mode)]
        measured = [(row, results.cells("rows", row)) for row in rows if results.cells("rows", row)]
        for column in _OTHERS:
            points = [
                (cells[column]["ms"] / cells["kerastorch"]["ms"], place)
                for place, (_, cells) in enumerate(measured)
                if "ms" in cells.get(column, {}) and "ms" in cells["kerastorch"]
            ]
            if points:
                axis.plot(*zip(*points, strict=True), markers[column], label=COLUMNS[column], alpha=0.8)
        axis.axvline(1.0, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.set_yticks(range(len(measured)), [f"{row.family}, {row.variant}" for row, _ in measured])
        axis.invert_yaxis()
        axis.grid(alpha=0.3)
        axis.set_title(f"{mode}, B={MIDDLE.B} T={MIDDLE.T} F={MIDDLE.F} U={MIDDLE.U}")
        axis.set_xlabel("time / kerastorch's time")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_OTHERS), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
