"""Recurrent modules with dropout of inputs and states, each gate by itself and all steps alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .steps import ResetBeforeGRU, StepGRU, StepLoop, StepLSTM, StepRNN


def gate_masks(like: Tensor, gates: int, p: float) -> Tensor:
    """One dropout mask of a step `(B, F)` for each gate: `(gates, B, F)`."""
    return F.dropout(like.new_ones(gates, *like.shape), p)


def dropped_linear(x: Tensor, weight: Any, bias: Any, masks: Tensor) -> Tensor:
    """`x @ weight.T + bias` of one step `(B, F)`, with x dropped for each gate by itself."""
    parts = [F.linear(x * mask, part) for mask, part in zip(masks, weight.chunk(len(masks)), strict=True)]
    out = torch.cat(parts, dim=-1)
    return out if bias is None else out + bias


class DroppedGates(nn.Module):
    """One layer of a module of torch whose inputs and states are dropped while training.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        bias: Whether there are biases.
        **options: Of torch's module.
    """

    all_weights: Any  # of torch's module
    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        input_dropout: float,
        recurrent_dropout: float,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, batch_first=True, **options)
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout

    def step(self, from_x: Tensor, from_h: Tensor, states: list[Tensor]) -> list[Tensor]:
        """The new states of a step, the output first, of what input and state give to the gates, `(B, gates * U)`."""
        raise NotImplementedError

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """What torch's module returns for x `(B, T, F)`."""
        if not self.training:
            return super().forward(x, state)
        w_ih, w_hh, b_ih, b_hh = [*self.all_weights[0], None, None][:4]  # None: without biases
        zeros = x.new_zeros(x.shape[0], w_hh.shape[1])
        states = [zeros, zeros] if state is None else list(state if isinstance(state, Tensor) else torch.cat(state))
        x_masks = gate_masks(x[:, 0], self.gates, self.input_dropout)
        h_masks = gate_masks(zeros, self.gates, self.recurrent_dropout)
        outputs: list[Tensor] = []
        for step in x.unbind(1):
            from_x = dropped_linear(step, w_ih, b_ih, x_masks)
            states = self.step(from_x, dropped_linear(states[0], w_hh, b_hh, h_masks), states)
            outputs.append(states[0])
        last = [part[None] for part in states]
        return torch.stack(outputs, dim=1), tuple(last) if len(last) > 1 else last[0]


class DropoutLSTM(DroppedGates, nn.LSTM):
    """An nn.LSTM of one layer whose inputs and states are dropped while training, each gate by itself."""

    gates = 4

    def step(self, from_x: Tensor, from_h: Tensor, states: list[Tensor]) -> list[Tensor]:
        i, f, g, o = (from_x + from_h).chunk(4, dim=-1)
        c = torch.sigmoid(f) * states[1] + torch.sigmoid(i) * torch.tanh(g)
        return [torch.sigmoid(o) * torch.tanh(c), c]


class DropoutGRU(DroppedGates, nn.GRU):
    """An nn.GRU of one layer whose inputs and states are dropped while training, each gate by itself."""

    gates = 3

    def step(self, from_x: Tensor, from_h: Tensor, states: list[Tensor]) -> list[Tensor]:
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, dim=-1), from_h.chunk(3, dim=-1)
        r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
        return [z * states[0] + (1 - z) * torch.tanh(x_n + r * h_n)]


class DropoutRNN(DroppedGates, nn.RNN):
    """An nn.RNN of one layer whose inputs and states are dropped while training, all steps alike."""

    def step(self, from_x: Tensor, from_h: Tensor, states: list[Tensor]) -> list[Tensor]:
        return [torch.tanh(from_x + from_h) if self.nonlinearity == "tanh" else torch.relu(from_x + from_h)]


class DroppedSteps(StepLoop):
    """A loop over the steps that drops inputs and states while training, each gate by itself and all steps alike.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        activation: Of what is new in a step; of an LSTM's cell on its way out, too.
        recurrent_activation: Of the gates.
        bias: Whether there are biases.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        input_dropout: float,
        recurrent_dropout: float,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        recurrent_activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, activation, recurrent_activation, bias)
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout
        self.h_masks: Tensor | None = None  # of the sequence that runs

    def from_input(self, x: Tensor) -> Tensor:
        if not self.training:
            self.h_masks = None
            return super().from_input(x)
        masks = gate_masks(x[:, 0], self.gates, self.input_dropout)
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        self.h_masks = gate_masks(zeros, self.gates, self.recurrent_dropout)
        return dropped_linear(x, self.weight_ih_l0, self.bias_ih_l0, masks[:, :, None])

    def from_state(self, h: Tensor) -> Tensor:
        if self.h_masks is None:
            return super().from_state(h)
        return dropped_linear(h, self.weight_hh_l0, self.bias_hh_l0, self.h_masks)


class DropoutStepRNN(DroppedSteps, StepRNN):
    """A `StepRNN` whose inputs and states are dropped while training."""


class DropoutStepLSTM(DroppedSteps, StepLSTM):
    """A `StepLSTM` whose inputs and states are dropped while training."""


class DropoutStepGRU(DroppedSteps, StepGRU):
    """A `StepGRU` whose inputs and states are dropped while training."""


class DropoutResetBeforeGRU(DroppedSteps, ResetBeforeGRU):
    """A `ResetBeforeGRU` whose inputs and states are dropped while training."""

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        if self.h_masks is None:
            return super().step(gates, states)
        h = states[0]
        x_r, x_z, x_n = gates.chunk(3, dim=-1)
        w_r, w_z, w_n = self.weight_hh_l0.chunk(3)
        h_r, h_z, h_n = h * self.h_masks
        r = self.recurrent_activation(x_r + F.linear(h_r, w_r))
        z = self.recurrent_activation(x_z + F.linear(h_z, w_z))
        return [z * h + (1 - z) * self.activation(x_n + F.linear(r * h_n, w_n))]
