"""What torch lacks of what Keras models compute, in torch alone: generated code holds copies of the parts that it uses.

Nothing here is imported from kerastorch, and each class and function is written as it shall stand in a model's file.
Weights are named and laid out as in nn.LSTM, nn.GRU and nn.RNN; states have their shape, `(1, B, U)`, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# ---------------------------------------------------------------------------- activations


def identity(x: Tensor) -> Tensor:
    """x as it is."""
    return x


def hard_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines: 0 below -3, 1 above 3."""
    return F.relu6(x + 3.0) / 6.0


def hard_sigmoid_fifth(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines with slope 0.2: 0 below -2.5, 1 above 2.5."""
    return (0.2 * x + 0.5).clamp(0.0, 1.0)


def hard_silu(x: Tensor) -> Tensor:
    """x times a sigmoid of three straight lines."""
    return x * F.relu6(x + 3.0) / 6.0


def selu(x: Tensor) -> Tensor:
    """SELU whose derivative at 0 is that of the right side."""
    return torch.where(x < 0, F.selu(x), 1.0507009873554804934193349852946 * x)


def hard_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x where its size is above the threshold, else 0."""
    return torch.where(x.abs() > threshold, x, 0.0)


def soft_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """x brought nearer to 0 by the threshold."""
    return torch.where(x > threshold, x - threshold, torch.where(x < -threshold, x + threshold, 0.0))


def squareplus(x: Tensor, b: float = 4) -> Tensor:
    """A smooth relu: (x + sqrt(x * x + b)) / 2."""
    return (x + torch.sqrt(x * x + b)) / 2


def sparse_plus(x: Tensor) -> Tensor:
    """A relu with a parabola between -1 and 1."""
    return torch.where(x <= -1, 0.0, torch.where(x < 1, 0.25 * (x + 1) ** 2, x))


def sparse_sigmoid(x: Tensor) -> Tensor:
    """A sigmoid of three straight lines: 0 below -1, 1 above 1."""
    return 0.5 * (F.hardtanh(x) + 1.0)


def relu_between(
    x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """x above the threshold, at most `max_value`; `negative_slope * (x - threshold)` below."""
    y = F.threshold(x, threshold, 0.0)
    if max_value is not None:
        y = y.clamp(0.0, max_value)
    return y - negative_slope * F.relu(threshold - x)


# ---------------------------------------------------------------------------- dropout


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


class GaussianNoise(nn.Module):
    """Adds normal noise while training."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stddev * torch.randn_like(x) if self.training else x


class GaussianDropout(nn.Module):
    """Multiplies by normal noise around 1 while training, with the variance of dropout at rate p."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.0 + math.sqrt(self.p / (1.0 - self.p)) * torch.randn_like(x)) if self.training else x


# ---------------------------------------------------------------------------- windows and statistics


def pad_same(
    x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], value: float = 0.0
) -> Tensor:
    """x `(B, C, ...)` padded so that a window gives ceil(size / stride) places; an odd one goes behind."""
    pads: list[int] = []
    for axis in reversed(range(len(kernel))):
        size = x.shape[axis + 2]
        places = -(-size // stride[axis])
        total = max((places - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def average_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """The mean of each window of x `(B, C, ...)`, over ceil(size / stride) places; padding does not count."""
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    dilation = (1,) * len(kernel)
    total = pool(pad_same(x, kernel, stride, dilation), kernel, stride)
    return total / pool(pad_same(torch.ones_like(x), kernel, stride, dilation), kernel, stride)


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

    running_mean: Tensor
    running_var: Tensor

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
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise x; where the mask, x's shape without the last axis, is False, a batch's statistics do not count."""
        mean, var = self.running_mean, self.running_var
        if self.training and not self.frozen:
            axes = [axis for axis in range(x.ndim) if axis != self.axis % x.ndim]
            if mask is None:
                var, mean = torch.var_mean(x, axes, correction=0)
            else:
                used = mask[..., None].expand_as(x)
                count = used.sum(axes, keepdim=True, dtype=x.dtype) + 1e-7
                mean = x.where(used, 0).sum(axes, keepdim=True) / count
                var = ((x - mean).where(used, 0).square().sum(axes, keepdim=True) / count).flatten()
                mean = mean.flatten()
            with torch.no_grad():
                count = x.numel() // mean.numel()
                new = var * (count / max(count - 1, 1)) if self.unbiased else var
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(new, self.momentum)
        y = F.batch_norm(x.movedim(self.axis, 1), mean, var, self.weight, self.bias, eps=self.eps)
        return y.movedim(1, self.axis)


# ---------------------------------------------------------------------------- masks


def run_masked(rnn: nn.Module, x: Tensor, mask: Tensor, state: Any = None) -> Tensor:
    """All outputs of an nn.LSTM, nn.GRU or nn.RNN that skips the steps where the mask is False.

    The steps of each row are moved together, run, and moved back; a skipped step repeats the output before it.

    Args:
        rnn: A module with `batch_first=True`, in one direction.
        x: `(B, T, F)`.
        mask: bool `(B, T)`, True = use the step.
        state: The first state, as the module takes it.

    Returns:
        `(B, T, U)`; zeros before the first used step.
    """
    order = mask.logical_not().byte().argsort(dim=1, stable=True)  # used steps first
    out, _ = rnn(x.gather(1, order[..., None].expand_as(x)), state)
    used = mask.cumsum(1)  # so many steps until now
    latest = (used - 1).clamp(min=0)[..., None].expand_as(out)
    return out.gather(1, latest) * (used > 0)[..., None]


def run_masked_with_state(rnn: nn.Module, x: Tensor, mask: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """What `run_masked` gives, and the state behind the last used step of each row, as the module returns it."""
    order = mask.logical_not().byte().argsort(dim=1, stable=True)  # used steps first
    x = x.gather(1, order[..., None].expand_as(x))
    used = mask.cumsum(1)  # so many steps until now
    lengths = used[:, -1]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    packed, last = rnn(packed, state)
    out, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    latest = (used - 1).clamp(min=0)[..., None].expand_as(out)
    out = out.gather(1, latest) * (used > 0)[..., None]
    began = (lengths > 0)[:, None]
    if not isinstance(last, tuple):
        return out, torch.where(began, last, torch.zeros_like(last) if state is None else state)
    start = [torch.zeros_like(part) for part in last] if state is None else state
    return out, tuple(torch.where(began, new, old) for new, old in zip(last, start, strict=True))


# ---------------------------------------------------------------------------- recurrent layers, step by step


class StepRNN(nn.Module):
    """An RNN as a loop over the steps, for any activation; weights and states as in nn.RNN.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        activation: Of the new state.
        bias: Whether there is a bias.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.activation = activation
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size).uniform_(-bound, bound))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, hidden_size).uniform_(-bound, bound))
        self.bias_ih_l0 = nn.Parameter(torch.zeros(rows)) if bias else None

    def from_state(self, h: Tensor) -> Tensor:
        """What the state `(B, U)` gives to the gates of a step."""
        return F.linear(h, self.weight_hh_l0)

    def step(self, gates: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        """The new states of one step; `gates` is what the input gives to the gates, `(B, gates * U)`."""
        return (self.activation(gates + self.from_state(h)),)

    def first_states(self, x: Tensor, state: Any) -> tuple[Tensor, ...]:
        return (x.new_zeros(x.shape[0], self.hidden_size) if state is None else state[0],)

    def forward(self, x: Tensor, state: Any = None, mask: Tensor | None = None) -> tuple[Tensor, Any]:
        """Run all steps of x `(B, T, F)`; where the mask `(B, T)` is False, states and output stay what they were."""
        gates = F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        states = self.first_states(x, state)
        outputs = []
        for t in range(x.shape[1]):
            new = self.step(gates[:, t], *states)
            if mask is not None:
                used = mask[:, t, None]
                new = tuple(torch.where(used, after, before) for after, before in zip(new, states, strict=True))
            states = new
            outputs.append(states[0])
        out = torch.stack(outputs, dim=1)
        if mask is not None:
            out = out * (mask.cumsum(1) > 0)[..., None]  # zeros before the first used step
        last = [part[None] for part in states]
        return out, tuple(last) if len(last) > 1 else last[0]


class StepLSTM(StepRNN):
    """An LSTM as a loop over the steps, for any activations; gates i f g o and states as in nn.LSTM.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        activation: Of the candidate, and of the cell on its way out.
        recurrent_activation: Of the gates.
        bias: Whether there is a bias.
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, activation, bias)
        self.recurrent_activation = recurrent_activation

    def first_states(self, x: Tensor, state: Any) -> tuple[Tensor, ...]:
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        return (zeros, zeros) if state is None else (state[0][0], state[1][0])

    def step(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        i, f, g, o = (gates + self.from_state(h)).chunk(4, dim=-1)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        return gate(o) * self.activation(c), c


class StepGRU(StepRNN):
    """A GRU as a loop over the steps, for any activations; gates r z n and states as in nn.GRU.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        activation: Of the candidate.
        recurrent_activation: Of the gates.
        bias: Whether there are biases, of the input and of the state.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, activation, bias)
        self.recurrent_activation = recurrent_activation
        self.bias_hh_l0 = nn.Parameter(torch.zeros(3 * hidden_size)) if bias else None

    def from_state(self, h: Tensor) -> Tensor:
        return F.linear(h, self.weight_hh_l0, self.bias_hh_l0)

    def step(self, gates: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        x_r, x_z, x_n = gates.chunk(3, dim=-1)
        h_r, h_z, h_n = self.from_state(h).chunk(3, dim=-1)
        r, z = self.recurrent_activation(x_r + h_r), self.recurrent_activation(x_z + h_z)
        return (z * h + (1 - z) * self.activation(x_n + r * h_n),)


class ResetBeforeGRU(StepRNN):
    """A GRU whose reset gate acts on the state before its product (Cho et al. 2014), as a loop over the steps.

    Gates r z n and states are those of nn.GRU, which resets behind the product.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        activation: Of the candidate.
        recurrent_activation: Of the gates.
        bias: Whether there is a bias.
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, activation, bias)
        self.recurrent_activation = recurrent_activation

    def step(self, gates: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        x_r, x_z, x_n = gates.chunk(3, dim=-1)
        w_r, w_z, w_n = self.weight_hh_l0.chunk(3)
        r = self.recurrent_activation(x_r + F.linear(h, w_r))
        z = self.recurrent_activation(x_z + F.linear(h, w_z))
        return (z * h + (1 - z) * self.activation(x_n + F.linear(r * h, w_n)),)
