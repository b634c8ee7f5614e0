"""The models here compiled as the reference was, and their optimizers moved by what rounding does to their settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import optimizers
from ..optimizers import Optimizer
from ..optimizers.schedules import LearningRateSchedule
from ..resuming import Uncompilable, make_optimizer, rule_of
from ..resuming.forms import updating
from ..spec import TrainingConfig, Writer
from .recorded import RecordedTraining, Recording
from .running import Variants

_EPSILON = float(np.finfo("float32").eps)


class Untrained(Exception):
    """Why a model here is not trained."""


def compile_all(
    variants: Variants, said: RecordedTraining, recording: Recording, chosen: Mapping[str, Any]
) -> list[Moving | None]:
    """Compile every variant, and say how the settings of the optimizers of those that are moved are moved."""
    moving: list[Moving | None] = []
    for place, module in enumerate(variants.all):
        compile_as(module, said, recording, chosen)
        is_moved = place > 1 and isinstance(module.optimizer, Optimizer)
        moving.append(Moving(module.optimizer, 1 if place % 2 else -1) if is_moved else None)
    return moving


class Moving(LearningRateSchedule):
    """Moves the settings of an optimizer by what their rounding does in Keras, which computes with them in float32.

    Most of that is one unit in the last place. But what corrects the averages of Adam and its kin, `1 - beta ** step`,
    has few digits left in the first steps, which is as good as another learning rate.
    """

    def __init__(self, optimizer: Optimizer, sign: int) -> None:
        self.inner, self.sign = updating(optimizer), sign
        for name in (*self.inner.ARGUMENTS, "weight_decay", "ema_momentum"):
            value = getattr(self.inner, name, None)
            if isinstance(value, float) and value:
                setattr(self.inner, name, value * (1 + sign * _EPSILON))
        self.is_set = self.inner.has_set_rate
        self.rate: Any = float(self.inner.learning_rate) if self.is_set else self.inner._rate
        if not self.is_set:
            self.inner.learning_rate = self

    def __call__(self, step: Any) -> float:
        rate = (
            self.rate
            if self.is_set
            else self.rate(step)
            if isinstance(self.rate, LearningRateSchedule)
            else self.rate()
        )
        return float(rate) * (1 + self.sign * (_EPSILON + self._lost(self.inner.iterations + 1)))

    def begin_step(self) -> None:
        """Set the learning rate of the next step."""
        if self.is_set:
            self.inner.learning_rate = self(0)

    def _lost(self, step: int) -> float:
        """Which part of the learning rate float32 makes out of the correction of the averages."""
        if rule_of(self.inner) not in ("Adam", "AdamW", "Adamax", "Nadam"):
            return 0.0
        found = []
        for dtype in (np.float32, np.float64):
            betas = [dtype(getattr(self.inner, name)) for name in ("beta_1", "beta_2")]
            one, two = (dtype(1) - beta ** dtype(step) for beta in betas)
            found.append(float(np.sqrt(two) / one))
        return abs(found[0] / found[1] - 1)


def compile_as(module: Any, said: RecordedTraining, recording: Recording, chosen: Mapping[str, Any]) -> None:
    """Compile a model by what the caller has given, else leave it as it is compiled, else as the reference was."""
    loss = chosen.get("loss")
    if chosen.get("optimizer") is None and loss is None and module.compiled:
        if not said.lost:
            return
        loss = module.loss  # the optimizer alone begins anew
    loss = said.loss if loss is None else loss
    given = chosen.get("optimizer")
    if given is None:
        module.compile(optimizer=optimizer_of(said, recording), loss=loss)
        return
    made = optimizers.get(given)
    module.compile(optimizer=type(made).from_config(made.get_config()), loss=loss)


def optimizer_of(said: RecordedTraining, recording: Recording) -> Optimizer:
    """A new optimizer, as the reference has it.

    Raises:
        Untrained: It is not here.
    """
    version = str(recording.writer.get("version", ""))
    era = "keras3" if said.kind == "keras3" else "tf.keras" if recording.writer["package"] != "keras" else "keras2"
    name = f"Custom>{said.optimizer}" if said.kind == "tf" else said.optimizer
    stated = {"optimizer_config": {"class_name": name, "config": dict(said.settings)}, "loss": said.loss}
    try:
        return make_optimizer(TrainingConfig(json.dumps(stated), "h5", Writer(era, version))).optimizer
    except Uncompilable as error:
        raise Untrained(str(error)) from error
