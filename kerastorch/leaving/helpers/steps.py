"""Recurrent layers as loops over the steps; weights and states are those of torch's modules."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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

    def run(self, x: Tensor, states: list[Tensor], mask: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """The outputs of all steps `(B, T, U)`, and the last states `(B, U)`."""
        gates = self.from_input(x)
        outputs: list[Tensor] = []
        for t in range(x.shape[1]):
            if mask is None:
                states = self.step(gates[:, t], states)
            else:
                new, used = self.step(gates[:, t], states), mask[:, t, None]
                states = [torch.where(used, new[k], state) for k, state in enumerate(states)]
            outputs.append(states[0])
        out = torch.stack(outputs, dim=1)
        if mask is not None:
            out = out * (mask.cumsum(1) > 0)[..., None]  # zeros before the first used step
        return out, states


class StepRNN(StepLoop):
    """An RNN as a loop over the steps, for any activation; weights and states as in nn.RNN."""

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        return [self.activation(gates + self.from_state(states[0]))]

    def forward(self, x: Tensor, state: Tensor | None = None, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run all steps.

        Args:
            x: `(B, T, F)`.
            state: The first state `(1, B, U)`; zeros if None.
            mask: bool `(B, T)`; where it is False, state and output stay what they were.

        Returns:
            All outputs `(B, T, U)`, and the state behind the last step.
        """
        h = x.new_zeros(x.shape[0], self.hidden_size) if state is None else state[0]
        out, states = self.run(x, [h], mask)
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
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run all steps.

        Args:
            x: `(B, T, F)`.
            state: The first states, `(1, B, U)` each; zeros if None.
            mask: bool `(B, T)`; where it is False, states and output stay what they were.

        Returns:
            All outputs `(B, T, U)`, and the states behind the last step.
        """
        zeros = x.new_zeros(x.shape[0], self.hidden_size)
        out, states = self.run(x, [zeros, zeros] if state is None else [state[0][0], state[1][0]], mask)
        return out, (states[0][None], states[1][None])


class StepGRU(StepRNN):
    """A GRU as a loop over the steps, for any activations; gates r z n and states as in nn.GRU."""

    gates = 3
    state_bias = True

    def step(self, gates: Tensor, states: list[Tensor]) -> list[Tensor]:
        h = states[0]
        x_r, x_z, x_n = gates.chunk(3, dim=-1)
        h_r, h_z, h_n = self.from_state(h).chunk(3, dim=-1)
        r, z = self.recurrent_activation(x_r + h_r), self.recurrent_activation(x_z + h_z)
        return [z * h + (1 - z) * self.activation(x_n + r * h_n)]


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
