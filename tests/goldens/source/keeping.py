"""Keeping: a model in plain PyTorch.

From the tests.

Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;
running this file computes a recorded example again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).resolve().parent


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


class Inner(nn.Module):
    """x: float32 (B, 5, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.deep(x))  # (B, 5, 3)


class Keeping(nn.Module):
    """x: float32 (B, 5, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = DropoutLSTM(3, 4, input_dropout=0.0, recurrent_dropout=0.2)
        self.lstm.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.inner = Inner()

    def forward(
        self, x: Tensor, lstm_state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
        x, lstm_state = self.lstm(x, lstm_state)  # (B, 5, 4)
        x = self.inner(x)  # (B, 5, 3)
        mean = x.mean(1)  # (B, 3)
        return {"mean": mean, "all": x}, lstm_state


def load(folder: str | Path = FOLDER) -> Keeping:
    """The model with its trained weights, in evaluation mode."""
    model = Keeping()
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)
    return model.eval()


def replay() -> list[tuple[Tensor, Tensor]]:
    """The outputs for the recorded inputs, each beside the recorded one."""
    example = load_file(FOLDER / "example.safetensors")
    with torch.no_grad():
        output = load()(example["input_0"])
    return [(output[0]["all"], example["output_0"]), (output[0]["mean"], example["output_1"])]


if __name__ == "__main__":
    for computed, recorded in replay():
        print(f"{tuple(computed.shape)}: largest difference {(computed - recorded).abs().max():.1e}")
