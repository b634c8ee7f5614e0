"""What rounding does inside of activations, where moved inputs cannot show it.

The outputs of tanh, sigmoid and softmax hardly follow their inputs where they are near -1, 0 or 1, and a move of these
by one unit in the last place is lost there. Two programs still round such an output differently, and what is computed
from its distance to 1 (a gradient, or what an update gate leaves of a new state) differs by many times that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .. import activations
from ..base.layer import Layer


def rounded_within(layer: Layer, generator: torch.Generator) -> None:
    """Let the activations of a layer round otherwise, in place: by one unit in the last place of what they return.

    ELU and its kin become those of TensorFlow, which takes 1 from exp(x): near 0 that rounds as numbers of 1 do.
    """
    for name in ("activation", "recurrent_activation"):
        own: Any = layer.__dict__.get(name)
        sizes = (own.alpha, 1.0) if isinstance(own, activations.ELU) else None
        sizes = next((known for function, known in _OF_EXP if function is own), sizes)
        if sizes is not None:
            setattr(layer, name, partial(_elu_by_exp, *sizes))
        elif own in _SATURATING:
            setattr(layer, name, _Moved(own, _SATURATING[own], generator))
    if layer._class_name == "ELU":
        layer.forward = partial(_elu_by_exp, layer.alpha, 1.0)  # type: ignore[method-assign, attr-defined]


_OF_EXP: tuple[tuple[Any, tuple[float, float]], ...] = (  # (alpha, scale)
    (activations.elu, (1.0, 1.0)),
    (activations.celu, (1.0, 1.0)),
    (activations.selu, (1.6732632423543772, 1.0507009873554805)),
)


def _elu_by_exp(alpha: float, scale: float, x: Tensor) -> Tensor:
    return scale * torch.where(x > 0, x, alpha * (torch.exp(x.clamp(max=0.0)) - 1.0))


def _of_tanh(y: Tensor, grad: Tensor) -> Tensor:
    return grad * (1 - y * y)


def _of_sigmoid(y: Tensor, grad: Tensor) -> Tensor:
    return grad * y * (1 - y)


def _of_softmax(y: Tensor, grad: Tensor) -> Tensor:
    return y * (grad - (grad * y).sum(-1, keepdim=True))


# The gradient of each follows from what it returns, as in every framework.
_SATURATING: dict[Any, Callable[[Tensor, Tensor], Tensor]] = {
    activations.tanh: _of_tanh,
    activations.sigmoid: _of_sigmoid,
    activations.softmax: _of_softmax,
}


class _Moved:
    """An activation whose outputs are moved by one unit in the last place, up or down."""

    def __init__(
        self,
        own: Callable[[Tensor], Tensor],
        derivative: Callable[[Tensor, Tensor], Tensor],
        generator: torch.Generator,
    ) -> None:
        self.own, self.derivative = own, derivative
        self.generator = generator

    def __call__(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.own(x)
            signs = torch.randint(0, 2, y.shape, generator=self.generator).to(y) * 2 - 1
            y = y * (1 + signs * torch.finfo(y.dtype).eps)
        return _Given.apply(x, y, self.derivative)  # type: ignore[no-any-return]


class _Given(torch.autograd.Function):
    """Returns what it is given, with the derivative that follows from that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, derivative: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(y)
        ctx.derivative = derivative
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        return ctx.derivative(y, grad), None, None
