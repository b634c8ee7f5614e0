"""A report as text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .report import GRADIENTS, TRAINING, times

if TYPE_CHECKING:
    from .report import ParityReport, Row


def as_text(report: ParityReport) -> str:
    """The verdict, then what stands behind it."""
    lines = [report.verdict]
    if report.explained_by:
        lines.append(f"Explained by: {report.explained_by}.")
    elif not report.passed and report.worst is not None:
        lines.append("Nothing that is known explains it.")
    if report.smallest:
        lines.append(f"Smallest piece: {report.smallest}.")
    lines += ["", f"reference  {_line(report.reference)}", f"here       {_line(report.here)}", ""]
    lines += _largest(report)
    lines += ["", *_table(("probe", "what", "seed", "outputs, times rounding"), list(_probes(report)))]
    layers = list(_layers(report))
    if layers:
        titles = ("layer", "class", "in the chain", "alone", "states", "masks")
        lines += ["", "Times rounding, the most of all probes:", *_table(titles, layers)]
    lines += _gradients(report)
    lines += _training(report)
    if report.gaps:
        lines += ["", "Not compared:", *(f"  {what}: {why}" for what, why in report.gaps.items())]
    lines += _faults(report)
    if report.again:
        lines += ["", f"again: {report.again}"]
    return "\n".join(lines)


def _line(said: object) -> str:
    items = dict(said).items() if hasattr(said, "items") else ()  # type: ignore[call-overload]
    return ", ".join(f"{key} {value}" for key, value in items if value not in (None, ""))


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


def _probes(report: ParityReport) -> Iterator[Sequence[str]]:
    for probe in report.probes:
        name = str(probe["name"])
        rows = [row for row in report.judged if row.probe == name and row.where in ("output", "predict")]
        found = times(max(row.measured.multiple for row in rows)) if rows else "not judged"
        why = probe.get("not_compared")
        yield name, str(probe["what"]), str(probe["seed"]), f"not compared: {why}" if why else found


def _layers(report: ParityReport) -> Iterator[Sequence[str]]:
    by_path: dict[str, list[Row]] = {}
    for row in report.rows:
        if row.where in ("layer", "alone", "state", "mask"):
            by_path.setdefault(row.layer, []).append(row)
    for path, rows in by_path.items():
        found = [_most([row for row in rows if row.where == where]) for where in ("layer", "alone", "state")]
        masks = [row for row in rows if row.where == "mask"]
        told = next((row.measured.note for row in masks if row.measured.note), "equal" if masks else "")
        yield path, rows[0].kind, *found, "DIFFER" if any(row.differs for row in masks) else told


def _gradients(report: ParityReport) -> Iterator[str]:
    """The gradients of each layer's weights and of the inputs, the most of all probes."""
    if not report.gradients:
        return
    by_array: dict[tuple[str, str], list[Row]] = {}
    for row in report.gradients:
        by_array.setdefault((row.layer, row.array), []).append(row)
    cells = []
    for (layer, array), rows in by_array.items():
        cells.append((layer, array, *(_most([row for row in rows if row.where == where]) for where in GRADIENTS)))
    yield from ("", "Gradients, times rounding, the most of all probes:")
    yield from _table(("layer", "with respect to", "in the chain", "alone"), cells)


def _training(report: ParityReport) -> Iterator[str]:
    """How both were trained, and how far they are apart after each step."""
    training = report.training
    if training is None:
        return
    by = "" if training.chosen_by == "the file" else f", chosen by {training.chosen_by}"
    yield from ("", f"Training: {training.optimizer}, {training.loss}{by}; {training.dropout}. Times rounding:")
    cells = []
    for step, (ours, theirs) in enumerate(zip(training.ours, training.reference, strict=True), 1):
        rows = [row for row in report.trained if row.step == step]
        found = [_most([row for row in rows if row.where == where]) for where in TRAINING]
        cells.append((str(step), f"{ours:.7g}", f"{theirs:.7g}", *found))
    titles = ("step", "loss here", "reference", "loss", "gradients", "weights", "optimizer", "weights, by it alone")
    yield from _table(titles, cells)


def _faults(report: ParityReport) -> Iterator[str]:
    """What was planted to see whether it would have been noticed."""
    noticed = sum(map(len, report.noticed.values()))
    missed = sum(map(len, report.missed.values()))
    if noticed + missed:
        yield from ("", f"Faults planted in the layers, one at a time: {noticed} of {noticed + missed} noticed.")
        yield from (f"  not noticed: {path}: {', '.join(texts)}" for path, texts in report.missed.items())


def _most(rows: Sequence[Row]) -> str:
    judged = [row for row in rows if row.judged]
    if not judged:
        return "not judged" if rows else ""
    most = max(judged, key=lambda row: row.measured.multiple)
    where = f" ({most.probe})" if not most.step else ""
    return times(most.measured.multiple) + (f" DIFFERS{where}" if most.differs else "")


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (titles, *rows)
    ]
