"""A model as a function of tensors: a row of inputs and kept states to a row of outputs and new states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..base.weighted import repr_of
from ..errors import ArgumentError
from ..layers.rnn.given_states import handing_out_states
from ..layers.rnn.sequence import SequenceLayer
from ..structure import leaves


class Flat(nn.Module):
    """The model, with a row of tensors as its inputs and its outputs.

    Behind the inputs come the states that stateful layers keep, behind the outputs the new ones: what is exported keeps
    nothing itself.

    Args:
        model: Built, in evaluation mode, and called once if it keeps states.
        count: How many inputs it has.
    """

    def __init__(self, model: Any, count: int) -> None:
        super().__init__()
        self.model = _Reading(model)
        self.count = count

    @property
    def state_names(self) -> list[str]:
        """Of each state, by its layer."""
        return self.model.state_names

    def kept(self) -> list[tuple[nn.Module, str, Tensor | None]]:
        """Each state: its layer, its name there, and its value."""
        return [(layer, name, getattr(layer, name)) for _, layer in self.model.stateful for name in _names(layer)]

    def states(self) -> list[Tensor]:
        """Zeros for each state."""
        return [torch.zeros_like(state) for state in self.model.states()]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, states = tensors[: self.count], tensors[self.count :]
        if not states:
            return tuple(leaves(self.model(*inputs)[0]))
        kept = dict(zip(self.model.buffer_names, (state.clone() for state in states), strict=True))
        with handing_out_states():
            outputs, new = functional_call(self.model, kept, inputs)
        return (*leaves(outputs), *new)


class _Reading(nn.Module):
    """The model, and what its layers keep after a call."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.inner = model
        self.stateful = [(path, layer) for path, layer in model.named_modules() if _keeps(layer)]

    @property
    def buffer_names(self) -> list[str]:
        return [
            f"inner.{path}.{name}" if path else f"inner.{name}"
            for path, layer in self.stateful
            for name in _names(layer)
        ]

    @property
    def state_names(self) -> list[str]:
        short = [layer.name for _, layer in self.stateful]
        names = short if len(set(short)) == len(short) else [path.replace(".", "_") for path, _ in self.stateful]
        return [
            f"{name}_state_{index}"
            for name, (_, layer) in zip(names, self.stateful, strict=True)
            for index in range(len(_names(layer)))
        ]

    def states(self) -> list[Tensor]:
        found = [getattr(layer, name) for _, layer in self.stateful for name in _names(layer)]
        if any(state is None for state in found):
            raise ArgumentError(f"{repr_of(self.inner)}: a stateful layer has no state yet: call the model once.")
        return found

    def forward(self, *inputs: Tensor) -> tuple[Any, list[Tensor]]:
        outputs = self.inner(inputs[0] if len(inputs) == 1 else list(inputs))
        return outputs, self.states() if self.stateful else []


def _keeps(layer: nn.Module) -> bool:
    return isinstance(layer, SequenceLayer) and layer.stateful


def _names(layer: Any) -> list[str]:
    return [f"_state_{index}" for index in range(layer._state_count)]


def unique(names: Sequence[str]) -> list[str]:
    """The names, with a number behind one that was there before."""
    found: list[str] = []
    for name in names:
        number, made = 1, name
        while made in found:
            made, number = f"{name}_{number}", number + 1
        found.append(made)
    return found
