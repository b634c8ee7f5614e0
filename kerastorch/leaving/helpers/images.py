"""A convolutional LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

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
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
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

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Run all steps of x `(B, T, C, ...)`; where the mask `(B, T)` is False, states and output stay what they were.

        Returns:
            All outputs `(B, T, filters, ...)`, and the states h and c.
        """
        flat = x.flatten(0, 1)
        if self.same:
            flat = pad_same(flat, self.kernel_size, self.stride, self.dilation)
        gates = self.from_input(flat).unflatten(0, x.shape[:2])
        zeros = gates.new_zeros(x.shape[0], self.filters, *gates.shape[3:])
        h, c = (zeros, zeros) if state is None else state
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = (gates[:, t] + self.from_state(h)).chunk(4, dim=1)
            gate = self.recurrent_activation
            new_c = gate(f) * c + gate(i) * self.activation(g)
            new_h = gate(o) * self.activation(new_c)
            if mask is not None:
                used = mask[:, t].view(-1, *[1] * (h.ndim - 1))
                new_h, new_c = torch.where(used, new_h, h), torch.where(used, new_c, c)
            h, c = new_h, new_c
            outputs.append(h)
        out = torch.stack(outputs, dim=1)
        if mask is not None:
            began = mask.cumsum(1) > 0  # zeros before the first used step
            out = out * began.view(*began.shape, *[1] * (out.ndim - 2))
        return out, (h, c)
