"""Hearing: a model in plain PyTorch.

From the tests.

Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;
running this file computes a recorded example again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).resolve().parent


def hard_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines: 0 below -3, 1 above 3."""
    return F.relu6(x + 3.0) / 6.0


class SharedDropout(nn.Module):
    """Dropout with one mask for all positions along some axes, as for all steps of a sequence.

    Args:
        p: Fraction of the values that become zero.
        axes: Along which the mask is the same.
    """

    def __init__(self, p: float, axes: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.p = p
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        shape = list(x.shape)
        for axis in self.axes:
            shape[axis] = 1
        return x * F.dropout(x.new_ones(shape), self.p)


def pad_same(x: Tensor, kernel: list[int], stride: list[int], dilation: list[int], value: float = 0.0) -> Tensor:
    """x `(B, C, ...)` padded so that a window gives ceil(size / stride) places; an odd one goes behind."""
    pads: list[int] = []
    for axis in range(len(kernel) - 1, -1, -1):
        size = x.shape[axis + 2]
        places = -(-size // stride[axis])
        total = max((places - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


class BatchNorm(nn.Module):
    """Batch normalisation along any axis, whose running variance follows the biased variance of the batches.

    Args:
        num_features: Size of the axis.
        axis: The axis of the features.
        eps: Added to the variance.
        momentum: Weight of a new batch in the running statistics.
        scale: Whether there is a weight.
        center: Whether there is a bias.
        frozen: Whether the running statistics are used, and stay, while training too.
        unbiased: Whether the running variance follows the unbiased variance instead.
    """

    def __init__(
        self,
        num_features: int,
        axis: int = -1,
        eps: float = 1e-3,
        momentum: float = 0.01,
        scale: bool = True,
        center: bool = True,
        frozen: bool = False,
        unbiased: bool = False,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.axis = axis
        self.eps = eps
        self.momentum = momentum
        self.scale = scale
        self.center = center
        self.frozen = frozen
        self.unbiased = unbiased
        self.weight = nn.Parameter(torch.ones(num_features)) if scale else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if center else None
        self.running_mean = nn.Buffer(torch.zeros(num_features))
        self.running_var = nn.Buffer(torch.ones(num_features))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise x; where the mask, x's shape without the last axis, is False, a batch's statistics do not count."""
        mean, var = self.running_mean, self.running_var
        if self.training and not self.frozen:
            mean, var = self.moments(x, mask)
            count = x.numel() // mean.numel()
            new = var * (count / max(count - 1, 1)) if self.unbiased else var
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(new, self.momentum)
        return self.normalised(x, mean, (var + self.eps).rsqrt())

    def moments(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and biased variance of each feature."""
        axes = list(range(x.ndim))
        axes.pop(self.axis % x.ndim)
        if mask is None:
            var, mean = torch.var_mean(x, axes, correction=0)
            return mean, var
        used = mask[..., None].expand_as(x)
        count = used.sum(axes, keepdim=True, dtype=x.dtype) + 1e-7
        mean = x.where(used, 0).sum(axes, keepdim=True) / count
        var = (x - mean).where(used, 0).square().sum(axes, keepdim=True) / count
        return mean.flatten(), var.flatten()

    def normalised(self, x: Tensor, mean: Tensor, factor: Tensor, shift: Tensor | None = None) -> Tensor:
        """`((x - mean) * factor + shift) * weight + bias`, along the axis of the features."""
        factor = factor if self.weight is None else factor * self.weight
        offset = -mean * factor
        if shift is not None:
            offset = offset + (shift if self.weight is None else shift * self.weight)
        offset = offset if self.bias is None else offset + self.bias
        shape = [1] * x.ndim
        shape[self.axis] = -1
        return torch.addcmul(offset.view(shape), x, factor.view(shape))


class StepLoop(nn.Module):
    """What recurrences as loops over the steps share, for any activations; weights as in torch's modules.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        activation: Of what is new in a step; of an LSTM's cell on its way out, too.
        recurrent_activation: Of the gates.
        bias: Whether there are biases.
    """

    gates = 1
    state_bias = False

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.zeros(rows)) if bias else None
        self.bias_hh_l0 = nn.Parameter(torch.zeros(rows)) if bias and self.state_bias else None

    def from_input(self, x: Tensor) -> Tensor:
        """What the inputs `(B, T, F)` give to the gates of all steps."""
        return F.linear(x, self.weight_ih_l0, self.bias_ih_l0)

    def from_state(self, h: Tensor) -> Tensor:
        """What the state `(B, U)` gives to the gates of a step."""
        return F.linear(h, self.weight_hh_l0, self.bias_hh_l0)

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        """The new states of a step, the output first; `gates` is what the input gives to them, `(B, gates * U)`."""
        raise NotImplementedError

    def run(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The outputs of all steps `(B, T, U)`, and the last states `(B, U)`."""
        gates = self.from_input(x)
        outputs: list[Tensor] = []
        for t in range(x.shape[1]):
            states = self.step(gates[:, t], states)
            outputs.append(states[0])
        out = torch.stack(outputs, dim=1)
        return out, states


class StepRNN(StepLoop):
    """An RNN as a loop over the steps, for any activation; weights and states as in nn.RNN."""

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        return [self.activation(gates + self.from_state(states[0]))]

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run all steps.

        Args:
            x: `(B, T, F)`.
            state: The first state `(1, B, U)`; zeros if None.

        Returns:
            All outputs `(B, T, U)`, and the state behind the last step.
        """
        h = x.new_zeros(x.shape[0], self.hidden_size) if state is None else state[0]
        out, states = self.run(x, [h])
        return out, states[0][None]


class StepLSTM(StepLoop):
    """An LSTM as a loop over the steps, for any activations; gates i f g o and states as in nn.LSTM."""

    gates = 4

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        h, c = states
        i, f, g, o = (gates + self.from_state(h)).chunk(4, dim=-1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        return [self.recurrent_activation(o) * self.activation(c), c]

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run all steps.

        Args:
            x: `(B, T, F)`.
            state: The first states, `(1, B, U)` each; zeros if None.

        Returns:
            All outputs `(B, T, U)`, and the states behind the last step.
        """
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        out, states = self.run(x, [zeros, zeros] if state is None else [state[0][0], state[1][0]])
        return out, (states[0][None], states[1][None])


class ResetBeforeGRU(StepRNN):
    """A GRU whose reset gate acts on the state before its product (Cho et al. 2014), as a loop over the steps.

    Gates r z n and states are those of nn.GRU, which resets behind the product.
    """

    gates = 3

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        h = states[0]
        x_r, x_z, x_n = gates.chunk(3, dim=-1)
        w_r, w_z, w_n = self.weight_hh_l0.chunk(3)
        r = self.recurrent_activation(x_r + F.linear(h, w_r))
        z = self.recurrent_activation(x_z + F.linear(h, w_z))
        return [z * h + (1 - z) * self.activation(x_n + F.linear(r * h, w_n))]


class Hearing(nn.Module):
    """x: float32 (B, 16, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 4, 3, stride=2)
        self.norm = BatchNorm(4)
        self.both_ways = nn.GRU(4, 4, batch_first=True, bidirectional=True)
        self.relu = StepLSTM(4, 3, activation=torch.relu, recurrent_activation=hard_sigmoid)
        self.backwards_dropout = SharedDropout(0.2)
        self.backwards = ResetBeforeGRU(3, 3)
        self.dropout = nn.Dropout(0.3)
        self.score = nn.Linear(3, 2)
        self.score.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(pad_same(x.transpose(1, 2), [3], [2], [1]))).transpose(1, 2)  # (B, 8, 4)
        x = self.norm(x)  # (B, 8, 4)
        x, _ = self.both_ways(x)
        x = x[..., :4] + x[..., 4:]  # (B, 8, 4)
        x, _ = self.relu(x)  # (B, 8, 3)
        x, _ = self.backwards(self.backwards_dropout(x.flip(1)))
        x = x[:, -1]  # (B, 3)
        x = self.dropout(x)  # (B, 3)
        return self.score(x)  # (B, 2)


def load(folder: str | Path = FOLDER) -> Hearing:
    """The model with its trained weights, in evaluation mode."""
    model = Hearing()
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
