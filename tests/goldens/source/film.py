"""Film: a model in plain PyTorch.

From the tests.

Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;
running this file computes a recorded example again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).resolve().parent


def pad_same(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int], value: float = 0.0) -> Tensor:
    """x `(B, C, ...)` padded so that a window gives ceil(size / stride) places; an odd one goes behind."""
    pads: list[int] = []
    for axis in range(len(kernel) - 1, -1, -1):
        size = x.shape[axis + 2]
        places = -(-size // stride[axis])
        total = max((places - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


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
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run all steps.

        Args:
            x: `(B, T, C, ...)`.
            state: The first h and c, `(B, filters, ...)` each; zeros if None.

        Returns:
            All outputs `(B, T, filters, ...)`, and the states h and c.
        """
        gates = self.input_gates(x)
        zeros = torch.zeros_like(gates[:, 0, : self.filters])
        h, c = (zeros, zeros) if state is None else state
        outputs: list[Tensor] = []
        for t in range(x.shape[1]):
            h, c = self.step(gates[:, t], h, c)
            outputs.append(h)
        out = torch.stack(outputs, dim=1)
        return out, (h, c)


class Film(nn.Module):
    """x: float32 (B, H, 8, 8, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = ConvLSTM(1, 3, kernel_size=[3, 3], stride=[1, 1], dilation=[1, 1], same=True)
        self.shrink = nn.MaxPool2d(2, stride=2)
        self.remember = nn.RNN(48, 4, batch_first=True)
        self.remember.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.score = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.watch(x.movedim(-1, 2))
        x = x.movedim(2, -1)  # (B, H, 8, 8, 3)
        max_pooling2d = self.shrink(x.flatten(0, 1).movedim(-1, 1)).movedim(1, -1)  # (B, 4, 4, 3)
        x = max_pooling2d.unflatten(0, x.shape[:2])  # (B, H, 4, 4, 3)
        flatten = x.flatten(0, 1).flatten(1)  # (B, 48)
        x = flatten.unflatten(0, x.shape[:2])  # (B, T, 48)
        x, _ = self.remember(x)
        x = x[:, -1]  # (B, 4)
        return self.score(x)  # (B, 2)


def load(folder: str | Path = FOLDER) -> Film:
    """The model with its trained weights, in evaluation mode."""
    model = Film()
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)
    return model.eval()


def replay() -> list[tuple[Tensor, Tensor]]:
    """The outputs for the recorded inputs, each beside the recorded one."""
    example = load_file(FOLDER / "example.safetensors")
    with torch.no_grad():
        output = load()(example["input_0"])
    return [(output, example["output_0"])]


if __name__ == "__main__":
    for computed, recorded in replay():
        print(f"{tuple(computed.shape)}: largest difference {(computed - recorded).abs().max():.1e}")
