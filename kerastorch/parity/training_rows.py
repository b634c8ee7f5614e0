"""What each step of a training leaves, on both sides: losses, gradients, weights, the state of the optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import counted
from .gradients import variable_at
from .measuring import Measured, measure
from .recorded import RecordedTraining, Recording
from .report import Row
from .running import Variants


@dataclass
class Step:
    """What one step of ours leaves.

    Attributes:
        loss: Before the update.
        gradients: Of each weight that the reference has one of, in Keras's layout.
        weights: After the step, by layer.
        slots: The state of the optimizer after it, as the reference's Keras lists it; None for what no step reads.
    """

    loss: np.ndarray
    gradients: list[np.ndarray]
    weights: dict[str, list[np.ndarray]]
    slots: list[np.ndarray | None]


def rows_of(
    recording: Recording,
    said: RecordedTraining,
    number: int,
    variants: Variants,
    ours: Sequence[Step],
    gaps: dict[str, str],
) -> list[Row]:
    """One step: loss, gradients, weights, state of the optimizer.

    Args:
        recording: The reference.
        said: Its training.
        number: Which step, the first is 0.
        variants: The models.
        ours: The step, by each of them.
        gaps: What cannot be compared, and why; this adds to it.
    """
    step = said.steps[number]
    at = number + 1
    dtype = ours[0].loss.dtype
    rows = [_row("loss", "", 0, at, "", np.asarray(step.loss, dtype), [each.loss for each in ours])]
    for place, weight in enumerate(step.gradients):
        variable = variable_at(variants.base, weight.layer, weight.place)
        if variable is None or (weight.array is None and weight.flows):
            continue
        reference = np.zeros_like(variable.numpy()) if weight.array is None else recording.array(weight.array)
        made = [each.gradients[place] for each in ours]
        rows.append(_row("training gradient", weight.layer, weight.place, at, variable.path, reference, made))
    for layer, names in step.weights:
        held = ours[0].weights.get(layer)
        if held is None or len(held) != len(names):
            gaps[f"weights of {layer} in the training"] = "the model here has no such weights"
            continue
        for place, name in enumerate(names):
            variable = variable_at(variants.base, layer, place)
            if name is None or variable is None:
                gaps[f"weights of {layer} in the training"] = "they had no room in the recording"
                continue
            made = [each.weights[layer][place] for each in ours]
            rows.append(_row("weight", layer, place, at, variable.path, recording.array(name), made))
    return rows + _of_slots(recording, step.slots, at, ours, gaps)


def _of_slots(
    recording: Recording,
    slots: Sequence[tuple[str, str | None]],
    at: int,
    ours: Sequence[Step],
    gaps: dict[str, str],
) -> list[Row]:
    theirs = [None if name is None else recording.array(name) for _, name in slots]
    if any(array is None for array in theirs):
        gaps["state of the optimizer"] = "it had no room in the recording"
        return []
    held = [each.slots for each in ours]
    fits = len(held[0]) == len(theirs)
    pairs = list(zip(theirs, held[0], strict=fits))
    if not fits or any(a is not None and b is not None and a.shape != b.shape for a, b in pairs):
        gaps["state of the optimizer"] = (
            f"it has {counted(len(held[0]), 'array')} here, {len(theirs)} in the reference, or of other shapes"
        )
        return []
    rows = []
    for place, ((name, _), reference) in enumerate(zip(slots, theirs, strict=True)):
        assert reference is not None
        made = [array for each in held if (array := each[place]) is not None]
        if made:
            rows.append(_row("slot", "", place, at, name, reference, made))
    return rows


def updates_of(
    recording: Recording,
    number: int,
    variants: Variants,
    alone: Sequence[Mapping[tuple[str, int], np.ndarray]],
) -> list[Row]:
    assert recording.training is not None
    weights = dict(recording.training.steps[number].weights)
    rows = []
    for (layer, place), _ in alone[0].items():
        name = weights[layer][place] if layer in weights else None
        variable = variable_at(variants.base, layer, place)
        if name is not None and variable is not None:
            made = [each[layer, place] for each in alone]
            rows.append(_row("update", layer, place, number + 1, variable.path, recording.array(name), made))
    return rows


def _row(
    where: str, layer: str, place: int, step: int, array: str, reference: np.ndarray, made: Sequence[np.ndarray]
) -> Row:
    ours, exact, *moved = made
    measured: Measured = measure(ours, reference, exact, moved)
    return Row(where, layer, "", place, "", measured, array, step)
