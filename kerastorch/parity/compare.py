"""A recording and a model: every probe, and what could not be compared."""

from __future__ import annotations

import copy
import platform
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..errors import ArgumentError, quote
from ..models import Model
from ..packaged import installed_version
from .explaining import explain, explain_mask, plant, smallest
from .explaining_gradients import explain_gradients, plant_gradients, smallest_gradient
from .explaining_random import drawn_at_random
from .explaining_training import Trained, explain_training
from .gradients import FoundGradients, compare_gradients, derive_all
from .layer_gradients import compare_gradients_alone
from .layers import Found, compare_layers, compare_outputs
from .piece import piece_of, piece_of_rows
from .plain_arithmetic import FLOAT32
from .planting_training import plant_training
from .recorded import Probe, Recording
from .recorder.probes import digest, random_weights
from .report import GRADIENTS, TRAINING, ParityReport, Piece
from .running import Variants
from .training import FoundTraining, compare_training

TRAINED = "the training"  # in the place of the path of a layer, of faults that were planted there


def compare(
    recording: Recording,
    model: nn.Module,
    *,
    layers: bool = True,
    states: bool = True,
    gradients: bool = True,
    training: bool = True,
    chosen: Mapping[str, Any] | None = None,
    self_check: bool = True,
    again: str = "",
) -> ParityReport:
    """Run a model on the inputs of a recording and measure how far both are apart.

    Args:
        recording: The reference.
        model: The model; it is copied, and stays as it is.
        layers: Whether layers are compared, or outputs alone.
        states: Whether states of recurrent layers are, where they are no outputs.
        gradients: Whether gradients are.
        training: Whether the model is trained as the reference was.
        chosen: `optimizer` and `loss` for the training, in the place of what the model was compiled with.
        self_check: Whether faults are planted, where there is parity, to see that they would have been noticed.
        again: The command that does it again, for the report.
    """
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"check_parity: model: expected a torch module, got {quote(type(model).__name__)}.")
    first = next(model.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    pads = [spec["pad"] for spec in recording.specs if isinstance(spec.get("pad"), (int, float))]
    found, of_gradients = Found(), FoundGradients()
    gaps = found.gaps
    rows: list[Any] = []
    probes: list[dict[str, Any]] = []
    variants: dict[str, Variants] = {}
    for probe in recording.probes:
        said: dict[str, Any] = {"name": probe.name, "what": probe.what, "seed": probe.seed}
        probes.append(said)
        if probe.error is not None:
            said["not_compared"] = f"Keras refuses it: {probe.error}"
            continue
        try:
            models = _variants(recording, probe, model, pads, variants)
            if not probe.continues:
                models.reset_states()
            begun = {path: [recording.array(name) for name in names] for path, names in probe.begun}
            lost = sorted(set(begun) - set(models.layers[0]))
            if lost:
                raise _Incomparable(f"it begins with states, and the model here has no layer {', '.join(lost)}")
            # First: states that are kept go on with the run behind it.
            derived = derive_all(recording, probe, models, device, of_gradients) if gradients else None
            runs = models.run([recording.array(name) for name in probe.inputs], device, layers or states, begun)
        except _Incomparable as error:
            said["not_compared"] = str(error)
            continue
        rows += compare_outputs(recording, probe, runs)
        if layers or states:
            kinds = {"state"} if not layers else {"layer", "alone", "mask"} | ({"state"} if states else set())
            rows += [row for row in compare_layers(recording, probe, runs, models, found) if row.where in kinds]
        if derived is not None:
            rows += compare_gradients(recording, probe, derived, models, device, of_gradients)
            rows += compare_gradients_alone(recording, probe, runs, models, of_gradients)
    if not recording.complete:
        gaps["some layers"] = "their arrays had no room in the recording"
    if layers and not any(probe.calls for probe in recording.probes):
        gaps["layers"] = "the reference has recorded none"
    gaps |= of_gradients.gaps
    if gradients and not any(probe.gradients for probe in recording.probes):
        gaps["gradients"] = "the reference has recorded none"
    trained = FoundTraining()
    if training:
        rows += compare_training(recording, model, pads, device, chosen or {}, trained)
        gaps |= trained.gaps
    report = ParityReport(
        random=drawn_at_random(recording, model, device, trained.training is not None) or "",
        training=trained.training,
        rows=tuple(rows),
        probes=tuple(probes),
        gaps=gaps,
        weights=_other_weights(recording, model),
        reference={"by": recording.reference, **(recording.source or {"name": recording.path})},
        here=_here(device),
        again=again,
    )
    if report.passed:
        if not self_check:
            return report
        noticed, missed = plant(found.cases)
        for into, more in zip((noticed, missed), plant_gradients(of_gradients.compared), strict=True):
            for path, texts in more.items():
                into.setdefault(path, []).extend(texts)
        if report.training is not None and isinstance(model, Model):
            trainings = plant_training(Trained(recording, model, chosen or {}, report.trained))
            for into, texts in zip((noticed, missed), trainings, strict=True):
                into.update({TRAINED: texts} if texts else {})
        return replace(report, noticed=noticed, missed=missed)
    text, piece = _explanation(report, recording, found), _smallest(report, found)
    where = None if report.first is None else report.first.where
    if where in GRADIENTS:
        text, piece = explain_gradients(of_gradients.cases), smallest_gradient(of_gradients.cases)
    elif where in TRAINING and isinstance(model, Model):
        text = explain_training(Trained(recording, model, chosen or {}, report.trained))
        piece = None if report.first is None else piece_of(report.first)
    return replace(report, explained_by=text or report.random or None, smallest=piece)


def _explanation(report: ParityReport, recording: Recording, found: Found) -> str | None:
    """What explains the first difference, or the first few layers that differ by themselves; None if nothing does."""
    told: list[str] = []
    rest: list[str] = []
    for path in dict.fromkeys(row.layer for row in report.rows if row.where == "alone" and row.differs):
        cases = found.cases.get(path, [])
        if path.partition("/")[0] in report.weights:
            cases = [case for case in cases if case.probe.weights == "own"]  # random ones are the reference's
        text = explain(cases)
        if text is None:
            rest.append(path)
        else:
            told.append(text)
    if told:
        return "; ".join([*told, *([f"not explained: {', '.join(rest)}"] if rest else [])])
    if report.weights:
        shown = "; ".join(f"{layer} ({', '.join(names)})" for layer, names in list(report.weights.items())[:5])
        return f"the model here has other weights than the reference: {shown}"
    for path, ours, theirs in found.masks:
        if text := explain_mask(path, ours, theirs):
            return text
    wrong = {row.probe for row in report.rows if row.differs}
    if wrong and wrong <= {probe.name for probe in recording.probes if probe.continues}:
        return "states are not kept from one batch to the next as in the reference: only batches that go on differ"
    return None


def _smallest(report: ParityReport, found: Found) -> Piece | None:
    """The smallest piece that differs, of the first layer that does; where no layer was run alone, of that kind."""
    first = report.first
    if first is None:
        return None
    same = [row for row in report.rows if (row.where, row.layer) == (first.where, first.layer)]
    return smallest(found.cases.get(first.layer, [])) or piece_of_rows(same)


class _Incomparable(Exception):
    """Why a probe cannot be run here."""


def _variants(
    recording: Recording, probe: Probe, model: nn.Module, pads: list[float], kept: dict[str, Variants]
) -> Variants:
    """The model with the weights of a probe, in its variants."""
    key = "own" if probe.weights == "own" else f"random {probe.seed}"
    if key not in kept:
        for old in [name for name in kept if name != "own"]:
            del kept[old]  # a model of random weights is used once
        made = Variants(model, pads)
        if probe.weights != "own":
            changed = copy.deepcopy(model)
            _set_random(recording, probe, changed)
            made = Variants(changed, pads)
        kept[key] = made
    return kept[key]


def _set_random(recording: Recording, probe: Probe, model: nn.Module) -> None:
    if not isinstance(model, Model):
        raise _Incomparable("a module of plain torch does not have Keras's weights")
    for number, described in enumerate(recording.weights):
        name = described["layer"]
        if name not in [layer.name for layer in model.layers]:
            raise _Incomparable(f"the model here has no layer {name!r}")
        layer = model.get_layer(name)
        own = layer.get_weights()
        if [list(array.shape) for array in own] != described["shapes"]:
            raise _Incomparable(f"the weights of {name!r} have other shapes here")
        made = random_weights(described, probe.seed + 1000 + number)
        layer.set_weights([old if new is None else new for old, new in zip(own, made, strict=True)])


def _other_weights(recording: Recording, model: nn.Module) -> dict[str, list[str]]:
    """Layers that both sides have, with weights of other values or shapes."""
    found: dict[str, list[str]] = {}
    layers = {layer.name: layer for layer in model.layers} if isinstance(model, Model) else {}
    for described in recording.weights:
        layer = layers.get(described["layer"])
        own = [] if layer is None else layer.get_weights()
        if len(own) != len(described["names"]):
            continue  # of another make: the two biases of a layer of cuDNN, say
        other = []
        for place, (array, name) in enumerate(zip(own, described["names"], strict=True)):
            shape = tuple(described["shapes"][place])
            if array.shape != shape:
                other.append(f"{name}: shape {array.shape} here, {shape} in the reference")
            elif digest(array.astype(described["dtypes"][place])) != described["sha256"][place]:
                other.append(str(name))
        if other:
            found[described["layer"]] = other
    return found


def _here(device: torch.device) -> dict[str, str]:
    said = {
        "kerastorch": installed_version() or "(not installed)",
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "device": str(device),
    }
    return said if device.type == "cpu" else {**said, "float32": FLOAT32}
