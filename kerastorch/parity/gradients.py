"""Gradients of both sides beside each other, as the chain runs.

The loss is the sum of all numbers of the outputs, each times a factor that the recording has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..base.layer import Layer
from ..base.variable import Variable
from ..models import Model
from .kinks import settled
from .measuring import measure
from .plain_arithmetic import plain_arithmetic
from .recorded import Gradients, Probe, Recording, WeightGradient
from .report import Row
from .running import Variants, as_tensors, to_numpy
from .states import beginning_with, tensors_in

Place = tuple[str, int]  # a layer of the model, and which of its weights


@dataclass
class Derived:
    """Gradients of one number: for each input, and for each variable in Keras's layout; None where none flows."""

    inputs: list[Tensor | None]
    weights: list[Tensor | None]


@dataclass(frozen=True)
class GradientCase:
    """Gradients of one layer, or as the chain runs, that may be explained.

    Attributes:
        layer: The layer here; None for inputs of the model.
        row: What was found.
        ours: Our gradient.
        reference: The reference's.
        value: What the gradient is of: the weight in Keras's layout, or the input.
    """

    layer: Layer | None
    row: Row
    ours: np.ndarray
    reference: np.ndarray
    value: np.ndarray


@dataclass
class FoundGradients:
    """What comparing gradients leaves beside the rows.

    Attributes:
        gaps: What could not be compared, and why.
        cases: Gradients that differ, and not by a choice of slopes at kinks.
        compared: All gradients that are judged.
    """

    gaps: dict[str, str] = field(default_factory=dict)
    cases: list[GradientCase] = field(default_factory=list)
    compared: list[GradientCase] = field(default_factory=list)


def derive_all(
    recording: Recording,
    probe: Probe,
    variants: Variants,
    device: torch.device,
    found: FoundGradients,
    only: nn.Module | None = None,
) -> list[Derived] | None:
    """The gradients of a probe by every variant of the model, as the chain runs; None where the reference has none.

    Args:
        recording: The reference.
        probe: Which of its runs.
        variants: The models; the states that they keep stay as they are.
        device: Where they are.
        found: What is left beside the rows; this adds to it.
        only: The one of the variants that is run; all if None.
    """
    said = probe.gradients
    if said is None:
        return None
    if said.error is not None or None in said.factors:
        why = f"the reference has none: {said.error}" if said.error else "their arrays had no room in the recording"
        found.gaps["gradients"] = f"in the probe {probe.name!r}: {why}"
        return None
    factors = as_tensors([recording.array(str(name)) for name in said.factors], device)
    begun = variants.begun({path: [recording.array(name) for name in names] for path, names in probe.begun}, device)
    inputs = variants.inputs(as_tensors([recording.array(name) for name in probe.inputs], device))
    weights = trained_here(said.weights, variants, found)
    made = []
    with plain_arithmetic():
        for module, given, start in zip(variants.all, inputs, begun, strict=True):
            if only is not None and module is not only:
                continue
            found_here = [variable_at(module, weight.layer, weight.place) for weight in weights]
            held = [variable for variable in found_here if variable is not None]
            with KeptAsTheyAre(module), beginning_with(start):
                made.append(derive(module, given, held, weighted_sum(factors)))
    return made


def compare_gradients(
    recording: Recording,
    probe: Probe,
    derived: Sequence[Derived],
    variants: Variants,
    device: torch.device,
    found: FoundGradients,
) -> list[Row]:
    """The gradients of a probe beside the reference's, as the chain runs.

    Args:
        recording: The reference.
        probe: Which of its runs.
        derived: What `derive_all` gave.
        variants: The models.
        device: Where they are.
        found: What is left beside the rows; this adds to it.
    """
    said = probe.gradients
    assert said is not None
    weights = trained_here(said.weights, variants, found)
    places = _whole(recording, probe, said, weights, variants, derived)

    def again() -> list[np.ndarray]:
        made = derive_all(recording, probe, variants, device, FoundGradients(), variants.exact)
        return [beside.ours for beside in _whole(recording, probe, said, weights, variants, (made or []) * 2)]

    return judged_at_kinks(places, again, variants.exact, found)


def trained_here(given: Sequence[WeightGradient], variants: Variants, found: FoundGradients) -> list[WeightGradient]:
    """Those weights that the model here trains too."""
    kept = []
    for weight in given:
        variable = variable_at(variants.base, weight.layer, weight.place)
        if variable is None:
            found.gaps[f"gradients of {weight.layer}"] = "the model here has no such weights"
        elif not variable.is_trained():
            found.gaps[f"gradient of {variable.path}"] = "it is not trained here"
        elif weight.array is None and weight.flows:
            found.gaps[f"gradient of {variable.path}"] = "it had no room in the recording"
        else:
            kept.append(weight)
    return kept


def variable_at(model: nn.Module, layer: str, place: int) -> Variable | None:
    """A variable of a model by its layer, and which of its weights it is; None where there is none."""
    if not isinstance(model, Model):
        return None
    named = {item.name: item for item in model.layers}
    held: Any = named[layer].variables if layer in named else []
    return held[place] if place < len(held) else None


def derive(
    module: Any,
    inputs: Sequence[Tensor],
    variables: Sequence[Variable],
    loss_of: Any,
    call: Any = None,
) -> Derived:
    """Run a module with gradients, and differentiate.

    Args:
        module: What is run.
        inputs: Its inputs.
        variables: What gradients are asked for.
        loss_of: Makes one number of the list of outputs.
        call: Runs the module on inputs; it is called with these if None.
    """
    given = [tensor.detach().clone() for tensor in inputs]
    floats = [tensor.requires_grad_() for tensor in given if tensor.is_floating_point()]
    with torch.enable_grad():
        loss = loss_of(tensors_in(module(*given) if call is None else call(given)))
    parts = [variable.parts() for variable in variables]
    sources = list(dict.fromkeys([*floats, *(part for held in parts for part in held if part.requires_grad)]))
    if not isinstance(loss, Tensor) or not loss.requires_grad or not sources:
        return Derived([None] * len(given), [None] * len(parts))
    grads = dict(zip(sources, torch.autograd.grad(loss, sources, allow_unused=True), strict=True))
    made: list[Tensor | None] = []
    for variable, held in zip(variables, parts, strict=True):
        there = [grads.get(part) for part in held]
        if all(grad is None for grad in there):
            made.append(None)
            continue
        full = [torch.zeros_like(part) if grad is None else grad for grad, part in zip(there, held, strict=True)]
        made.append(variable.var.to_keras([grad.to_dense() if grad.is_sparse else grad for grad in full]))
    return Derived([grads.get(tensor) for tensor in given], made)


def weighted_sum(factors: Sequence[Tensor]) -> Any:
    """A loss: the sum of all outputs, each number times its factor."""

    def loss_of(outputs: Sequence[Tensor]) -> Any:
        pairs = [(output, factor) for output, factor in zip(outputs, factors, strict=True)]
        return sum((output * factor.to(output)).sum() for output, factor in pairs if output.is_floating_point())

    return loss_of


@dataclass(frozen=True)
class Beside:
    """Gradients of one array, by both sides."""

    row: Row
    layer: Layer | None
    ours: np.ndarray
    reference: np.ndarray
    value: np.ndarray


def _whole(
    recording: Recording,
    probe: Probe,
    said: Gradients,
    weights: Sequence[WeightGradient],
    variants: Variants,
    made: Sequence[Derived],
) -> list[Beside]:
    """Gradients as the chain runs."""
    arrays = [recording.array(name) for name in probe.inputs]
    found = []
    for place, (array, name) in enumerate(zip(arrays, said.inputs, strict=True)):
        if array.dtype.kind == "f":
            reference = np.zeros_like(array) if name is None else recording.array(name)
            ours = [filled(derived.inputs[place], array) for derived in made]
            row = row_of("gradient", "", "", place, probe.name, f"input {place}", reference, ours)
            found.append(Beside(row, None, ours[0], reference, array))
    for number, weight in enumerate(weights):
        variable = variable_at(variants.base, weight.layer, weight.place)
        assert variable is not None
        value = variable.numpy()
        reference = np.zeros_like(value) if weight.array is None else recording.array(weight.array)
        ours = [filled(derived.weights[number], value) for derived in made]
        layer = variants.layers[0].get(weight.layer)
        kind = "" if layer is None else layer._class_name
        row = row_of("gradient", weight.layer, kind, weight.place, probe.name, variable.path, reference, ours)
        found.append(Beside(row, layer, ours[0], reference, value))
    return found


def judged_at_kinks(
    places: Sequence[Beside], again: Callable[[], list[np.ndarray]], module: nn.Module, found: FoundGradients
) -> list[Row]:
    """The rows; those that differ by a choice of slopes alone are not judged, the others are noted.

    Args:
        places: Gradients by both sides.
        again: Gives ours of each, in float64.
        module: What is run by that.
        found: What is left beside the rows; this adds to it.
    """
    rows = [beside.row for beside in places]
    if not found.cases:  # a difference that is none leaves no parity, whatever the others are
        rows = settled(rows, [beside.reference for beside in places], again, module)
    for row, beside in zip(rows, places, strict=True):
        case = GradientCase(beside.layer, row, beside.ours, beside.reference, beside.value)
        found.compared += [case] if row.judged else []
        found.cases += [case] if row.differs else []
    return rows


def row_of(
    where: str,
    layer: str,
    kind: str,
    place: int,
    probe: str,
    array: str,
    reference: np.ndarray,
    made: Sequence[np.ndarray],
) -> Row:
    ours, exact, *moved = made
    return Row(where, layer, kind, place, probe, measure(ours, reference, exact, moved), array)


def filled(gradient: Tensor | None, like: np.ndarray) -> np.ndarray:
    """A gradient as an array; zeros where none flows."""
    return np.zeros_like(like) if gradient is None else to_numpy(gradient)


class KeptAsTheyAre:
    """The states that a model keeps between batches are after a run what they were before."""

    def __init__(self, module: nn.Module) -> None:
        self.held = [
            (owner, name, buffer)
            for owner in module.modules()
            for name, buffer in owner.named_buffers(recurse=False)
            if name.startswith("_state_")
        ]
        self.owners = [owner for owner in module.modules() if isinstance(owner, Layer) and owner._keeps_states]

    def __enter__(self) -> None:
        self.kept = [(owner, name, buffer.clone()) for owner, name, buffer in self.held]

    def __exit__(self, *_: object) -> None:
        for owner in self.owners:
            owner._forget_states()  # type: ignore[attr-defined]
        for owner, name, buffer in self.kept:
            getattr(owner, name).copy_(buffer)
