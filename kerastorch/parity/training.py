"""A training of both sides beside each other: the same batches in the same order, step by step.

Each side goes on from its own step before. Beside that, the optimizer here runs alone: it gets the reference's
gradients, so that what it does with them is seen by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.layer import Layer
from ..base.variables import all_variables
from ..errors import KerasTorchError, counted
from ..models import Model
from ..optimizers import Optimizer
from ..resuming import rule_of, written_state
from ..resuming.forms import places
from .compiling import Moving, Untrained, compile_all
from .gradients import filled, variable_at
from .kinks import KINK, settled
from .plain_arithmetic import plain_arithmetic
from .recorded import RecordedTraining, Recording
from .report import Row, Training
from .running import Variants, as_tensors, to_numpy
from .training_rows import Step, rows_of, updates_of

NOISE = ("rate", "dropout", "recurrent_dropout", "stddev")  # attributes that say how much is drawn at random


@dataclass
class FoundTraining:
    """What comparing a training leaves beside the rows.

    Attributes:
        gaps: What could not be compared, and why.
        variants: The models before the training.
        training: How both were trained; None where nothing was.
    """

    gaps: dict[str, str] = field(default_factory=dict)
    variants: Variants | None = None
    training: Training | None = None


def compare_training(
    recording: Recording,
    model: nn.Module,
    pads: Sequence[float],
    device: torch.device,
    chosen: Mapping[str, Any],
    found: FoundTraining,
) -> list[Row]:
    """Train a model as the reference was.

    Args:
        recording: The reference.
        model: The model; it is copied.
        pads: See `Variants`.
        device: Where it is.
        chosen: `optimizer` and `loss` that the caller has given, in the place of those it was compiled with.
        found: What is left beside the rows; this adds to it.
    """
    said = recording.training
    if said is None:
        found.gaps["training"] = "the reference has recorded none"
        return []
    if said.error is not None:
        part = f"it ends after {counted(len(said.steps), 'step')}" if said.steps else "there is none"
        found.gaps["training"] = f"{part} in the reference: {said.error}"
    if not said.steps:
        return []
    if said.summed:
        found.gaps["repeated words in the optimizer"] = (
            "Keras 3 on TensorFlow squares the gradient of each by itself; the reference was given their sums, as on "
            "every other backend"
        )
    if said.lost:
        found.gaps["what the optimizer had gathered"] = (
            "the file holds it, and Keras did not read it (Keras 3 leaves it out of an .h5): both sides begin anew"
        )
    try:
        if not isinstance(model, Model):
            raise Untrained("a module of plain torch has neither Keras's weights nor its optimizers")
        variants = Variants(model, pads)
        moving = compile_all(variants, said, recording, chosen)
        dropout = [name for module in variants.all for name in quieten(module)]
        with plain_arithmetic():
            made = [
                _train(place, recording, said, variants, moving[place], device) for place in range(len(variants.all))
            ]
    except (Untrained, KerasTorchError) as error:
        found.gaps["training"] = f"the model here is not trained: {error}"
        return []
    found.training = Training(
        optimizer=said.optimizer,
        settings=said.settings,
        loss=json.dumps(said.loss) if not isinstance(said.loss, str) else said.loss,
        chosen_by=said.chosen_by,
        dropout=_told(dropout, said),
        ours=tuple(float(step.loss) for step in made[0]),
        reference=tuple(step.loss for step in said.steps),
    )
    rows: list[Row] = []
    kink = ""
    alone = _alone(recording, model, said, pads, chosen, found)
    for number in range(len(said.steps)):
        beside = [steps[number] for steps in made]
        made_rows = rows_of(recording, said, number, variants, beside, found.gaps)
        if kink:
            made_rows = [_unjudged(row, f"behind {kink}") for row in made_rows]
        elif any(row.where == "training gradient" and row.differs for row in made_rows):
            kink = _kink(recording, said, number, model, pads, chosen, device, made_rows)
            if kink:
                made_rows = [row if row.where == "loss" else _unjudged(row, kink) for row in made_rows]
        rows += made_rows
        rows += updates_of(recording, number, variants, [steps[number] for steps in alone])
    return rows


def _told(dropout: Sequence[str], said: RecordedTraining) -> str:
    names = list(dict.fromkeys([*said.dropout, *dropout]))
    return f"dropout and noise are off on both sides ({', '.join(names)})" if names else "nothing is drawn at random"


def quieten(module: nn.Module) -> list[str]:
    """Turn dropout and noise off; the names of layers that had some."""
    found = []
    for owner in module.modules():
        for name in NOISE:
            value = owner.__dict__.get(name)
            if isinstance(owner, Layer) and isinstance(value, (int, float)) and not isinstance(value, bool) and value:
                setattr(owner, name, 0.0)
                found.append(owner.name)
    return found


# ---------------------------------------------------------------------------- the training here


def _train(
    place: int,
    recording: Recording,
    said: RecordedTraining,
    variants: Variants,
    moving: Moving | None,
    device: torch.device,
    at_last: Callable[[Any, list[Tensor], Any], None] | None = None,
) -> list[Step]:
    """All steps by one of the variants; `at_last` is called in the place of the last one."""
    module: Any = variants.all[place]
    if module.stateful:
        module.reset_states()
    module.train()
    made = []
    for step in said.steps:
        inputs = variants.inputs(as_tensors([recording.array(name) for name in step.inputs], device))[place]
        targets = as_tensors([recording.array(name) for name in step.targets], device)
        targets = [target.double() if place == 1 and target.is_floating_point() else target for target in targets]
        module._compiled.reset()
        if moving is not None:
            moving.begin_step()
        y = _packed(module, targets)
        if at_last is not None and step is said.steps[-1]:
            at_last(module, inputs, y)
            break
        module.train_step((inputs if len(inputs) > 1 else inputs[0], y))
        gradients = []
        for weight in step.gradients:
            variable = variable_at(module, weight.layer, weight.place)
            gradients.append(np.zeros(0) if variable is None else filled(variable.gradient(), variable.numpy()))
        weights = {layer.name: layer.get_weights() for layer in module.layers if layer.variables}
        # A tracker adds in float64; what comes in is of the dtype that the model computes in, and rounded as that is.
        loss = to_numpy(module._compiled.tracker.result().detach().reshape(()).to(_dtype_of(module)))
        made.append(Step(loss, gradients, weights, _slots(module, said)))
    module.eval()
    return made


def _dtype_of(module: nn.Module) -> torch.dtype:
    """The widest dtype of its weights."""
    floats = [tensor.dtype for tensor in module.parameters() if tensor.is_floating_point()]
    return max(floats, key=lambda dtype: torch.finfo(dtype).bits, default=torch.float32)


def _packed(module: Any, targets: list[Tensor]) -> Any:
    if len(targets) == 1:
        return targets[0]
    names = module._output_keys() if hasattr(module, "_output_keys") else None
    return targets if names is None else dict(zip(names, targets, strict=True))


def _slots(module: Any, said: RecordedTraining) -> list[np.ndarray | None]:
    """The state of the optimizer as the reference's Keras lists it; None for what means nothing there."""
    optimizer = module.optimizer
    if not isinstance(optimizer, Optimizer) or not rule_of(optimizer):
        return []
    trained = [variable for variable in all_variables(module) if variable.is_trained()]
    kind: Any = said.kind
    arrays = written_state(optimizer, optimizer, trained, kind).arrays
    pairs = zip(places(optimizer, trained, kind), arrays, strict=True)
    return [np.array(array.read()) if place.slot is not None else None for place, (_, array) in pairs]


def _alone(
    recording: Recording,
    model: nn.Module,
    said: RecordedTraining,
    pads: Sequence[float],
    chosen: Mapping[str, Any],
    found: FoundTraining,
) -> list[list[dict[tuple[str, int], np.ndarray]]]:
    """The weights after each step by the optimizer of each variant alone, which gets the reference's gradients."""
    variants = Variants(model, pads)
    found.variants = variants
    moving = compile_all(variants, said, recording, chosen)
    pairs = zip(variants.all, moving, strict=True)
    return [optimizer_alone(module, recording, said, moved) for module, moved in pairs]


def optimizer_alone(
    module: Any, recording: Recording, said: RecordedTraining, moving: Moving | None = None
) -> list[dict[tuple[str, int], np.ndarray]]:
    """The weights that the optimizer of a model makes of the reference's gradients, after each step.

    Args:
        module: The model, which changes.
        recording: The reference.
        said: Its training.
        moving: What moves the settings of its optimizer.
    """
    optimizer = module.optimizer
    made: list[dict[tuple[str, int], np.ndarray]] = []
    if not isinstance(optimizer, Optimizer) or any(not step.gradients for step in said.steps):
        return [{} for _ in said.steps]
    optimizer.build(module)
    for step in said.steps:
        pairs, places = [], []
        for weight in step.gradients:
            variable = variable_at(module, weight.layer, weight.place)
            if variable is None or not variable.is_trained() or weight.array is None:
                continue
            gradient = torch.from_numpy(np.array(recording.array(weight.array)))
            pairs.append((gradient.to(variable.device, variable.dtype), variable))
            places.append((weight.layer, weight.place, variable))
        if moving is not None:
            moving.begin_step()
        optimizer.apply_gradients(pairs)
        made.append({(layer, at): variable.numpy() for layer, at, variable in places})
    return made


# ---------------------------------------------------------------------------- at kinks


def _unjudged(row: Row, note: str) -> Row:
    return replace(row, measured=replace(row.measured, note=note)) if row.differs else row


def _kink(
    recording: Recording,
    said: RecordedTraining,
    number: int,
    model: Model,
    pads: Sequence[float],
    chosen: Mapping[str, Any],
    device: torch.device,
    rows: Sequence[Row],
) -> str:
    """Whether gradients of a step differ by a choice of slopes at kinks: which, in words; empty if they do not."""
    held = [row for row in rows if row.where == "training gradient"]
    variants = Variants(model, pads)
    moving = compile_all(variants, said, recording, chosen)
    quieten(variants.exact)
    found: list[Row] = []

    def at_last(module: Any, inputs: list[Tensor], y: Any) -> None:
        weights = {(weight.layer, weight.place): weight.array for weight in said.steps[number].gradients}
        variables: list[Any] = [variable_at(module, row.layer, row.place) for row in held]
        references = [
            np.zeros_like(variable.numpy())
            if (name := weights[row.layer, row.place]) is None
            else recording.array(name)
            for row, variable in zip(held, variables, strict=True)
        ]

        def again() -> list[np.ndarray]:
            module.zero_grad()
            with torch.enable_grad():
                outputs = module(inputs if len(inputs) > 1 else inputs[0])
                module.compute_loss(y=y, y_pred=outputs).backward()
            return [filled(variable.gradient(), variable.numpy()) for variable in variables]

        found.extend(settled(held, references, again, module))

    steps = replace(said, steps=said.steps[: number + 1])
    with plain_arithmetic():
        _train(1, recording, steps, variants, moving[1], device, at_last)
    notes = [row.measured.note for row in found if row.measured.note.startswith(KINK)]
    return notes[0] if notes and not any(row.differs for row in found) else ""
