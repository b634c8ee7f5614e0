"""DocumentRating: a model in plain PyTorch.

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


def used_first(x: Tensor, mask: Tensor) -> Tensor:
    """x `(B, T, F)` with the steps of each row where the mask `(B, T)` is True before the others, in their order."""
    order = mask.logical_not().byte().argsort(dim=1, stable=True)
    return x.gather(1, order[..., None].expand_as(x))


def last_used(out: Tensor, mask: Tensor) -> Tensor:
    """The output `(B, U)` at the last used step, of what a recurrence made of `used_first`; zeros if there is none."""
    count = mask.sum(1)
    rows = torch.arange(out.shape[0], device=out.device)
    return out[rows, (count - 1).clamp(min=0)] * (count > 0)[:, None]


class Sentence(nn.Module):
    """x: int64 (B, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 4)
        self.read = nn.GRU(4, 5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        mask = x != 0  # True = use the step
        x = self.embedding(x)  # (B, T, 4)
        x, _ = self.read(used_first(x, mask))
        return last_used(x, mask)  # (B, 5)


class DocumentRating(nn.Module):
    """x: int64 (B, T, 12)."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences = Sentence()
        self.sum = nn.LSTM(5, 6, batch_first=True)
        self.sum.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.liked = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        sentence = self.sentences(x.flatten(0, 1))  # (B, 5)
        x = sentence.unflatten(0, x.shape[:2])  # (B, T, 5)
        x, _ = self.sum(x)
        x = x[:, -1]  # (B, 6)
        return torch.sigmoid(self.liked(x))  # (B, 1)


def load(folder: str | Path = FOLDER) -> DocumentRating:
    """The model with its trained weights, in evaluation mode."""
    model = DocumentRating()
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
