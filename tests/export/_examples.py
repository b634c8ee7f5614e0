"""The examples of all layers as models whose sizes are left open, and several models as one module.

An export of many models costs little more than an export of one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kerastorch import Input, Model
from kerastorch.export._signature import signature_of
from kerastorch.models import clone_model
from kerastorch.self_check.trials import Trial, trials
from kerastorch.structure import leaves

DYNAMIC = torch.export.Dim.DYNAMIC


class Case(NamedTuple):
    """A model of one example, and how its inputs are made."""

    key: str
    model: Model
    shapes: list[tuple[int | None, ...]]
    words: int | None
    masked: bool

    def args(self, batch: int, more: int, rng: np.random.Generator) -> list[Tensor]:
        """Inputs of a batch, with `more` steps than the example has where their number is open."""
        return [torch.from_numpy(self._drawn((batch, *shape[1:]), more, rng)) for shape in self.shapes]

    def _drawn(self, shape: tuple[Any, ...], more: int, rng: np.random.Generator) -> np.ndarray:
        size = [7 + more if axis is None else axis for axis in shape]
        if self.words:
            return rng.integers(self.words, size=size)
        array = rng.standard_normal(size).astype("float32")
        if self.masked:
            array[rng.random(size[:2]) < 0.4] = 0
            if shape[1] is None:
                array[-1] = 0  # no step is left: what is recurrent has a number for that
        return array


def cases() -> list[Case]:
    """One for each example, for inference, with distinct weights; recurrent ones leave the number of steps open."""
    return [_case(trial) for trial in trials()]


def _case(trial: Trial) -> Case:
    model = trial.model()
    model = _opened(trial, model) or model
    words: Any = trial.example.config.get("input_dim")
    shapes = [tuple(spec.shape) for spec in signature_of(model)]
    return Case(trial.key, model.eval(), shapes, words, trial.masked)


def _opened(trial: Trial, model: Model) -> Model | None:
    """The same model with an open number of steps; None for layers that are not recurrent."""
    (first, *others) = trial.shapes
    if others or not trial.cls.__module__.startswith("kerastorch.layers.rnn"):
        return None
    opened = clone_model(model, Input((None, *first[2:])))
    opened.set_weights(model.get_weights())
    return opened


class Joined(nn.Module):
    """Several models as one, which takes and gives a row of tensors."""

    def __init__(self, members: list[Case]) -> None:
        super().__init__()
        self.models = nn.ModuleList([member.model for member in members])
        self.counts = [len(member.shapes) for member in members]
        self.owners = [member.key for member in members for _ in member.model.outputs]

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        rest = iter(tensors)
        outputs: list[Tensor] = []
        for model, count in zip(self.models, self.counts, strict=True):
            given = [next(rest) for _ in range(count)]
            outputs += leaves(model(given[0] if count == 1 else given))
        return outputs


def free(members: list[Case]) -> tuple[dict[int, Any], ...]:
    """What `dynamic_shapes` says of each input."""
    return tuple(
        {axis: DYNAMIC for axis, size in enumerate(shape) if size is None}
        for member in members
        for shape in member.shapes
    )


def arguments(members: list[Case], batch: int, more: int) -> list[Tensor]:
    """Inputs for all of them."""
    rng = np.random.default_rng(batch)
    return [tensor for member in members for tensor in member.args(batch, more, rng)]
