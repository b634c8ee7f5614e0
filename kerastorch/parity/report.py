"""What a comparison has found: a verdict, the numbers behind it, and the texts that show them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import counted, plural
from ..files.replacing import replacing
from ..paths import AnyPath
from .measuring import Measured, plain_number

# How many times the measured rounding two implementations may lie apart. See docs/parity.md for what was seen.
LIMIT = 32.0


@dataclass(frozen=True)
class Row:
    """One array of the reference beside ours.

    Attributes:
        where: "output" (of the model), "predict" (the same, by Keras's `predict`), "layer" (as the chain runs), "alone"
            (the layer on the reference's inputs), "mask" (that the layer is given), "state" (of a recurrent layer,
            where it is no output); "gradient" (of a loss, as the chain runs), "gradient alone" (of the layer on the
            reference's inputs and gradients of its outputs); in a training "loss", "training gradient", "weight" and
            "slot" (of the optimizer), as the chain runs, and "update" (a weight after the optimizer alone, on the
            reference's gradients).
        layer: Its path; empty for what the model has as a whole.
        kind: Its class in the reference.
        place: Which of the arrays.
        probe: Which run.
        measured: The numbers.
        array: Keras's name of a weight, or "input 0"; empty where the place says it all.
        step: Of a training, the first is 1; 0 elsewhere.
    """

    where: str
    layer: str
    kind: str
    place: int
    probe: str
    measured: Measured
    array: str = ""
    step: int = 0

    @property
    def judged(self) -> bool:
        """Whether it counts."""
        return not self.measured.note

    @property
    def differs(self) -> bool:
        """Whether it counts and lies beyond what rounding explains."""
        return self.judged and not self.measured.multiple <= LIMIT

    @property
    def at(self) -> tuple[int, ...]:
        """Where the largest difference is; empty where the shapes differ."""
        return self.measured.at

    @property
    def ours(self) -> float | None:
        """Our value there; None where the shapes differ."""
        return self.measured.ours

    @property
    def reference(self) -> float | None:
        """The reference's value there; likewise."""
        return self.measured.reference

    @property
    def multiple(self) -> float:
        """How far they are apart, in multiples of what rounding does."""
        return self.measured.multiple

    @property
    def name(self) -> str:
        """Which array it is, in words."""
        owner = f"{self.layer}: " if self.layer else ""
        if self.step:
            array = f" {self.array}" if self.array else ""
            return f"{owner}{_IN_TRAINING[self.where]}{array} after step {self.step}"
        if self.array:
            alone = ", alone," if self.where == "gradient alone" else ""
            return f"{owner}gradient of {self.array}{alone} in the probe {self.probe!r}"
        what = {"output": "output", "predict": "output of predict", "layer": "output", "alone": "output, alone,"}
        return f"{owner}{what.get(self.where, self.where)} {self.place} in the probe {self.probe!r}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        place = {"where": self.where, "layer": self.layer, "class": self.kind, "place": self.place, "probe": self.probe}
        named = {**({"array": self.array} if self.array else {}), **({"step": self.step} if self.step else {})}
        return {**place, **named, "differs": self.differs, **self.measured.to_dict()}


_IN_TRAINING = {
    "loss": "loss",
    "training gradient": "gradient of",
    "weight": "weight",
    "slot": "state of the optimizer:",
    "update": "weight by the optimizer alone:",
}
GRADIENTS = ("gradient", "gradient alone")
TRAINING = tuple(_IN_TRAINING)


@dataclass(frozen=True)
class Piece:
    """One number of one array that differs, and how much of the array does.

    Attributes:
        text: Which array it is, and how much of it differs, in words.
        layer: Its path; empty for what the model has as a whole.
        probe: Which run; empty in a training.
        place: Which of the arrays of that kind.
        row: Of the batch; None for what has no rows: gradients of weights, say.
        step: Of a sequence; in a training, of the training; None where there is none.
        at: Where the number stands in its array; empty where the arrays have other shapes.
        ours: The number here; None where the arrays have other shapes.
        reference: The number in the reference; likewise.
        multiple: How far they are apart, in multiples of what rounding does.
    """

    text: str
    layer: str
    probe: str
    place: int
    row: int | None
    step: int | None
    at: tuple[int, ...]
    ours: float | None
    reference: float | None
    multiple: float

    def __str__(self) -> str:
        if self.ours is None:
            return self.text
        values = f"{self.ours!r} here, {self.reference!r} in the reference"
        return f"{self.text} at {list(self.at)}, {values}, {times(self.multiple)} times rounding"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        numbers = {name: plain_number(getattr(self, name)) for name in ("ours", "reference", "multiple")}
        held = {name: getattr(self, name) for name in ("text", "layer", "probe", "place", "row", "step")}
        return {**held, "at": list(self.at), **numbers}


@dataclass(frozen=True)
class Training:
    """How both sides were trained; the arrays are rows of the report.

    Attributes:
        optimizer: The class of the reference's optimizer.
        settings: Its arguments.
        loss: The name of the loss.
        chosen_by: Who says so: "the file", "the caller", or "nobody": then it is a usual one.
        dropout: What was done with dropout and noise, in words.
        ours: The loss of each step here.
        reference: The loss of each step in the reference.
    """

    optimizer: str
    settings: Mapping[str, Any]
    loss: str
    chosen_by: str
    dropout: str
    ours: Sequence[float]
    reference: Sequence[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "optimizer": self.optimizer,
            "settings": dict(self.settings),
            "loss": self.loss,
            "chosen_by": self.chosen_by,
            "dropout": self.dropout,
            "steps": len(self.reference),
            "losses_here": [plain_number(value) for value in self.ours],
            "losses_reference": [plain_number(value) for value in self.reference],
        }


@dataclass(frozen=True)
class ParityReport:
    """What `check_parity` has found; `print(report)` shows it.

    Attributes:
        rows: Every array that was looked at.
        probes: For each run its `name`, `what` and `seed`, and why it was not compared, if it was not.
        gaps: What could not be compared, and why.
        weights: Layers whose weights are not those of the reference, with the names of the arrays.
        reference: Versions of what computed the reference, and the name and hash of its file.
        here: Versions of what computed the rest, and the device.
        again: The command that does it again; empty where there is none.
        explained_by: What explains a difference, if anything that is known does.
        smallest: The smallest piece that differs: a layer, a row, a step, and both values; None where there is parity.
        noticed: Faults that were planted where there is parity, and noticed, by the path of the layer; those of the
            training under "the training".
        missed: Those that were not.
        training: How both sides were trained, and the losses; None where nothing was.
        random: What the model here draws at random where the reference draws nothing; empty if nothing.
    """

    rows: tuple[Row, ...]
    probes: tuple[Mapping[str, Any], ...]
    gaps: Mapping[str, str]
    weights: Mapping[str, Sequence[str]]
    reference: Mapping[str, Any]
    here: Mapping[str, Any]
    again: str = ""
    explained_by: str | None = None
    smallest: Piece | None = None
    noticed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    limit: float = field(default=LIMIT)
    training: Training | None = None
    random: str = ""

    @property
    def gradients(self) -> tuple[Row, ...]:
        """The rows of gradients: "gradient" as the chain runs, "gradient alone" of each layer."""
        return tuple(row for row in self.rows if row.where in GRADIENTS)

    @property
    def trained(self) -> tuple[Row, ...]:
        """The rows of the training: losses, gradients, weights, state of the optimizer, after each step."""
        return tuple(row for row in self.rows if row.where in TRAINING)

    @property
    def judged(self) -> tuple[Row, ...]:
        """The rows that count."""
        return tuple(row for row in self.rows if row.judged)

    @property
    def passed(self) -> bool:
        """Whether every output was compared and no array lies beyond what rounding explains."""
        return not self.unjudged and not any(row.differs for row in self.judged)

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The outputs that no probe could judge, each with the reason, or what is random: nothing is known of them."""
        outputs = [row for row in self.rows if row.where == "output"]
        known = {row.place for row in outputs if row.judged}
        why = {row.place: row.measured.note for row in outputs if row.place not in known}
        if not outputs:
            return ("the outputs: no probe was compared",)
        if self.random and not why:
            return (self.random,)
        return tuple(f"output {place}: {note}" for place, note in sorted(why.items()))

    @property
    def worst(self) -> Row | None:
        """The array with the largest multiple of its rounding; None if nothing was compared."""
        # Of equal ones the output: it is what a person looks for.
        return max(self.judged, key=lambda row: (row.measured.multiple, row.where == "output"), default=None)

    @property
    def first(self) -> Row | None:
        """Where it begins: the first layer that differs on the reference's own inputs, else as the chain runs.

        Gradients count where all outputs agree, the training where gradients do, too.
        """
        forward = (("alone",), ("mask",), ("layer",), ("state",), ("output", "predict"))
        for wheres in (*forward, ("gradient alone",), ("gradient",), TRAINING):
            for row in self.rows:
                if row.where in wheres and row.differs:
                    return row
        return None

    @property
    def verdict(self) -> str:
        """One line."""
        judged = self.judged
        if self.unjudged and not any(row.differs for row in judged):
            return f"NOT COMPARED: {'; '.join(self.unjudged)}."
        worst = self.worst
        assert worst is not None
        if self.passed:
            return (
                f"PARITY: {counted(len(judged), 'array')} compared, none further apart than "
                f"{times(worst.measured.multiple)} times what rounding does (allowed: {self.limit:g})."
            )
        first = self.first
        assert first is not None
        layer = f"{first.layer!r} ({first.kind})" if first.kind else repr(first.layer)
        where = f"it begins at {layer}" if first.layer else "no layer was compared"
        if first.where == "mask":
            where = f"it begins with the mask that {layer} is given"
        elif first.where in ("state", *GRADIENTS, *TRAINING):
            where = f"it begins with the {first.name}" if not first.layer else f"it begins at {first.name}"
        count = sum(row.differs for row in judged)
        found = f"{count} of {counted(len(judged), 'array')} {plural(count, 'differs', 'differ')}"
        return f"NO PARITY: {found} by more than rounding; {where}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        worst, first = self.worst, self.first
        return {
            "passed": self.passed,
            "verdict": self.verdict,
            "explained_by": self.explained_by,
            "smallest": None if self.smallest is None else self.smallest.to_dict(),
            "worst": None if worst is None else worst.to_dict(),
            "first": None if first is None else first.to_dict(),
            "limit": self.limit,
            "reference": dict(self.reference),
            "here": dict(self.here),
            "probes": [dict(probe) for probe in self.probes],
            "not_compared": dict(self.gaps),
            "other_weights": {layer: list(names) for layer, names in self.weights.items()},
            "faults_noticed": {layer: list(texts) for layer, texts in self.noticed.items()},
            "faults_missed": {layer: list(texts) for layer, texts in self.missed.items()},
            "again": self.again,
            "arrays": [row.to_dict() for row in self.rows if row.where not in (*GRADIENTS, *TRAINING)],
            "gradients": [row.to_dict() for row in self.gradients],
            "training": None
            if self.training is None
            else {**self.training.to_dict(), "arrays": [row.to_dict() for row in self.trained]},
        }

    def to_html(self, path: AnyPath) -> None:
        """Write the report as one HTML page: verdict, pictures, tables. It needs nothing but a browser.

        Args:
            path: Where to; a file that is there is overwritten.

        Raises:
            SaveError: It cannot be written there; what stood there is unchanged.
        """
        page = _forms["page"](self)
        with replacing(path) as temporary:
            Path(temporary).write_text(page, encoding="utf-8")

    def __str__(self) -> str:
        return _forms["text"](self)


_forms: dict[str, Callable[[ParityReport], str]] = {}


def show_as(form: str, function: Callable[[ParityReport], str]) -> None:
    """Say what makes a text, or a page, of a report: both know reports, so reports do not know them."""
    _forms[form] = function


def times(multiple: float) -> str:
    """A multiple as people read it: 0.4, 1.3, 27, 40,213."""
    if not math.isfinite(multiple):
        return "endlessly many"
    if multiple >= 1e7:
        return f"{multiple:.1e}"
    return f"{multiple:,.0f}" if multiple >= 10 else f"{multiple:.1f}"
