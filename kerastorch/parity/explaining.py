"""What explains a difference, and whether a fault would have been noticed: a layer is run again, altered.

Both need no Keras: the layer gets the inputs and masks that the reference's layer got, and its outputs lie beside the
reference's, as the recording has them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from ..base.layer import Layer
from ..errors import KerasTorchError, counted, plural
from ..models import Model
from .alterations import LOST_MASK, Alteration, alterations_of
from .measuring import measure
from .piece import beyond, first_piece
from .plain_arithmetic import plain_arithmetic
from .recorded import Probe
from .report import LIMIT, Piece
from .running import OurCall, to_numpy
from .states import tensors_in


@dataclass(frozen=True)
class Case:
    """One call of a layer that can be repeated on the reference's inputs.

    Attributes:
        path: The layer's.
        probe: The run.
        layer: The layer here, with the weights of that run.
        call: How it was called here.
        inputs: The reference's.
        masks: The reference's; empty where ours stay.
        references: The reference's outputs.
        roundings: What rounding does to each of them.
        differences: How far ours lie from each of them.
    """

    path: str
    probe: Probe
    layer: Layer
    call: OurCall
    inputs: Sequence[np.ndarray]
    masks: Sequence[np.ndarray | None]
    references: Sequence[np.ndarray]
    roundings: Sequence[float]
    differences: Sequence[float]

    @property
    def multiple(self) -> float:
        """How far the layer is from the reference, in multiples of rounding."""
        return _most(self.differences, self.roundings)

    def run(self, alteration: Alteration | None = None) -> list[np.ndarray]:
        """The outputs of the layer for the reference's inputs, altered or not."""
        layer = copy.deepcopy(self.layer)
        if layer._keeps_states:
            layer.reset_states()  # type: ignore[attr-defined]
        tensors = [torch.from_numpy(np.array(array)) for array in self.inputs]
        masks = [None if mask is None else torch.from_numpy(np.array(mask)) for mask in self.masks]
        args, kwargs = self.call.given(tensors, masks if len(masks) == len(self.call.masks) else [])
        if alteration is not None and alteration.lost_mask and masks:
            kwargs = {**kwargs, "mask": masks[0] if len(masks) == 1 else masks}
        if alteration is not None and alteration.change is not None:
            alteration.change(layer)
        if alteration is not None and alteration.call is not None:
            args, kwargs = alteration.call(args, kwargs)
        around = alteration.around if alteration is not None and alteration.around is not None else nullcontext
        with torch.random.fork_rng(devices=[]), plain_arithmetic(), torch.inference_mode(), around():
            return [to_numpy(tensor) for tensor in tensors_in(layer._call_past_masks(*args, **kwargs))]

    def altered(self, alteration: Alteration) -> tuple[float, float]:
        """How far an altered layer is from the reference, absolute and in multiples of rounding.

        Both are infinite where the layer cannot be altered so: it makes another shape, say.
        """
        try:
            made = self.run(alteration)
        except (KerasTorchError, RuntimeError, TypeError):
            return math.inf, math.inf
        if [array.shape for array in made] != [array.shape for array in self.references]:
            return math.inf, math.inf
        found = [_distance(ours, theirs) for ours, theirs in zip(made, self.references, strict=True)]
        return max(found, default=0.0), _most(found, self.roundings)


def _distance(ours: np.ndarray, reference: np.ndarray) -> float:
    measured = measure(ours, reference, ours, [])
    return 0.0 if measured.note else measured.difference


def _most(differences: Sequence[float], roundings: Sequence[float]) -> float:
    pairs = zip(differences, roundings, strict=True)
    return max((gap / rounding if rounding else math.inf for gap, rounding in pairs if gap), default=0.0)


# ---------------------------------------------------------------------------- explaining


def explain(cases: Sequence[Case]) -> str | None:
    """The alteration with which a layer computes what the reference computes, in all its cases; None if none does."""
    before = max((max(case.differences, default=0.0) for case in cases), default=0.0)
    if not cases or max(case.multiple for case in cases) <= LIMIT:
        return None
    masked = any(mask is not None for case in cases for mask in case.call.masks)
    lost = [LOST_MASK] if _lost_mask(cases) else []
    for alteration in (*lost, *alterations_of(cases[0].layer, masked=masked)):
        after, worst = 0.0, 0.0
        # The case that differs most first: most alterations are out at once.
        for case in sorted(cases, key=lambda case: -case.multiple):
            gap, multiple = case.altered(alteration)
            after, worst = max(after, gap), max(worst, multiple)
            if worst > LIMIT:
                break
        else:
            return f"{cases[0].path}: {alteration.text} (the difference falls from {before:.2g} to {after:.2g})"
    return None


def _lost_mask(cases: Sequence[Case]) -> bool:
    """Whether the reference has masks where there are none here."""
    return any(
        any(mask is not None for mask in case.masks) and not any(mask is not None for mask in case.call.masks)
        for case in cases
    )


def smallest(cases: Sequence[Case]) -> Piece | None:
    """The smallest piece that differs: the case of the fewest numbers, its first row and step that do."""
    wrong = [case for case in cases if case.multiple > LIMIT]
    if not wrong:
        return None
    case = min(wrong, key=lambda case: sum(array.size for array in case.inputs))
    for place, (ours, theirs, rounding) in enumerate(zip(case.run(), case.references, case.roundings, strict=True)):
        if ours.shape != theirs.shape or ours.ndim == 0:
            continue
        far = beyond(ours, theirs, rounding)
        if not far.any():
            continue
        rows = np.asarray(far.reshape(len(far), -1).any(axis=1))
        row = int(np.argmax(rows))
        where = f"{case.path} alone in the probe {case.probe.name!r}"
        differs = plural(int(rows.sum()), "differs", "differ")
        text = f"{where}: {rows.sum()} of {counted(len(far), 'row')} {differs}, first {row}"
        if ours.ndim > 2:
            steps = np.asarray(far[row].reshape(far.shape[1], -1).any(axis=1))
            text += f"; in it {int(steps.sum())} of {counted(far.shape[1], 'step')}, first {int(np.argmax(steps))}"
        whose = case.path, case.probe.name, place
        return first_piece(f"{text}; output {place}", whose, ours, theirs, rounding, batched=True)
    return None


def explain_mask(path: str, ours: np.ndarray, theirs: np.ndarray) -> str | None:
    """What has become of a mask; None if that cannot be told."""
    late = [(1, "late"), (-1, "early")]
    for shift, word in late if theirs.ndim > 1 else []:
        if (ours[:, 1:] == np.roll(theirs, shift, 1)[:, 1:]).all() and (ours != theirs).any():
            return f"{path}: the mask that it is given is one step {word}"
    if (ours != theirs).all():
        return f"{path}: the mask that it is given is the inverted one"
    if ours.all():
        return f"{path}: the mask that it is given leaves nothing out"
    return None


# ---------------------------------------------------------------------------- would a fault have been noticed?


def plant(cases: Mapping[str, Sequence[Case]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Plant faults in the layers, one at a time, and see whether the comparison notices.

    Args:
        cases: By the path of each layer.

    Returns:
        The faults that were noticed and those that were not, by the path of the layer.
    """
    noticed: dict[str, list[str]] = {}
    missed: dict[str, list[str]] = {}
    for path, held in cases.items():
        if not held or isinstance(held[0].layer, Model):
            continue
        masked = any(mask is not None for case in held for mask in case.call.masks)
        for alteration in alterations_of(held[0].layer, masked=masked):
            if not alteration.main:
                continue
            caught = any(case.altered(alteration)[1] > LIMIT for case in held)
            (noticed if caught else missed).setdefault(path, []).append(alteration.text)
    return noticed, missed
