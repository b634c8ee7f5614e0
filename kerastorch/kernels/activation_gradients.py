"""Activations for the step engine: each applied in place, and its gradient from what is then left there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import activations as A
from ..activations.records import RECORDS, Record
from .types import Activation


class Pointwise(NamedTuple):
    """An activation that computes each element by itself.

    One array is kept for the backward pass: the outputs where the derivative follows from them, else the inputs.
    """

    function: Activation
    in_place: Activation | None  # leaves the outputs in the place of the inputs; None: the inputs are kept
    backward_to: Callable[[Tensor, Tensor, Tensor], Any]  # (out, grad, kept): out = grad * derivative

    def apply(self, x: Tensor) -> Tensor:
        """The outputs; in the place of `x` stands what is kept."""
        return self.function(x) if self.in_place is None else self.in_place(x)

    def apply_to_copy(self, x: Tensor, room: Tensor) -> Tensor:
        """The outputs, in `room` where it can be; `x` stays."""
        return self.function(x) if self.in_place is None else self.in_place(room.copy_(x))

    def output(self, kept: Tensor) -> Tensor:
        return self.function(kept) if self.in_place is None else kept

    def kept(self, x: Tensor, output: Tensor) -> Tensor:
        return x if self.in_place is None else output

    def backward(self, grad: Tensor, kept: Tensor) -> Tensor:
        out = torch.empty(kept.shape, dtype=kept.dtype, device=kept.device)
        self.backward_to(out, grad, kept)
        return out


def find(function: Any) -> Pointwise | None:
    """The entry of a built-in activation; None for a function of a user, and for one that mixes elements."""
    if isinstance(function, (A.ReLU, A.LeakyReLU, A.ELU)):
        return _from_input(function)
    try:
        return _TABLE.get(function)
    except TypeError:  # a callable that cannot be hashed
        return None


def overwriting(function: Activation) -> Activation:
    """The activation, in the place of its input where it can be."""
    found = find(function)
    return function if found is None or found.in_place is None else found.in_place


def _from_input(function: Activation) -> Pointwise:
    """torch's own derivative of the formula, taken for all steps at once."""

    def backward_to(out: Tensor, grad: Tensor, x: Tensor) -> None:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (result,) = torch.autograd.grad(function(x), x, grad)
        out.copy_(result)

    return Pointwise(function, None, backward_to)


def _entry(record: Record) -> Pointwise | None:
    if record.steps is None:
        return None
    in_place, backward_to = record.steps
    return _from_input(record.function) if backward_to is None else Pointwise(record.function, in_place, backward_to)


_TABLE = {record.function: entry for record in RECORDS if (entry := _entry(record)) is not None}
