"""The tables of a report, as cells: its text and its page both show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import counted
from .report import GRADIENTS, TRAINING, times

if TYPE_CHECKING:
    from ..errors import counted
from .report import ParityReport, Row


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        heading: Stands above it; may be empty.
        titles: Of the columns.
        rows: The cells; without rows there is nothing to show.
    """

    heading: str
    titles: tuple[str, ...]
    rows: tuple[Sequence[str], ...]


def probes(report: ParityReport) -> Table:
    """What was run, and how far the outputs of each run are apart."""
    return Table("", ("probe", "what", "seed", "outputs, times rounding"), tuple(_probes(report)))


def _probes(report: ParityReport) -> Iterator[Sequence[str]]:
    for probe in report.probes:
        name = str(probe["name"])
        rows = [row for row in report.judged if row.probe == name and row.where in ("output", "predict")]
        found = times(max(row.measured.multiple for row in rows)) if rows else "not judged"
        why = probe.get("not_compared")
        yield name, str(probe["what"]), str(probe["seed"]), f"not compared: {why}" if why else found


def layers(report: ParityReport) -> Table:
    """Each layer, the most of all probes."""
    titles = ("layer", "class", "in the chain", "alone", "states", "masks")
    return Table("Times rounding, the most of all probes:", titles, tuple(_layers(report)))


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


def gradients(report: ParityReport) -> Table:
    """The gradients of each layer's weights and of the inputs, the most of all probes."""
    by_array: dict[tuple[str, str], list[Row]] = {}
    for row in report.gradients:
        by_array.setdefault((row.layer, row.array), []).append(row)
    cells = []
    for (layer, array), rows in by_array.items():
        cells.append((layer, array, *(_most([row for row in rows if row.where == where]) for where in GRADIENTS)))
    titles = ("layer", "with respect to", "in the chain", "alone")
    return Table("Gradients, times rounding, the most of all probes:", titles, tuple(cells))


def training(report: ParityReport) -> Table:
    """How both were trained, and how far they are apart after each step."""
    titles = ("step", "loss here", "reference", "loss", "gradients", "weights", "optimizer", "weights, by it alone")
    how = report.training
    if how is None:
        return Table("", titles, ())
    by = {"the file": "", "nobody": " (the usual ones: the file names none)"}.get(
        how.chosen_by, f", chosen by {how.chosen_by}"
    )
    cells = []
    for step, (ours, theirs) in enumerate(zip(how.ours, how.reference, strict=True), 1):
        rows = [row for row in report.trained if row.step == step]
        found = [_most([row for row in rows if row.where == where]) for where in TRAINING]
        cells.append((str(step), f"{ours:.7g}", f"{theirs:.7g}", *found))
    return Table(f"Training: {how.optimizer}, {how.loss}{by}; {how.dropout}. Times rounding:", titles, tuple(cells))


def _most(rows: Sequence[Row]) -> str:
    judged = [row for row in rows if row.judged]
    if not judged:
        return "not judged" if rows else ""
    most = max(judged, key=lambda row: row.measured.multiple)
    where = f" ({most.probe})" if not most.step else ""
    return times(most.measured.multiple) + (f" DIFFERS{where}" if most.differs else "")


def unjudged(report: ParityReport) -> list[str]:
    """Why arrays that differ, or might, are not judged: each reason with how many there are and the first of them."""
    by_reason: dict[str, list[Row]] = {}
    for row in report.rows:
        if row.measured.note:
            by_reason.setdefault(row.measured.note, []).append(row)
    return [f"{counted(len(rows), 'array')}, first {rows[0].name}: {note}" for note, rows in by_reason.items()]


def line(said: object) -> str:
    """What computed one side, in a line."""
    items = dict(said).items() if hasattr(said, "items") else ()  # type: ignore[call-overload]
    return ", ".join(f"{key} {value}" for key, value in items if value not in (None, ""))


def planted(report: ParityReport) -> str:
    """How many of the planted faults were noticed; empty where none were planted."""
    noticed = sum(map(len, report.noticed.values()))
    missed = sum(map(len, report.missed.values()))
    if not noticed + missed:
        return ""
    return f"Faults planted, one at a time: {noticed} of {noticed + missed} noticed."


def printable(text: str) -> str:
    """Text of a file without what would act on a terminal or a page: line ends, escapes and the like are spelt out."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
