"""A report as text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import tables
from .report import times

if TYPE_CHECKING:
    from .report import ParityReport
    from .tables import Table


def as_text(report: ParityReport) -> str:
    """The verdict, then what stands behind it."""
    lines = [report.verdict]
    if report.explained_by:
        lines.append(f"Explained by: {report.explained_by}.")
    elif not report.passed and report.worst is not None:
        lines.append("Nothing that is known explains it.")
    if report.smallest:
        lines.append(f"Smallest piece: {report.smallest}.")
    lines += ["", f"reference  {tables.line(report.reference)}", f"here       {tables.line(report.here)}", ""]
    lines += _largest(report)
    for made in (tables.probes, tables.layers, tables.gradients, tables.training):
        lines += _table(made(report))
    if unjudged := tables.unjudged(report):
        lines += ["", "Not judged:", *(f"  {why}" for why in unjudged)]
    if report.gaps:
        lines += ["", "Not compared:", *(f"  {what}: {why}" for what, why in report.gaps.items())]
    if planted := tables.planted(report):
        lines += ["", planted]
        lines += [f"  not noticed: {path}: {', '.join(texts)}" for path, texts in report.missed.items()]
    if report.again:
        lines += ["", f"again: {report.again}"]
    return "\n".join(map(tables.printable, lines))


def _largest(report: ParityReport) -> Iterator[str]:
    row = report.worst
    if row is None:
        return
    measured = row.measured
    if measured.wrong:
        yield f"largest difference: {row.name}: {measured.wrong}"
        return
    yield (
        f"largest difference: {row.name}, {times(measured.multiple)} times rounding: {measured.difference:.3g} at "
        f"{list(measured.at)}, {measured.ours!r} here, {measured.reference!r} in the reference"
    )
    yield (
        f"  (largest value {measured.largest:.3g}; rounding moves it by {measured.rounding:.3g}; median distance "
        f"{measured.median_ulps:.2g} ulp)"
    )


def _table(table: Table) -> list[str]:
    if not table.rows:
        return []
    every = (table.titles, *table.rows)
    widths = [max(len(row[column]) for row in every) for column in range(len(table.titles))]
    return [
        "",
        *([table.heading] if table.heading else []),
        *("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in every),
    ]
