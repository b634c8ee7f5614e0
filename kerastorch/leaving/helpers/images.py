"""A convolutional LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .statistics import pad_same


class ConvLSTM(nn.Module):
    """An LSTM over images whose products are convolutions (Shi et al. 2015); gates i f g o, channels first.

    Args:
        in_channels: Channels of the input.
        filters: Channels of the state.
        kernel_size: One size for each axis of an image; so many axes it has.
        stride: Of the convolution of the input.
        dilation: Likewise.
        same: Whether the input is padded so that only strides make it smaller.
        activation: Of the candidate, and of the cell on its way out.
        recurrent_activation: Of the gates.
        bias: Whether there is a bias.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        kernel_size: list[int],
        stride: list[int],
        dilation: list[int],
        same: bool = False,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.filters = filters
        self.kernel_size = kernel_size
        self.stride = stride
        self.dilation = dilation
        self.same = same
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.bias = bias
        conv: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(kernel_size) - 1]
        self.from_input = conv(in_channels, 4 * filters, kernel_size, stride, dilation=dilation, bias=bias)
        self.from_state = conv(filters, 4 * filters, kernel_size, padding="same", bias=False)

    def input_gates(self, x: Tensor) -> Tensor:
        """What the inputs of all steps give to the gates."""
        flat = x.flatten(0, 1)
        if self.same:
            flat = pad_same(flat, self.kernel_size, self.stride, self.dilation)
        return self.from_input(flat).unflatten(0, x.shape[:2])

    def state_gates(self, h: Tensor) -> Tensor:
        """What the state gives to the gates of a step."""
        return self.from_state(h)

    def step(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The new states of one step; `gates` is what the input gives to the gates."""
        i, f, g, o = (gates + self.state_gates(h)).chunk(4, dim=1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        return self.recurrent_activation(o) * self.activation(c), c

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run all steps.

        Args:
            x: `(B, T, C, ...)`.
            state: The first h and c, `(B, filters, ...)` each; zeros if None.
            mask: bool `(B, T)`, or `(B, T, ...)` of the places of the state; where it is False, states and output stay
                what they were.

        Returns:
            All outputs `(B, T, filters, ...)`, and the states h and c.
        """
        gates = self.input_gates(x)
        zeros = torch.zeros_like(gates[:, 0, : self.filters])
        h, c = (zeros, zeros) if state is None else state
        if mask is not None:
            mask = mask[:, :, None]  # of the channels
            while mask.ndim < gates.ndim:
                mask = mask[..., None]
        outputs: list[Tensor] = []
        for t in range(x.shape[1]):
            if mask is None:
                h, c = self.step(gates[:, t], h, c)
            else:
                new_h, new_c = self.step(gates[:, t], h, c)
                h, c = torch.where(mask[:, t], new_h, h), torch.where(mask[:, t], new_c, c)
            outputs.append(h)
        out = torch.stack(outputs, dim=1)
        if mask is not None:
            out = out * (mask.cumsum(1) > 0)  # zeros before the first used step
        return out, (h, c)


class DropoutConvLSTM(ConvLSTM):
    """A `ConvLSTM` whose inputs and states are dropped while training, each gate by itself and all steps alike.

    Args:
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        in_channels: Channels of the input.
        filters: Channels of the state.
        kernel_size: One size for each axis of an image; so many axes it has.
        stride: Of the convolution of the input.
        dilation: Likewise.
        same: Whether the input is padded so that only strides make it smaller.
        activation: Of the candidate, and of the cell on its way out.
        recurrent_activation: Of the gates.
        bias: Whether there is a bias.
    """

    def __init__(
        self,
        input_dropout: float,
        recurrent_dropout: float,
        in_channels: int,
        filters: int,
        kernel_size: list[int],
        stride: list[int],
        dilation: list[int],
        same: bool = False,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels, filters, kernel_size, stride, dilation, same, activation, recurrent_activation, bias
        )
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.h_masks: Tensor | None = None  # of the sequence that runs

    def input_gates(self, x: Tensor) -> Tensor:
        self.h_masks = None
        if not self.training:
            return super().input_gates(x)
        masks = F.dropout(x.new_ones(4, *x[:, :1].shape), self.input_dropout)
        gates = [super(DropoutConvLSTM, self).input_gates(x * mask).chunk(4, dim=2)[n] for n, mask in enumerate(masks)]
        return torch.cat(gates, dim=2)

    def state_gates(self, h: Tensor) -> Tensor:
        if not self.training:
            return super().state_gates(h)
        if self.h_masks is None:
            self.h_masks = F.dropout(h.new_ones(4, *h.shape), self.recurrent_dropout)
        gates = [self.from_state(h * mask).chunk(4, dim=1)[n] for n, mask in enumerate(self.h_masks)]
        return torch.cat(gates, dim=1)
