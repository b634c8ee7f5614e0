"""The calls of the layers of both sides beside each other: as the chain runs, and each on the reference's inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ..base.layer import Layer
from ..errors import KerasTorchError, counted
from ..models import Model
from .explaining import Case
from .measuring import Measured, measure
from .recorded import Call, Probe, Recording
from .report import Row
from .running import OurCall, Run, Variants, to_numpy
from .states import is_recurrent


def compare_outputs(recording: Recording, probe: Probe, runs: Sequence[Run]) -> list[Row]:
    """The outputs of the model, and those that `predict` gave."""
    rows: list[Row] = []
    for where, names in (("output", probe.outputs), ("predict", probe.predicted)):
        if names:
            references = [recording.array(name) for name in names]
            rows += _rows(where, "", "", probe.name, references, [run.outputs for run in runs])
    return rows


@dataclass
class Found:
    """What comparing the layers leaves beside the rows.

    Attributes:
        gaps: What could not be compared, and why.
        cases: By the path of each layer, its calls that can be repeated on the reference's inputs.
        masks: Masks that differ: the path of the layer, ours, the reference's.
    """

    gaps: dict[str, str] = field(default_factory=dict)
    cases: dict[str, list[Case]] = field(default_factory=dict)
    masks: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)


def compare_layers(
    recording: Recording, probe: Probe, runs: Sequence[Run], variants: Variants, found: Found
) -> list[Row]:
    """Every call of a layer that both sides have.

    Args:
        recording: The reference.
        probe: Which of its runs.
        runs: Those of the model as it is, in float64 and moved, on the same inputs.
        variants: The models that ran.
        found: What is left beside the rows; this adds to it.
    """
    theirs: dict[str, list[Call]] = {}
    for call in probe.calls:
        theirs.setdefault(call.layer, []).append(call)
    rows: list[Row] = []
    for path, calls in theirs.items():
        layer = variants.layers[0].get(path)
        ours = [run.calls.get(path, []) for run in runs]
        if layer is None and all(_is_mask(recording, call) for call in calls):
            continue  # Keras 3 lists what computes a mask; masks are compared where layers take them
        if layer is None:
            found.gaps[f"layer {path}"] = "the model here has no layer of this name"
        elif len(ours[0]) != len(calls):
            found.gaps[f"layer {path}"] = f"it is called {len(ours[0])} times here, {len(calls)} times in the reference"
        else:
            for call, number in zip(calls, in_order(recording, calls, ours[0]), strict=True):
                beside = [each[number] for each in ours]
                rows += _call(recording, probe, call, layer, beside, variants, found)
    for path in runs[0].calls:
        if path not in theirs:
            found.gaps[f"layer {path}"] = "the reference has no layer of this name, or has not recorded it"
    return rows


def _is_mask(recording: Recording, call: Call) -> bool:
    return bool(call.outputs) and all(name and recording.array(name).dtype == np.bool_ for name in call.outputs)


def in_order(recording: Recording, calls: Sequence[Call], ours: Sequence[OurCall]) -> list[int]:
    """Which of our calls of a shared layer each call of the reference is: the one with the nearest inputs."""
    if len(calls) == 1:
        return [0]
    left, found = list(range(len(ours))), []
    for call in calls:
        inputs = [None if name is None else recording.array(name) for name in call.inputs]
        costs = [_apart(inputs, ours[number]) for number in left]
        found.append(left.pop(int(np.argmin(costs))))
    return found


def _apart(inputs: Sequence[np.ndarray | None], ours: OurCall) -> float:
    mine = [to_numpy(tensor) for tensor in ours.inputs]
    if [None if array is None else array.shape for array in inputs] != [array.shape for array in mine]:
        return math.inf
    pairs = [(a, b) for a, b in zip(inputs, mine, strict=True) if a is not None and a.size]
    return sum(float(np.nan_to_num(np.abs(a.astype("float64") - b)).max()) for a, b in pairs)


def _call(
    recording: Recording,
    probe: Probe,
    call: Call,
    layer: Layer,
    ours: Sequence[OurCall],
    variants: Variants,
    found: Found,
) -> list[Row]:
    """One call: its masks, its outputs, and its outputs for the reference's inputs."""
    rows = _masks(recording, probe, call, layer, ours[0], found)
    if any(name is None for name in call.outputs):
        return rows  # there was no room; the report says so
    references = [recording.array(name) for name in call.outputs if name is not None]
    rows += _rows("layer", call.layer, call.kind, probe.name, references, [each.outputs for each in ours])
    if call.states and None not in call.states:
        states = [recording.array(name) for name in call.states if name is not None]
        if is_recurrent(layer):
            rows += _rows("state", call.layer, call.kind, probe.name, states, [each.states for each in ours])
        else:
            found.gaps[f"states of {call.layer}"] = "it is of somebody's own making"
    why = why_not_alone(recording, probe, call, layer, ours[0])
    if why:
        found.gaps[f"layer {call.layer} alone"] = why
        return rows
    if isinstance(layer, Model):
        return rows  # its layers are compared one by one
    inputs = [recording.array(name) for name in call.inputs if name is not None]
    masks = [None if name is None else recording.array(name) for name in call.masks]
    try:
        made = variants.alone(call.layer, ours, inputs, masks if len(masks) == len(ours[0].masks) else [])
    except KerasTorchError as error:
        found.gaps[f"layer {call.layer} alone"] = f"it does not take the reference's inputs: {error}"
        return rows
    alone = _rows("alone", call.layer, call.kind, probe.name, references, made)
    measured = [row.measured for row in alone]
    if not any(item.note or item.wrong for item in measured):
        rounding, apart = [item.rounding for item in measured], [item.difference for item in measured]
        case = Case(
            call.layer, probe, variants.layers[0][call.layer], ours[0], inputs, masks, references, rounding, apart
        )
        found.cases.setdefault(call.layer, []).append(case)
    return rows + alone


def why_not_alone(recording: Recording, probe: Probe, call: Call, layer: Layer, ours: OurCall) -> str:
    """Why a layer is not run on the reference's inputs; empty if it is."""
    if isinstance(layer, Model):
        return ""
    if layer._own_code:
        return "it is of somebody's own making"
    if layer._keeps_states and probe.continues:
        return f"in the probe {probe.name!r}: its states, kept from the batch before, are not recorded"
    shapes = [tuple(tensor.shape) for tensor in ours.inputs]
    given = [None if name is None else recording.array(name).shape for name in call.inputs]
    if given != shapes:
        return f"its inputs have the shapes {shapes} here, {given} in the reference"
    return ""


def _masks(recording: Recording, probe: Probe, call: Call, layer: Layer, ours: OurCall, found: Found) -> list[Row]:
    """The masks that a layer is given: equal ones. Where one side has none the outputs decide, and it is told."""
    theirs = [recording.array(name) for name in call.masks if name is not None]
    mine = [to_numpy(mask) for mask in ours.masks if mask is not None]
    if not theirs and not mine:
        return []
    if len(theirs) != len(mine):
        if not layer._takes_mask and not layer._call_arguments.masked:
            return []
        whole = all(mask.all() for mask in (*theirs, *mine))
        told = f"{counted(len(mine), 'mask')} here, {len(theirs)} in the reference"
        empty = Measured((), 0.0, 0.0, 0.0, note=told)
        return [] if whole else [Row("mask", call.layer, call.kind, 0, probe.name, empty)]
    rows = []
    for place, (mask, other) in enumerate(zip(mine, theirs, strict=True)):
        measured = measure(mask.astype(bool), other.astype(bool), mask.astype(bool), [])
        rows.append(Row("mask", call.layer, call.kind, place, probe.name, measured))
        if rows[-1].differs and mask.shape == other.shape:
            found.masks.append((call.layer, mask, other))
    return rows


def _rows(
    where: str,
    path: str,
    kind: str,
    probe: str,
    references: Sequence[np.ndarray],
    made: Sequence[Sequence[torch.Tensor]],
) -> list[Row]:
    """Arrays of the reference beside those of the model as it is, in float64 and moved."""
    if len(references) != len(made[0]):
        wrong = f"it makes {counted(len(made[0]), 'array')} here, {len(references)} in the reference"
        return [Row(where, path, kind, 0, probe, Measured((), math.inf, 0.0, 0.0, wrong=wrong))]
    rows = []
    for place, reference in enumerate(references):
        ours, exact, *moved = (to_numpy(tensors[place]) for tensors in made)
        rows.append(Row(where, path, kind, place, probe, measure(ours, reference, exact, moved)))
    return rows
