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
from .convolution import convolve, convolve_gradients
from .equations import Equations, Steps
from .input_product import InputProduct, dropped_sum
from .operators import is_followed
from .step_loop import Cell
from .types import States

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


class ChannelsLast(Equations):
    """An LSTM with a convolution in the place of the recurrent product; abstract, but for its compiled code."""

    CHANNEL_AXIS = -1  # of a state

    @classmethod
    def cell(cls, steps: Steps) -> Cell:
        axis, drop, activation, recurrent = cls.CHANNEL_AXIS, steps.drop, steps.activation, steps.recurrent
        ours = not (torch.is_grad_enabled() or is_followed())  # what is made below: nobody else knows of it
        if ours:
            activation, recurrent = overwriting(activation), overwriting(recurrent)

        def cell(gates: Tensor, states: States) -> States:
            h, c = states
            dropped = h if drop is None else torch.cat([h * gate for gate in drop], dim=axis)
            groups = 1 if drop is None else GATES
            from_h = convolve(dropped, steps.w_hh, padding="same", channel_axis=axis, groups=groups)
            i, f, g, o = _split(from_h.add_(gates) if ours else gates + from_h, axis)
            new_c = (recurrent(f) * c).add_(recurrent(i) * activation(g))
            return recurrent(o) * activation(new_c.clone() if ours else new_c), new_c

        return cell


class ChannelsFirst(ChannelsLast):
    CHANNEL_AXIS = 1


def _split(total: Tensor, axis: int) -> Sequence[Tensor]:
    """The gates before their activations, each without gaps in memory: else these take up to 20 times as long."""
    if axis == 1:
        return total.chunk(GATES, dim=1)
    return total.unflatten(-1, (GATES, -1)).movedim(-2, 0).contiguous().unbind()
