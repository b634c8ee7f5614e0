"""Whether a fault in a training would have been noticed: they are planted where there is parity, one at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ..errors import KerasTorchError
from ..optimizers import Optimizer
from ..resuming.forms import updating
from .compiling import Untrained
from .explaining_training import Change, Trained, apart_alone, compiled, first_step
from .gradients import variable_at
from .report import LIMIT
from .training import NOISE


def plant_training(trained: Trained) -> tuple[list[str], list[str]]:
    """Plant faults in the optimizer, in what it updates, and in what a training alone does.

    Args:
        trained: A training in which nothing differs.

    Returns:
        The faults that were noticed, and those that were not.
    """
    noticed: list[str] = []
    missed: list[str] = []
    for text, caught in (*_optimizer(trained), *_biases(trained), *_training(trained)):
        (noticed if caught else missed).append(text)
    return noticed, missed


def _optimizer(trained: Trained) -> Iterator[tuple[str, bool]]:
    own = compiled(trained).optimizer
    if not isinstance(own, Optimizer) or not [row for row in trained.rows if row.where == "update"]:
        return
    settings = updating(own).get_config()
    planted: dict[str, tuple[str, float]] = {}
    if isinstance(settings.get("learning_rate"), float):
        planted["learning_rate"] = "the learning rate twice", 2 * settings["learning_rate"]
    if isinstance(settings.get("epsilon"), float):
        planted["epsilon"] = "an epsilon of 0.001 more", settings["epsilon"] + 1e-3
    for name in ("beta_1", "rho", "momentum"):
        if isinstance(settings.get(name), float):
            value = 0.5 if settings[name] != 0.5 else 0.9
            planted[name] = f"{name} {value:g} in the place of {settings[name]:g}", value
    for name, (text, value) in planted.items():

        def change(model: object, name: str = name, value: float = value) -> None:
            setattr(updating(model.optimizer), name, value)  # type: ignore[attr-defined]

        try:
            yield f"the optimizer: {text}", apart_alone(trained, change) is None
        except (KerasTorchError, Untrained, TypeError, ValueError):
            continue  # it cannot be set so


def _biases(trained: Trained) -> Iterator[tuple[str, bool]]:
    """A bias that stays as it was."""
    said = trained.recording.training
    assert said is not None
    caught: dict[tuple[str, int], bool] = {}
    for row in trained.rows:
        if row.where != "update" or not row.array.endswith(("bias", "beta")):
            continue
        variable = variable_at(trained.model, row.layer, row.place)
        assert variable is not None
        reference = trained.recording.array(str(dict(said.steps[row.step - 1].weights)[row.layer][row.place]))
        far = float(np.abs(variable.numpy().astype("float64") - reference).max()) > LIMIT * row.measured.rounding
        caught[row.layer, row.place] = caught.get((row.layer, row.place), False) or far
    for (layer, place), far in caught.items():
        variable = variable_at(trained.model, layer, place)
        assert variable is not None
        yield f"{variable.path} not updated", far


def _training(trained: Trained) -> Iterator[tuple[str, bool]]:
    """Another momentum of a normalization, and dropout that is not off: the first step tells."""
    for layer in trained.model.layers:
        momentum = getattr(layer, "momentum", None)
        if not isinstance(momentum, float) or not any("moving_" in it.path for it in layer.variables):
            continue
        other = 0.9 if momentum != 0.9 else 0.99

        def change(model: Change, name: str = layer.name, value: float = other) -> None:
            setattr(model.get_layer(name), "momentum", value)  # type: ignore[attr-defined]  # noqa: B010

        yield f"{layer.name}: momentum {other:g} in the place of {momentum:g}", _differs(trained, change, True)
    if any(module.__dict__.get(name) for module in trained.model.modules() for name in NOISE):
        yield "dropout and noise left on", _differs(trained, None, False)


def _differs(trained: Trained, change: Change | None, quiet: bool) -> bool:
    said = trained.recording.training
    assert said is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = first_step(trained, change, quiet)
    for row in trained.rows:
        if row.where != "weight" or row.step != 1 or not row.judged:
            continue
        reference = trained.recording.array(str(dict(said.steps[0].weights)[row.layer][row.place]))
        far = np.abs(made[row.layer][row.place].astype("float64") - reference).max(initial=0.0)
        if not far <= LIMIT * row.measured.rounding:
            return True
    return False
