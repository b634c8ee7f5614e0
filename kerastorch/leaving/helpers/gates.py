"""torch's recurrent modules with dropout of inputs and states, each gate by itself and all steps alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .steps import ResetBeforeGRU, StepGRU, StepLSTM, StepRNN


def gate_masks(like: Tensor, gates: int, p: float) -> Tensor:
    """One dropout mask of a step `(B, F)` for each gate: `(gates, B, F)`."""
    return F.dropout(like.new_ones(gates, *like.shape), p)


def dropped_linear(x: Tensor, weight: Any, bias: Any, masks: Tensor) -> Tensor:
    """`x @ weight.T + bias` of one step `(B, F)`, with x dropped for each gate by itself."""
    parts = [F.linear(x * mask, part) for mask, part in zip(masks, weight.chunk(len(masks)), strict=True)]
    out = torch.cat(parts, dim=-1)
    return out if bias is None else out + bias


class DropoutLSTM(nn.LSTM):
    """An nn.LSTM of one layer whose inputs and states are dropped while training.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        bias: Whether there is a bias.
    """

    def __init__(
        self, input_size: int, hidden_size: int, input_dropout: float, recurrent_dropout: float, bias: bool = True
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, batch_first=True)
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """What nn.LSTM returns for x `(B, T, F)`."""
        if not self.training:
            return super().forward(x, state)
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        h, c = (zeros, zeros) if state is None else (state[0][0], state[1][0])
        x_masks = gate_masks(x[:, 0], 4, self.input_dropout)
        h_masks = gate_masks(h, 4, self.recurrent_dropout)
        w_ih, w_hh, b_ih, b_hh = (*self.all_weights[0], None, None)[:4]  # None: without biases
        outputs: list[Tensor] = []
        for step in x.unbind(1):
            gates = dropped_linear(step, w_ih, b_ih, x_masks)
            gates = gates + dropped_linear(h, w_hh, b_hh, h_masks)
            i, f, g, o = gates.chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h[None], c[None])


class DropoutGRU(nn.GRU):
    """An nn.GRU of one layer whose inputs and states are dropped while training.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        bias: Whether there are biases.
    """

    def __init__(
        self, input_size: int, hidden_size: int, input_dropout: float, recurrent_dropout: float, bias: bool = True
    ) -> None:
        super().__init__(input_size, hidden_size, bias=bias, batch_first=True)
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """What nn.GRU returns for x `(B, T, F)`."""
        if not self.training:
            return super().forward(x, state)
        h = x.new_zeros(x.shape[0], self.hidden_size) if state is None else state[0]
        x_masks = gate_masks(x[:, 0], 3, self.input_dropout)
        h_masks = gate_masks(h, 3, self.recurrent_dropout)
        w_ih, w_hh, b_ih, b_hh = (*self.all_weights[0], None, None)[:4]  # None: without biases
        outputs: list[Tensor] = []
        for step in x.unbind(1):
            from_x = dropped_linear(step, w_ih, b_ih, x_masks)
            from_h = dropped_linear(h, w_hh, b_hh, h_masks)
            (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, dim=-1), from_h.chunk(3, dim=-1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            h = z * h + (1 - z) * torch.tanh(x_n + r * h_n)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h[None]


class DropoutRNN(nn.RNN):
    """An nn.RNN of one layer whose inputs and states are dropped while training, all steps alike.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the next step sees it.
        nonlinearity: "tanh" or "relu".
        bias: Whether there is a bias.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        input_dropout: float,
        recurrent_dropout: float,
        nonlinearity: str = "tanh",
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, nonlinearity=nonlinearity, bias=bias, batch_first=True)
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout

    def forward(self, x: Tensor, state: Any = None) -> Any:
        """What nn.RNN returns for x `(B, T, F)`."""
        if not self.training:
            return super().forward(x, state)
        h = x.new_zeros(x.shape[0], self.hidden_size) if state is None else state[0]
        x_masks = gate_masks(x[:, 0], 1, self.input_dropout)
        h_masks = gate_masks(h, 1, self.recurrent_dropout)
        activation = torch.tanh if self.nonlinearity == "tanh" else torch.relu
        w_ih, w_hh, b_ih, b_hh = (*self.all_weights[0], None, None)[:4]  # None: without biases
        outputs: list[Tensor] = []
        for step in x.unbind(1):
            from_x = dropped_linear(step, w_ih, b_ih, x_masks)
            from_h = dropped_linear(h, w_hh, b_hh, h_masks)
            h = activation(from_x + from_h)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h[None]


class DroppedSteps(StepRNN):
    """A loop over the steps that drops inputs and states while training, each gate by itself and all steps alike."""

    input_dropout: float
    recurrent_dropout: float
    h_masks: Tensor | None = None  # of the sequence that runs

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
        return dropped_linear(h, self.weight_hh_l0, getattr(self, "bias_hh_l0", None), self.h_masks)


class DropoutStepRNN(DroppedSteps):
    """A `StepRNN` whose inputs and states are dropped while training, all steps alike.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the next step sees it.
        activation: Of the new state.
        bias: Whether there is a bias.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        input_dropout: float,
        recurrent_dropout: float,
        activation: Callable[[Tensor], Tensor] = torch.tanh,
        bias: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size, activation, bias)
        self.input_dropout = input_dropout
        self.recurrent_dropout = recurrent_dropout


class DropoutStepLSTM(DroppedSteps, StepLSTM):
    """A `StepLSTM` whose inputs and states are dropped while training, each gate by itself and all steps alike.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        activation: Of the candidate, and of the cell on its way out.
        recurrent_activation: Of the gates.
        bias: Whether there is a bias.
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


class DropoutStepGRU(DroppedSteps, StepGRU):
    """A `StepGRU` whose inputs and states are dropped while training, each gate by itself and all steps alike.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        activation: Of the candidate.
        recurrent_activation: Of the gates.
        bias: Whether there are biases, of the input and of the state.
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


class DropoutResetBeforeGRU(DroppedSteps, ResetBeforeGRU):
    """A `ResetBeforeGRU` whose inputs and states are dropped while training, each gate by itself, all steps alike.

    Args:
        input_size: Features of the input.
        hidden_size: Features of the state.
        input_dropout: Fraction of the inputs that become zero.
        recurrent_dropout: Fraction of the state that becomes zero where the gates see it.
        activation: Of the candidate.
        recurrent_activation: Of the gates.
        bias: Whether there is a bias.
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

    def step(self, gates: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        if self.h_masks is None:
            return super().step(gates, h)
        x_r, x_z, x_n = gates.chunk(3, dim=-1)
        w_r, w_z, w_n = self.weight_hh_l0.chunk(3)
        h_r, h_z, h_n = h * self.h_masks
        r = self.recurrent_activation(x_r + F.linear(h_r, w_r))
        z = self.recurrent_activation(x_z + F.linear(h_z, w_z))
        return (z * h + (1 - z) * self.activation(x_n + F.linear(r * h_n, w_n)),)
