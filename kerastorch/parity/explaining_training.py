"""What explains a training that goes apart where outputs and gradients agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import KerasTorchError, counted
from ..models import Model
from ..optimizers import Optimizer
from ..resuming.forms import updating
from .compiling import Untrained, compile_as, optimizer_of
from .gradients import variable_at
from .plain_arithmetic import plain_arithmetic
from .recorded import Recording
from .report import LIMIT, Row
from .running import as_tensors, copied
from .training import optimizer_alone, quieten

EPSILONS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.0)
RATES = (0.9, 0.95, 0.99, 0.999)  # of averages, as one framework or another has them
OTHERS: dict[str, tuple[Any, ...]] = {
    "epsilon": EPSILONS,
    "beta_1": (0.9, 0.95, 0.5),
    "beta_2": (0.99, 0.999, 0.9999),
    "rho": RATES,
    "momentum": (0.0, 0.9),
    "nesterov": (False, True),
    "amsgrad": (False, True),
    "centered": (False, True),
    "initial_accumulator_value": (0.0, 0.1),
    "weight_decay": (None, 0.004, 0.01),
    "clipnorm": (None, 1.0),
    "clipvalue": (None, 0.5, 1.0),
    "global_clipnorm": (None, 1.0),
    "use_ema": (False,),
}


@dataclass(frozen=True)
class Trained:
    """What there is to explain.

    Attributes:
        recording: The reference.
        model: The model, as it was before the training.
        chosen: See `compare_training`.
        rows: The rows of the training.
    """

    recording: Recording
    model: Model
    chosen: Mapping[str, Any]
    rows: Sequence[Row]

    def of(self, *wheres: str) -> list[Row]:
        """Rows of some kinds that differ."""
        return [row for row in self.rows if row.where in wheres and row.differs]


def explain_training(trained: Trained) -> str | None:
    """What explains that a training goes apart; None if nothing does."""
    for explain in (_loss, _optimizer, _normalization):
        text = explain(trained)
        if text is not None:
            return text
    return None


# ---------------------------------------------------------------------------- the optimizer


def _optimizer(trained: Trained) -> str | None:
    """Another setting of the optimizer, or another one, that makes of the reference's gradients what it made."""
    if not trained.of("update"):
        return None
    said = trained.recording.training
    assert said is not None
    before = max(row.measured.difference for row in trained.rows if row.where == "update")
    own = compiled(trained).optimizer
    if not isinstance(own, Optimizer):
        return None
    begun = _begun(trained)
    if begun is not None:
        return begun
    still = _not_updated(trained)
    if still is not None:
        return still
    for text, change in _optimizers(trained, own):
        try:
            after = apart_alone(trained, change)
        except (KerasTorchError, Untrained, TypeError, ValueError):
            continue
        if after is not None:
            return f"the optimizer: {text} (the difference falls from {before:.2g} to {after:.2g})"
    return None


def compiled(trained: Trained) -> Any:
    """A copy of the model, compiled as it is trained."""
    model = copied(trained.model)
    assert trained.recording.training is not None
    compile_as(model, trained.recording.training, trained.recording, trained.chosen)
    return model


def _begun(trained: Trained) -> str | None:
    """The reference goes on from a state that the optimizer here does not have, or the other way round."""
    counts = [row for row in trained.rows if row.where == "slot" and row.step == 1 and "iter" in row.array.lower()]
    if not counts or not counts[0].differs:
        return None
    said = trained.recording.training
    assert said is not None
    theirs = next(name for array, name in said.steps[0].slots if array == counts[0].array)
    steps = int(trained.recording.array(str(theirs))) - 1
    optimizer = compiled(trained).optimizer
    return (
        f"the optimizer: the reference goes on from {counted(steps, 'step')} done before, and here "
        f"{optimizer.iterations} were: its state is another one"
    )


def _not_updated(trained: Trained) -> str | None:
    """All that differs after the first step is what the optimizer here has left as it was."""
    said = trained.recording.training
    assert said is not None
    wrong = [row for row in trained.of("update") if row.step == 1]
    model = compiled(trained)
    with plain_arithmetic():
        made = optimizer_alone(model, trained.recording, said)[0]
    begin = {(row.layer, row.place): variable_at(trained.model, row.layer, row.place) for row in wrong}
    same = [variable is not None and np.array_equal(made[place], variable.numpy()) for place, variable in begin.items()]
    if not wrong or not all(same):
        return None
    return f"the optimizer: it does not update {', '.join(row.array for row in wrong)}"


Change = Callable[[Any], None]  # of a compiled model


def _optimizers(trained: Trained, own: Optimizer) -> Iterator[tuple[str, Change]]:
    said = trained.recording.training
    assert said is not None
    theirs = optimizer_of(said, trained.recording)
    kind, other = type(updating(own)), type(updating(theirs))
    if other is not kind:
        yield (
            f"{other.__name__} in the place of {kind.__name__}",
            lambda model: _exchange(model, optimizer_of(said, trained.recording)),
        )
        return
    ours, wanted = updating(own).get_config(), updating(theirs).get_config()
    keys = [key for key in wanted if key != "name" and not _same(wanted[key], ours.get(key))]
    for key in keys:
        yield f"{key} {_shown(wanted[key])} in the place of {_shown(ours.get(key))}", _setting(key, wanted[key])
    if len(keys) > 1:
        shown = ", ".join(f"{key} {_shown(wanted[key])}" for key in keys)
        yield f"{shown} in the place of {', '.join(_shown(ours.get(key)) for key in keys)}", _settings(wanted, keys)
    for key, values in OTHERS.items():
        for value in values if key in ours else ():
            if not _same(value, ours[key]):
                yield f"{key} {_shown(value)} in the place of {_shown(ours[key])}", _setting(key, value)


def _same(one: Any, other: Any) -> bool:
    both = isinstance(one, (int, float)) and isinstance(other, (int, float))
    return bool(np.float32(one) == np.float32(other)) if both else one == other


def _shown(value: Any) -> str:
    return f"{float(value):.6g}" if isinstance(value, float) else str(value)


def _setting(key: str, value: Any) -> Change:
    return lambda model: setattr(updating(model.optimizer), key, value)


def _settings(values: Mapping[str, Any], keys: Sequence[str]) -> Change:
    def change(model: Any) -> None:
        for key in keys:
            setattr(updating(model.optimizer), key, values[key])

    return change


def _exchange(model: Any, optimizer: Optimizer) -> None:
    model.optimizer = optimizer


def apart_alone(trained: Trained, change: Change) -> float | None:
    """How far the optimizer alone, changed, is from the reference; None if that is too far."""
    said = trained.recording.training
    assert said is not None
    model = compiled(trained)
    change(model)
    with plain_arithmetic():
        made = optimizer_alone(model, trained.recording, said)
    most = 0.0
    for row in trained.rows:
        if row.where != "update":
            continue
        reference = trained.recording.array(str(dict(said.steps[row.step - 1].weights)[row.layer][row.place]))
        gap = float(np.abs(made[row.step - 1][row.layer, row.place].astype("float64") - reference).max())
        if not gap <= LIMIT * row.measured.rounding:
            return None
        most = max(most, gap)
    return most


# ---------------------------------------------------------------------------- averages of normalizations


def _normalization(trained: Trained) -> str | None:
    """Another momentum, or the other variance, of layers that keep averages of batches."""
    found = []
    rows = [row for row in trained.of("weight") if row.step == 1 and "moving_" in row.array]
    layers = dict.fromkeys(row.layer for row in rows)
    for name in layers:
        text = _of_layer(trained, name)
        if text is None:
            return None
        found.append(text)
    return "; ".join(found) or None


def _of_layer(trained: Trained, name: str) -> str | None:
    said = trained.recording.training
    assert said is not None
    rows = [row for row in trained.rows if row.where == "weight" and row.layer == name and row.step == 1]
    rows = [row for row in rows if "moving_" in row.array]
    module = trained.model.get_layer(name)
    momentum = getattr(module, "momentum", None)
    if not isinstance(momentum, float):
        return None
    implied, factors = [], []
    after = first_step(trained)
    for row in rows:
        variable = variable_at(trained.model, name, row.place)
        assert variable is not None
        begin = variable.numpy().astype("float64")
        ours = after[name][row.place].astype("float64")
        theirs = trained.recording.array(str(dict(said.steps[0].weights)[name][row.place])).astype("float64")
        batch = (ours - momentum * begin) / (1 - momentum)  # what the batch had
        way = batch - begin
        kept = 1 - float(way.ravel() @ (theirs - begin).ravel()) / float(way.ravel() @ way.ravel())
        bound = LIMIT * max(row.measured.rounding, 1e-7 * row.measured.largest) / (1 - momentum)
        if float(np.abs(kept * begin + (1 - kept) * batch - theirs).max()) <= bound:
            implied.append(kept)
        theirs_batch = (theirs - momentum * begin) / (1 - momentum)
        factors.append((row, batch, theirs_batch, bound / (1 - momentum)))
    if len(implied) == len(rows) and np.ptp(implied) < 1e-3:
        return f"{name}: momentum {np.mean(implied):.4g} in the place of {momentum:.4g}"
    for row, batch, theirs, bound in factors:
        if row.differs and "variance" in row.array:
            scale = float(batch.ravel() @ theirs.ravel()) / float(batch.ravel() @ batch.ravel())
            if abs(scale - 1) > 1e-6 and float(np.abs(scale * batch - theirs).max()) <= bound:
                return f"{name}: the variance of a batch is {scale:.5g} times as large in the reference (n, or n - 1)"
    return None


def first_step(trained: Trained, change: Change | None = None, quiet: bool = True) -> dict[str, list[np.ndarray]]:
    """Our weights after the first step, of a model that is changed before, with dropout off or on."""
    model = compiled(trained)
    if quiet:
        quieten(model)
    if change is not None:
        change(model)
    said = trained.recording.training
    assert said is not None
    step = said.steps[0]
    device = next(model.parameters()).device
    inputs = as_tensors([trained.recording.array(name) for name in step.inputs], device)
    targets = as_tensors([trained.recording.array(name) for name in step.targets], device)
    model.train()
    with plain_arithmetic(), torch.enable_grad():
        model.train_step((inputs if len(inputs) > 1 else inputs[0], targets if len(targets) > 1 else targets[0]))
    return {layer.name: layer.get_weights() for layer in model.layers if layer.variables}


# ---------------------------------------------------------------------------- the loss


def _loss(trained: Trained) -> str | None:
    """Another loss, or the same by another reduction."""
    first = [row for row in trained.rows if row.step == 1]
    losses = [row for row in first if row.where == "loss" and row.differs]
    if not losses:
        return None
    said = trained.recording.training
    assert said is not None
    ours = getattr(trained.model, "loss", None) if trained.chosen.get("loss") is None else trained.chosen["loss"]
    name = ours if isinstance(ours, str) else getattr(ours, "name", None) or getattr(ours, "__name__", None)
    if isinstance(said.loss, str) and name is not None and _plain(str(name)) != _plain(said.loss):
        return f"the loss: {said.loss} in the place of {name}"
    measured = losses[0].measured
    if measured.ours and measured.reference is not None:
        factor = measured.reference / measured.ours
        gradients = [row for row in first if row.where == "training gradient"]
        if not gradients or not all(_is_times(row, factor) for row in gradients):
            return None  # something was added to it
        return f"the loss is {factor:.6g} times as large in the reference: by another reduction, or another weight"
    return None


def _is_times(row: Row, factor: float) -> bool:
    """Whether the reference's largest difference is what a factor makes of ours."""
    ours, theirs = row.measured.ours, row.measured.reference
    if ours is None or theirs is None:
        return False
    return abs(theirs - factor * ours) <= 1e-4 * abs(theirs) + LIMIT * row.measured.rounding * max(1.0, abs(factor))


def _plain(name: str) -> str:
    short = {"mse": "meansquarederror", "mae": "meanabsoluteerror", "mape": "meanabsolutepercentageerror"}
    bare = name.replace("_", "").lower()
    return short.get(bare, bare)
