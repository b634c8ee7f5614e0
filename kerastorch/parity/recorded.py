"""What a recording says, as it stands in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Call:
    """One call of a layer: the names of the arrays that went in, of the masks, and of what came out.

    A name is None where there is no array: no mask, or one that the recording had no room for. `states` are those of a
    recurrent layer where they are no outputs.
    """

    layer: str
    kind: str
    inputs: tuple[str | None, ...]
    masks: tuple[str | None, ...]
    outputs: tuple[str | None, ...]
    states: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class WeightGradient:
    """The gradient of a loss with respect to one weight.

    Attributes:
        layer: The layer of the model.
        place: Which of its weights, in the order of `layer.weights`.
        array: The name of the array; None where there is none.
        flows: Whether Keras has given one: if not, the loss does not depend on the weight, which is as good as zeros.
    """

    layer: str
    place: int
    array: str | None
    flows: bool


@dataclass(frozen=True)
class Gradients:
    """Gradients of a loss: the sum of all numbers of the outputs, each times a factor.

    Attributes:
        factors: Names of arrays, one for each output.
        inputs: For each input; None for one of integers, or where none flows.
        weights: Of every weight that is trained.
        calls: For each call of a layer with respect to its outputs; empty where the reference cannot tell.
        error: Why there are none.
    """

    factors: tuple[str | None, ...] = ()
    inputs: tuple[str | None, ...] = ()
    weights: tuple[WeightGradient, ...] = ()
    calls: tuple[tuple[str | None, ...], ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class TrainedStep:
    """One step of a training.

    Attributes:
        inputs: Names of arrays.
        targets: Names of arrays.
        loss: Before the update.
        gradients: Before they are clipped; empty where the reference does not tell.
        weights: For each layer with weights its arrays after the step.
        slots: The state of the optimizer after the step, as that Keras lists it: name, array.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    loss: float
    gradients: tuple[WeightGradient, ...]
    weights: tuple[tuple[str, tuple[str | None, ...]], ...]
    slots: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class RecordedTraining:
    """A training of the reference.

    Attributes:
        optimizer: Its class.
        settings: Its arguments, as its config has them.
        loss: The name of the loss.
        chosen_by: "the file", "the caller" or "nobody".
        dropout: Layers whose dropout, or noise, was turned off.
        kind: Which Keras lists the state: "keras3", "tf" or "legacy".
        steps: What was done.
        error: Why nothing was trained, or not all steps.
        summed: Whether gradients of tables were summed for the optimizer, which this Keras does not do by itself.
        lost: Whether Keras has left out the state of the optimizer that its file holds: it begins anew.
    """

    optimizer: str
    settings: Mapping[str, Any]
    loss: Any
    chosen_by: str
    dropout: tuple[str, ...]
    kind: str
    steps: tuple[TrainedStep, ...]
    error: str | None = None
    summed: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Probe:
    """One run of the reference.

    Attributes:
        name: What the report calls it.
        what: What it holds, in words.
        seed: Of its random weights.
        weights: "own", or "random": those that `recorder.probes.random_weights` makes.
        continues: Whether states were kept from the probe before.
        error: Why Keras refused it; None if it did not.
        inputs: Names of arrays.
        outputs: Names of arrays.
        predicted: What `predict` gave; empty where it was not asked.
        calls: Of the layers, in the order in which they ran; empty where the layers were not recorded.
        begun: By the path of a recurrent layer the states that it was given, and that are no zeros.
        gradients: Of a loss; None where they were not taken.
    """

    name: str
    what: str
    seed: int
    weights: str
    continues: bool
    error: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    predicted: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    begun: tuple[tuple[str, tuple[str, ...]], ...] = ()
    gradients: Gradients | None = None


@dataclass(frozen=True)
class Recording:
    """What a reference computed.

    Attributes:
        path: Where it comes from.
        writer: `package`, `version`, `backend`, `python`, ... of what wrote it.
        source: `name` and `sha256` of the model file; None for a live model.
        specs: Of the inputs: `name`, `shape`, `dtype`, `ids`, `pad`.
        stateful: Whether the model keeps states.
        weights: For each layer with weights: `layer`, `names`, `shapes`, `dtypes`, `scales`, `sha256`.
        layers: (path, class) of every layer of the reference.
        complete: Whether there was room for everything.
        seed: Of the first probe.
        probes: What was run.
        training: What was trained; None where nothing was.
    """

    path: str
    writer: Mapping[str, Any]
    source: Mapping[str, str] | None
    specs: tuple[Mapping[str, Any], ...]
    stateful: bool
    weights: tuple[Mapping[str, Any], ...]
    layers: tuple[tuple[str, str], ...]
    complete: bool
    seed: int
    probes: tuple[Probe, ...]
    _array: Callable[[str], np.ndarray] = field(repr=False)
    training: RecordedTraining | None = None

    def array(self, name: str) -> np.ndarray:
        """The array of this name, float, integer or bool."""
        return self._array(name)

    @property
    def reference(self) -> str:
        """What computed it: "keras 3.15.1 (tensorflow), Python 3.11.7"."""
        said = self.writer
        backend = f" ({said['backend']})" if said.get("backend") else ""
        python = f", Python {said['python']}" if said.get("python") else ""
        return f"{said['package']} {said['version']}{backend}{python}".strip()
