"""Stack: a model in plain PyTorch.

From the tests.

Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;
running this file computes a recorded example again.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

FOLDER = Path(__file__).resolve().parent


class Stack(nn.Module):
    """x: float32 (B, T, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.level_0 = nn.LSTM(4, 6, num_layers=3, batch_first=True, bidirectional=True)  # level_0, level_1, level_2
        self.level_0.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.level_0.bias_hh_l0_reverse.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0_reverse
        self.level_0.bias_hh_l1.requires_grad_(False)  # stays zero: the one bias is bias_ih_l1
        self.level_0.bias_hh_l1_reverse.requires_grad_(False)  # stays zero: the one bias is bias_ih_l1_reverse
        self.level_0.bias_hh_l2.requires_grad_(False)  # stays zero: the one bias is bias_ih_l2
        self.level_0.bias_hh_l2_reverse.requires_grad_(False)  # stays zero: the one bias is bias_ih_l2_reverse
        self.score = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.level_0(x)  # (B, T, 12)
        return torch.softmax(self.score(x), dim=-1)  # (B, T, 2)


def load(folder: str | Path = FOLDER) -> Stack:
    """The model with its trained weights, in evaluation mode."""
    model = Stack()
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
