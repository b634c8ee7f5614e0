"""How the steps of a recurrence apply an activation in place, and its gradient from what is then left there.

One array is kept for the backward pass: the outputs where the derivative follows from them, else the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import size_rules

_aten = torch.ops.aten


class InSteps(NamedTuple):
    """An activation in the steps of a recurrence.

    Attributes:
        in_place: Leaves the outputs in the place of the inputs; None: the inputs are kept.
        backward_to: `(out, grad, kept)`: writes `grad` times the derivative to `out`; None: torch's own derivative of
            the formula, taken for all steps at once.
    """

    in_place: Callable[[Tensor], Tensor] | None = None
    backward_to: Callable[[Tensor, Tensor, Tensor], Any] | None = None


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


FROM_INPUTS = InSteps()
LINEAR = InSteps(lambda x: x, lambda out, grad, y: out.copy_(grad))
SIGMOID = InSteps(torch.sigmoid_, lambda out, grad, y: _aten.sigmoid_backward.grad_input(grad, y, grad_input=out))
TANH = InSteps(_tanh_in_place, lambda out, grad, y: _aten.tanh_backward.grad_input(grad, y, grad_input=out))
RELU = InSteps(torch.relu_, lambda out, grad, y: _aten.threshold_backward.grad_input(grad, y, 0.0, grad_input=out))
RELU6 = InSteps(
    lambda x: x.clamp_(0.0, 6.0),
    lambda out, grad, y: _aten.hardtanh_backward.grad_input(grad, y, 0.0, 6.0, grad_input=out),
)
LEAKY_RELU = InSteps(
    lambda x: F.leaky_relu_(x, 0.2),
    lambda out, grad, y: _aten.leaky_relu_backward.grad_input(grad, y, 0.2, True, grad_input=out),
)
ELU = InSteps(
    F.elu_,
    lambda out, grad, y: _aten.elu_backward.grad_input(grad, 1.0, 1.0, 1.0, True, y, grad_input=out),
)
EXPONENTIAL = InSteps(torch.exp_, lambda out, grad, y: torch.mul(grad, y, out=out))
HARD_SIGMOID = InSteps(_hard_sigmoid_in_place, _hard_sigmoid)
HARD_SIGMOID_KERAS2 = InSteps(None, _hard_sigmoid_keras2)
