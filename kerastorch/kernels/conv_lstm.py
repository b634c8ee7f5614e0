"""The recurrence of a convolutional LSTM on plain tensors: the convolution of all inputs, and one step.

Shapes: inputs `(T, B, ..., C)` and states `(B, ..., U)`, or with channels first `(T, B, C, ...)` and `(B, U, ...)`;
weights are in torch layout, `(4U, C, ...)` and `(4U, U, ...)`, gates i f c o.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .activation_gradients import overwriting
from .convolution import convolve, convolve_gradients, convolve_transposed
from .equations import LSTM, Steps
from .input_product import InputProduct, dropped_sum
from .operators import is_followed
from .recurrent_product import Product
from .step_loop import Cell
from .types import States, Weights

GATES = 4  # i f c o, in Keras as here


@dataclass  # not frozen: Dynamo of torch 2.11 cannot trace the making of one that is
class InputConvolution(InputProduct):
    """The gates as a convolution of the inputs.

    Args:
        channel_axis: Of one step: 1 or -1.
        padding: "valid" or "same".
        strides: One for each axis of an image.
        dilation: One for each axis of an image.
    """

    channel_axis: int
    padding: str
    strides: Sequence[int]
    dilation: Sequence[int]

    def __call__(self, x: Tensor, w: Tensor, b: Tensor | None, drop: Tensor | None) -> Tensor:
        gates = convolve(self._dropped(x, drop).flatten(0, 1), w, b, **self._options(drop))
        return gates.unflatten(0, x.shape[:2])

    def gradients(
        self, grad: Tensor, x: Tensor, w: Tensor, drop: Tensor | None, needs: Sequence[bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        dropped = self._dropped(x, drop).flatten(0, 1)
        of_x, of_w, of_b = convolve_gradients(grad.flatten(0, 1), dropped, w, needs, **self._options(drop))
        if of_x is not None:
            of_x = of_x.unflatten(0, x.shape[:2])
            if drop is not None:
                of_x = dropped_sum(of_x.chunk(GATES, self._axis), drop)
        return of_x, of_w, of_b

    @property
    def _axis(self) -> int:
        """The channels' among all axes of the inputs."""
        return self.channel_axis if self.channel_axis < 0 else self.channel_axis + 1

    def _dropped(self, x: Tensor, drop: Tensor | None) -> Tensor:
        """The inputs of each gate side by side."""
        return x if drop is None else torch.cat([x * mask for mask in drop], dim=self._axis)

    def _options(self, drop: Tensor | None) -> dict[str, Any]:
        return {
            "channel_axis": self.channel_axis,
            "padding": self.padding,
            "strides": self.strides,
            "dilation": self.dilation,
            "groups": 1 if drop is None else GATES,
        }


class ProductOfImages(Product):
    """A convolution of the state's images, channels last, in the place of `h @ w.T`.

    Args:
        w: `(4U, U, ...)`.
        drop: A mask for each gate `(4, B, ..., U)`, or None.
    """

    def __init__(self, w: Tensor, drop: Tensor | None) -> None:
        self.w, self.drop = w, drop
        self.ordered: Tensor | None = None  # w as the steps take it
        self.groups = 1 if drop is None else GATES
        self.places = (1,) * (w.ndim - 2)  # strides and dilation

    def add(self, other: Tensor, h: Tensor, out: Tensor) -> Tensor:
        images = h if self.drop is None else torch.cat([h * mask for mask in self.drop], dim=-1)
        made = convolve(images, self._ordered(), padding="same", channel_axis=-1, groups=self.groups)
        return torch.add(other, made, out=out)

    def back(self, grad: Tensor) -> Tensor:
        options: dict[str, Any] = {"strides": self.places, "dilation": self.places, "groups": self.groups}
        sizes = grad.shape[1:-1]
        of_h = convolve_transposed(grad, self._ordered(), None, padding="same", channel_axis=-1, sizes=sizes, **options)
        if self.drop is None:
            return of_h
        return torch.stack([part * mask for part, mask in zip(of_h.chunk(GATES, -1), self.drop, strict=True)]).sum(0)

    def add_back_to(self, before: Tensor, grad: Tensor) -> Tensor:
        return before + self.back(grad)

    def _ordered(self) -> Tensor:
        if self.ordered is None:
            self.ordered = channels_innermost(self.w)
        return self.ordered

    def weight_grad(self, grad: Tensor, h: Tensor) -> Tensor:
        grad = grad.flatten(0, 1)
        if self.drop is None:
            return _kernel_gradient(grad, h, self.w)
        parts = zip(grad.chunk(GATES, dim=-1), self.drop, self.w.chunk(GATES), strict=True)
        return torch.cat([_kernel_gradient(part, h * mask, w) for part, mask, w in parts])


def channels_innermost(w: Tensor) -> Tensor:
    """A kernel in the memory order of images with the channels last: else each step of a device reorders it."""
    return w.movedim(1, -1).contiguous().movedim(-1, 1)


def _kernel_gradient(grad: Tensor, h: Tensor, w: Tensor) -> Tensor:
    needs = (False, True, False)
    _, found, _ = convolve_gradients(grad, h.flatten(0, 1), w, needs, padding="same", channel_axis=-1)
    return found  # type: ignore[return-value]


def on_device(x: Tensor) -> bool:
    """Whether images like x are on a device, where the derivatives by hand save launches.

    On the CPU, gates that are cut out of one array have gaps in memory, which costs more than autograd does; compiled
    code runs there.
    """
    return not x.is_cpu


class ChannelsLast(LSTM):
    """An LSTM with a convolution in the place of the recurrent product."""

    CHANNEL_AXIS = -1  # of a state

    @staticmethod
    def by_hand(x: Tensor) -> bool:
        return on_device(x)

    def product(self, weights: Weights) -> Product:
        return ProductOfImages(weights.w_hh, weights.drop)

    @classmethod
    def cell(cls, steps: Steps) -> Cell:
        axis, drop, activation, recurrent = cls.CHANNEL_AXIS, steps.drop, steps.activation, steps.recurrent
        w_hh = channels_innermost(steps.w_hh) if axis == -1 and on_device(steps.w_hh) else steps.w_hh
        ours = not (torch.is_grad_enabled() or is_followed())  # what is made below: nobody else knows of it
        if ours:
            activation, recurrent = overwriting(activation), overwriting(recurrent)

        def cell(gates: Tensor, states: States) -> States:
            h, c = states
            dropped = h if drop is None else torch.cat([h * gate for gate in drop], dim=axis)
            groups = 1 if drop is None else GATES
            from_h = convolve(dropped, w_hh, padding="same", channel_axis=axis, groups=groups)
            i, f, g, o = _split(from_h.add_(gates) if ours else gates + from_h, axis)
            new_c = (recurrent(f) * c).add_(recurrent(i) * activation(g))
            return recurrent(o) * activation(new_c.clone() if ours else new_c), new_c

        return cell


class ChannelsFirst(ChannelsLast):
    """Likewise, for what cannot be turned round: autograd follows it."""

    CHANNEL_AXIS = 1

    @staticmethod
    def by_hand(x: Tensor) -> bool:
        return False


def _split(total: Tensor, axis: int) -> Sequence[Tensor]:
    """The gates before their activations, each without gaps in memory: else these take up to 20 times as long."""
    if axis == 1:
        return total.chunk(GATES, dim=1)
    return total.unflatten(-1, (GATES, -1)).movedim(-2, 0).contiguous().unbind()
