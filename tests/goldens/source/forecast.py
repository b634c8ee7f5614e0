"""Forecast: a model in plain PyTorch.

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


class Forecast(nn.Module):
    """x: float32 (B, 24, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = ResetBeforeGRU(2, 8)
        self.norm = nn.LayerNorm(8, eps=0.001)
        self.decoder = StepLSTM(8, 8, recurrent_activation=hard_sigmoid)
        self.ahead = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        get_item = x[:, -1:, :1]  # (B, 1, 1)
        x = x - get_item  # (B, 24, 2)
        x, _ = self.gru(x)
        x = x[:, -1]  # (B, 8)
        x = self.norm(x)  # (B, 8)
        x = x.unsqueeze(1).repeat(1, 6, 1)  # (B, 6, 8)
        x, _ = self.decoder(x)  # (B, 6, 8)
        x = self.ahead(x)  # (B, 6, 1)
        return x + get_item  # (B, 6, 1)


def load(folder: str | Path = FOLDER) -> Forecast:
    """The model with its trained weights, in evaluation mode."""
    model = Forecast()
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
