"""Activations for the step engine: how each is applied in place, and its gradient from what is then left there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import activations as A
from .. import size_rules
from .types import Activation

_aten = torch.ops.aten


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


def _tanh_in_place(x: Tensor) -> Tensor:
    """`tanh`, where `torch.tanh` is slow: on the CPU it takes ten times as long for an element as `torch.sigmoid`.

    E / (E + 2) with E = exp(2x) - 1 keeps the digits of a small x, and is within 3 units in the last place. Beyond 10,
    tanh rounds to 1 in float32, and E would run over.
    """
    if x.numel() < size_rules.TANH_ELEMENTS or x.dtype != torch.float32 or not x.is_cpu:
        return x.tanh_()
    x.mul_(2.0).clamp_(-20.0, 20.0).expm1_()
    return x.div_(x + 2.0)


def _hard_sigmoid_in_place(x: Tensor) -> Tensor:
    # On the CPU one operation gives the same bits as the three of the formula.
    return F.hardsigmoid(x, inplace=True) if x.is_cpu else x.add_(3.0).clamp_(0.0, 6.0).div_(6.0)


def _hard_sigmoid(out: Tensor, grad: Tensor, y: Tensor) -> None:
    _aten.hardtanh_backward.grad_input(grad, y, 0.0, 1.0, grad_input=out)
    out.div_(6.0)


def _hard_sigmoid_keras2(out: Tensor, grad: Tensor, x: Tensor) -> None:
    line = 0.2 * x + 0.5
    torch.mul(grad, line == line.clamp(0.0, 1.0), out=out).mul_(0.2)


_TABLE = {
    entry.function: entry
    for entry in (
        Pointwise(A.linear, A.linear, lambda out, grad, y: out.copy_(grad)),
        Pointwise(
            A.sigmoid,
            torch.sigmoid_,
            lambda out, grad, y: _aten.sigmoid_backward.grad_input(grad, y, grad_input=out),
        ),
        Pointwise(
            A.tanh,
            _tanh_in_place,
            lambda out, grad, y: _aten.tanh_backward.grad_input(grad, y, grad_input=out),
        ),
        Pointwise(
            A.relu,
            torch.relu_,
            lambda out, grad, y: _aten.threshold_backward.grad_input(grad, y, 0.0, grad_input=out),
        ),
        Pointwise(
            A.relu6,
            lambda x: x.clamp_(0.0, 6.0),
            lambda out, grad, y: _aten.hardtanh_backward.grad_input(grad, y, 0.0, 6.0, grad_input=out),
        ),
        Pointwise(
            A.leaky_relu,
            lambda x: F.leaky_relu_(x, 0.2),
            lambda out, grad, y: _aten.leaky_relu_backward.grad_input(grad, y, 0.2, True, grad_input=out),
        ),
        Pointwise(
            A.elu,
            F.elu_,
            lambda out, grad, y: _aten.elu_backward.grad_input(grad, 1.0, 1.0, 1.0, True, y, grad_input=out),
        ),
        Pointwise(A.exponential, torch.exp_, lambda out, grad, y: torch.mul(grad, y, out=out)),
        Pointwise(A.hard_sigmoid, _hard_sigmoid_in_place, _hard_sigmoid),
        Pointwise(A.hard_sigmoid_keras2, None, _hard_sigmoid_keras2),
        *map(
            _from_input,
            (
                A.celu, A.gelu, A.hard_shrink, A.hard_silu, A.hard_tanh, A.log_sigmoid, A.mish, A.selu, A.silu,
                A.soft_shrink, A.softplus, A.softsign, A.sparse_plus, A.sparse_sigmoid, A.squareplus, A.tanh_shrink,
            ),
        ),
    )
}  # fmt: skip
