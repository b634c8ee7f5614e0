"""A model beside recorded outputs of anyone's making: the same measured rule as for recordings, for outputs alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import ArgumentError, counted, quote
from ..layers import Masking
from ..models import Model
from .measuring import Measured, measure, plain_number
from .plain_arithmetic import plain_arithmetic
from .report import LIMIT, times
from .running import MOVED, exactly, moved_copy, moved_inputs

# (inputs, outputs) of a golden file, in the order in which they are run.
CASES = (("x", "y"), ("x", "second_y"), ("mx", "my"))
TITLES = ("Output", "Shape", "Max |difference|", "Allowed", "Times rounding", "Verdict")


@dataclass(frozen=True)
class Comparison:
    """One output beside its golden.

    Attributes:
        name: Of the golden.
        ours: What the model computes.
        golden: What was recorded, in the dtype of `ours`.
        measured: How far they are apart, and what rounding does.
    """

    name: str
    ours: np.ndarray
    golden: np.ndarray
    measured: Measured

    @property
    def allowed(self) -> float:
        """How far the values may lie apart: a multiple of what rounding moves them by."""
        return LIMIT * self.measured.rounding

    @property
    def verdict(self) -> str:
        """What is found: "same", or what speaks against it."""
        if self.ours.shape != self.golden.shape:
            return f"DIFFERS: expected shape {self.golden.shape}, got {self.ours.shape}"
        if self.golden.dtype.kind == "f" and not np.isfinite(self.golden).all():
            return "DIFFERS: the recorded values are not all finite: they can confirm nothing"
        if self.measured.difference == 0:
            return "same"
        if self.measured.note:
            return f"NOT JUDGED: {self.measured.note}"
        return "same" if self.measured.multiple <= LIMIT else "DIFFERS"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        measured = self.measured.to_dict()
        return {"output": self.name, "verdict": self.verdict, "allowed": plain_number(self.allowed), **measured}

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of a table with `TITLES`."""
        found = self.measured
        return (
            self.name, str(self.golden.shape), f"{found.difference:.2e}", f"{self.allowed:.2e}", times(found.multiple),
            self.verdict,
        )  # fmt: skip


def compare_golden(model: Model, golden: Mapping[str, np.ndarray], prefix: str = "") -> list[Comparison]:
    """Run `model` on recorded inputs and put each output beside the recorded one.

    How far they may lie apart is measured: the model runs in float64 too, and with weights and inputs moved by one unit
    in the last place.

    Args:
        model: The model under test; it stays as it is.
        golden: Inputs `x0, x1, ...` with outputs `<prefix>y0, ...`; `mx0, ...` with `<prefix>my0, ...`: a second case
            whose inputs hold masked steps; `<prefix>second_y0, ...`: predict once more on `x0, ...`, states kept.
        prefix: What the names of the outputs start with.

    Raises:
        ArgumentError: The golden file has no such case, or another number of inputs or outputs than the model.
    """
    cases: list[tuple[str, list[np.ndarray], list[np.ndarray]]] = []
    for inputs, outputs in CASES:
        recorded = _numbered(golden, prefix + outputs)
        if not recorded:
            continue
        fed = _numbered(golden, inputs)
        if not fed:
            raise ArgumentError(f"The golden file has outputs {prefix}{outputs}0, ... but no inputs {inputs}0, ...")
        cases.append((prefix + outputs, fed, recorded))
    if not cases:
        held = ", ".join(map(quote, sorted(golden))) or "nothing"
        raise ArgumentError(f"The golden file has no output {prefix}y0. It holds: {held}. Choose one with --prefix.")
    made = run_rounded(model, [fed for _, fed, _ in cases])
    comparisons: list[Comparison] = []
    for number, (stem, _, recorded) in enumerate(cases):
        runs = [each[number] for each in made]
        if len(runs[0]) != len(recorded):
            raise ArgumentError(
                f"The model has {counted(len(runs[0]), 'output')}, the golden file {len(recorded)} ({stem}0, ...): "
                "it was recorded from another model."
            )
        names = [f"{stem}{place}" for place in range(len(recorded))]
        comparisons += beside(names, runs[0], recorded, runs[1:])
    return comparisons


def _numbered(arrays: Mapping[str, np.ndarray], stem: str) -> list[np.ndarray]:
    """`stem0`, `stem1`, ... as far as they go."""
    found: list[np.ndarray] = []
    while (key := f"{stem}{len(found)}") in arrays:
        found.append(arrays[key])
    return found


def run_rounded(
    model: Model, batches: Sequence[Sequence[np.ndarray]], before: Callable[[Model], None] = lambda _: None
) -> list[list[list[np.ndarray]]]:
    """The outputs of `predict` for some batches: by the model, in float64, and moved by one unit in the last place.

    One copy is held at a time. States that a model keeps go on from batch to batch.

    Args:
        model: The model; it is copied, and stays as it is.
        batches: The inputs of each.
        before: Called with each copy before each batch.
    """
    pads = tuple(module.mask_value for module in model.modules() if isinstance(module, Masking))
    given = [[_as_fed(model, array) for array in batch] for batch in batches]
    found: list[list[list[np.ndarray]]] = []
    for number in range(2 + MOVED):
        module = (
            copy.deepcopy(model) if number == 0 else exactly(model) if number == 1 else moved_copy(model, number - 2)
        )
        outputs = []
        for batch in given:
            before(module)
            outputs.append(predict(module, _inputs_of(number, batch, pads)))
        found.append(outputs)
        del module
    return found


def _as_fed(model: Model, array: np.ndarray) -> np.ndarray:
    """Floats in the dtype that the model takes, so that one unit in the last place is one of it."""
    own = next((tensor.dtype for tensor in model.parameters() if tensor.is_floating_point()), None)
    if array.dtype.kind != "f" or own not in (torch.float32, torch.float64):
        return array
    return array.astype("float32" if own == torch.float32 else "float64")


def _inputs_of(number: int, batch: Sequence[np.ndarray], pads: Sequence[float]) -> list[Any]:
    if any(array.dtype.kind not in "fiub" for array in batch):
        return list(batch)  # texts
    tensors = [torch.from_numpy(np.array(array)) for array in batch]
    return list(moved_inputs(tensors, number, pads))


def predict(model: Model, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of `predict`, in order. All rows are one batch: a stateful model takes no other size."""
    with plain_arithmetic():
        return flat(model.predict(list(inputs) if len(inputs) > 1 else inputs[0], batch_size=len(inputs[0])))


def flat(outputs: Any) -> list[np.ndarray]:
    """The arrays in nested outputs, in their order."""
    if isinstance(outputs, dict):
        outputs = list(outputs.values())
    return [array for item in outputs for array in flat(item)] if isinstance(outputs, (list, tuple)) else [outputs]


def beside(
    names: Sequence[str],
    ours: Sequence[np.ndarray],
    golden: Sequence[np.ndarray],
    others: Sequence[Sequence[np.ndarray]],
) -> Iterator[Comparison]:
    """Each array beside its golden.

    Args:
        names: Of the goldens.
        ours: What a model computes.
        golden: What it is compared with.
        others: What the same model computes in float64, then moved: how far that is from `ours` is rounding.
    """
    for place, (name, mine, theirs) in enumerate(zip(names, ours, golden, strict=True)):
        for owner, array in (("The model", mine), ("The golden file", theirs)):
            if array.dtype.kind not in "fiub":
                raise ArgumentError(f"{owner} has {array.dtype} in the output {name}: only numbers are compared.")
        if mine.dtype.kind == "f":
            theirs = theirs.astype(mine.dtype)  # of float64, say: nothing here can be more exact than ours
        if mine.shape != theirs.shape:
            yield Comparison(name, mine, theirs, Measured(theirs.shape, math.inf, 0.0, 0.0))
            continue
        exact, *moved = (run[place] for run in others)
        yield Comparison(name, mine, theirs, measure(mine, theirs, exact, moved))
