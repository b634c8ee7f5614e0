"""The gradients of each layer alone, which gets the reference's inputs and the reference's gradients of its outputs.

So a layer whose backward pass is wrong is found, and not those before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.layer import Layer
from ..base.variable import Variable
from ..models import Model
from .gradients import (
    Beside,
    Derived,
    FoundGradients,
    Place,
    derive,
    filled,
    judged_at_kinks,
    row_of,
    trained_here,
    variable_at,
)
from .layers import in_order, why_not_alone
from .plain_arithmetic import plain_arithmetic
from .recorded import Call, Gradients, Probe, Recording, WeightGradient
from .report import Row
from .running import OurCall, Run, Variants, as_tensors, copied


def compare_gradients_alone(
    recording: Recording, probe: Probe, runs: Sequence[Run], variants: Variants, found: FoundGradients
) -> list[Row]:
    """The gradients of each layer on the reference's inputs; nothing where the reference cannot tell.

    Args:
        recording: The reference.
        probe: Which of its runs.
        runs: Of the variants, on the same inputs, with the calls of layers.
        variants: The models.
        found: What is left beside the rows; this adds to it.
    """
    said = probe.gradients
    if said is None or len(said.calls) != len(probe.calls) or not any(run.calls for run in runs):
        return []
    weights = trained_here(said.weights, variants, found)
    return _Alone(recording, probe, said, runs, variants, weights, found).rows()


class _Alone:
    """Each layer on the reference's inputs, with the reference's gradients of its outputs."""

    def __init__(
        self,
        recording: Recording,
        probe: Probe,
        said: Gradients,
        runs: Sequence[Run],
        variants: Variants,
        weights: Sequence[WeightGradient],
        found: FoundGradients,
    ) -> None:
        self.recording, self.probe, self.said, self.runs = recording, probe, said, runs
        self.variants, self.found = variants, found
        self.weights = {(weight.layer, weight.place): weight for weight in weights}
        self.sums: list[dict[Place, Tensor]] = [{} for _ in variants.all]
        self.spoilt: set[str] = set()  # layers of the model of which a call cannot be repeated
        self.done: list[tuple[Call, Layer, list[np.ndarray], list[Derived]]] = []
        self.called: list[tuple[Call, Layer, Sequence[OurCall], Sequence[str | None]]] = []
        self.numbers = range(len(variants.all))

    def rows(self) -> list[Row]:
        theirs: dict[str, list[tuple[Call, Sequence[str | None]]]] = {}
        for call, gradients in zip(self.probe.calls, self.said.calls, strict=True):
            theirs.setdefault(call.layer, []).append((call, gradients))
        for path, pairs in theirs.items():
            layer = self.variants.layers[0].get(path)
            ours = [run.calls.get(path, []) for run in self.runs]
            if isinstance(layer, Model):
                continue
            if layer is None or len(ours[0]) != len(pairs):
                self.spoilt.add(path.partition("/")[0])
                continue
            numbers = in_order(self.recording, [call for call, _ in pairs], ours[0])
            for (call, gradients), number in zip(pairs, numbers, strict=True):
                beside = [each[number] for each in ours]
                if None in call.inputs or why_not_alone(self.recording, self.probe, call, layer, beside[0]):
                    self.spoilt.add(path.partition("/")[0])
                else:
                    self._call(call, layer, beside, gradients)
        places = [*self._of_inputs(), *self._of_weights()]
        return judged_at_kinks(places, self._again, self.variants.exact, self.found)

    def _again(self) -> list[np.ndarray]:
        """The gradients of all rows once more, in float64."""
        weights = list(self.weights.values())
        once = _Alone(self.recording, self.probe, self.said, self.runs, self.variants, weights, self.found)
        once.numbers, once.spoilt = range(1, 2), self.spoilt
        for call in self.called:
            once._call(*call)
        once.sums = [once.sums[1]] * 2
        once.done = [(*held, made * 2) for *held, made in once.done]  # type: ignore[misc]
        return [beside.ours for beside in (*once._of_inputs(), *once._of_weights())]

    def _call(self, call: Call, layer: Layer, ours: Sequence[OurCall], gradients: Sequence[str | None]) -> None:
        self.called.append((call, layer, ours, gradients))
        path = call.layer
        arrays = [self.recording.array(str(name)) for name in call.inputs]
        masks = [None if name is None else self.recording.array(name) for name in call.masks]
        masks = masks if len(masks) == len(ours[0].masks) else []
        tensors = self.variants.inputs(as_tensors(arrays, torch.device("cpu")))
        made = []
        with plain_arithmetic():
            for number in self.numbers:
                layers = self.variants.layers[number]
                made.append(self._derived(layers[path], ours[number], tensors[number], masks, gradients))
                places = self._places(number)
                for variable, gradient in zip(layers[path].variables, made[-1].weights, strict=True):
                    place = places.get(_key(variable))
                    if place is not None and gradient is not None:
                        sums = self.sums[number]
                        sums[place] = gradient + sums[place] if place in sums else gradient
        self.done.append((call, layer, arrays, made))

    def _derived(
        self,
        layer: Any,
        own: OurCall,
        given: Sequence[Tensor],
        masks: Sequence[np.ndarray | None],
        gradients: Sequence[str | None],
    ) -> Derived:
        if layer._keeps_states:  # those of the chain stay as they are
            layer = copied(layer)
            layer.reset_states()
        covers = [None if mask is None else torch.from_numpy(np.array(mask)) for mask in masks]

        def call(tensors: Sequence[Tensor]) -> Any:
            args, kwargs = own.given(tensors, covers)
            return layer._call_past_masks(*args, **kwargs)

        def loss_of(outputs: Sequence[Tensor]) -> Any:
            pairs = zip(outputs, gradients, strict=True)
            held = [(output, torch.from_numpy(np.array(self.recording.array(name)))) for output, name in pairs if name]
            return sum((output * factor.to(output)).sum() for output, factor in held if output.is_floating_point())

        return derive(layer, given, list(layer.variables), loss_of, call)

    def _places(self, number: int) -> dict[Any, Place]:
        """By what a variable is, which weight of the model it is."""
        model = self.variants.all[number]
        assert isinstance(model, Model)
        return {
            _key(variable): (layer.name, place)
            for layer in model.layers
            for place, variable in enumerate(layer.variables)
        }

    def _of_weights(self) -> list[Beside]:
        found = []
        for (name, place), weight in self.weights.items():
            variable = variable_at(self.variants.base, name, place)
            if variable is None or name in self.spoilt or not any((name, place) in sums for sums in self.sums):
                continue
            value = variable.numpy()
            reference = np.zeros_like(value) if weight.array is None else self.recording.array(weight.array)
            ours = [filled(sums.get((name, place)), value) for sums in self.sums]
            layer = self.variants.layers[0].get(name)
            kind = "" if layer is None else layer._class_name
            row = row_of("gradient alone", name, kind, place, self.probe.name, variable.path, reference, ours)
            found.append(Beside(row, layer, ours[0], reference, value))
        return found

    def _of_inputs(self) -> list[Beside]:
        """Gradients of those inputs of layers that are outputs of one layer and go into one call alone."""
        models = {path for path, layer in self.variants.layers[0].items() if isinstance(layer, Model)}
        calls = [call for call in self.probe.calls if call.layer not in models]
        used = Counter(name for call in calls for name in call.inputs)
        used.update(self.probe.outputs)  # the loss depends on these by itself
        known: dict[str, str | None] = {}
        for call, gradients in zip(self.probe.calls, self.said.calls, strict=True):
            known.update((name, gradient) for name, gradient in zip(call.outputs, gradients, strict=False) if name)
        found = []
        for call, layer, arrays, made in self.done:
            for place, (name, array) in enumerate(zip(call.inputs, arrays, strict=True)):
                theirs = known.get(str(name))
                if used[name] != 1 or array.dtype.kind != "f" or theirs is None:
                    continue
                reference = self.recording.array(str(theirs))
                ours = [filled(derived.inputs[place], array) for derived in made]
                row = row_of(
                    "gradient alone", call.layer, call.kind, place, self.probe.name, f"input {place}", reference, ours
                )
                found.append(Beside(row, layer, ours[0], reference, array))
        return found


def _key(variable: Variable) -> tuple[int, str, tuple[str, ...]]:
    return id(variable.module), variable.name, tuple(variable.var.params)
