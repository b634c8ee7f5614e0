"""Tagger: a model in plain PyTorch.

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


def back_in_place(out: Tensor, mask: Tensor) -> Tensor:
    """What a recurrence made of `used_first`, `(B, T, U)`, with each step where it was.

    A skipped step repeats the output before it; before the first used step there are zeros.
    """
    used = mask.cumsum(1)  # so many steps until now
    latest = (used - 1).clamp(min=0)[..., None].expand_as(out)
    return out.gather(1, latest) * (used > 0)[..., None]


def last_used(out: Tensor, mask: Tensor) -> Tensor:
    """The output `(B, U)` at the last used step, of what a recurrence made of `used_first`; zeros if there is none."""
    count = mask.sum(1)
    rows = torch.arange(out.shape[0], device=out.device)
    return out[rows, (count - 1).clamp(min=0)] * (count > 0)[:, None]


class Tagger(nn.Module):
    """x: int64 (B, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 12)
        self.context_forward = nn.LSTM(12, 8, batch_first=True)
        self.context_forward.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.context_backward = nn.LSTM(12, 8, batch_first=True)
        self.context_backward.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.tags = nn.Linear(16, 6)
        self.sentence = nn.GRU(16, 4, batch_first=True)
        self.score = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        mask = x != 0  # True = use the step
        x = self.embedding(x)  # (B, T, 12)
        out, _ = self.context_forward(used_first(x, mask))
        forward = back_in_place(out, mask) * mask[..., None]
        reversed_mask = mask.flip(1)
        x, _ = self.context_backward(used_first(x.flip(1), reversed_mask))
        backward = (back_in_place(x, reversed_mask) * reversed_mask[..., None]).flip(1)
        x = torch.cat([forward, backward], dim=-1)  # (B, T, 16)
        tags = torch.softmax(self.tags(x), dim=-1)  # (B, T, 6)
        x, _ = self.sentence(used_first(x, mask))
        x = last_used(x, mask)  # (B, 4)
        x = torch.sigmoid(self.score(x))  # (B, 1)
        return [tags, x]


def load(folder: str | Path = FOLDER) -> Tagger:
    """The model with its trained weights, in evaluation mode."""
    model = Tagger()
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)
    return model.eval()


def replay() -> list[tuple[Tensor, Tensor]]:
    """The outputs for the recorded inputs, each beside the recorded one."""
    example = load_file(FOLDER / "example.safetensors")
    with torch.no_grad():
        output = load()(example["input_0"])
    return [(computed, example[f"output_{index}"]) for index, computed in enumerate(output)]


if __name__ == "__main__":
    for computed, recorded in replay():
        print(f"{tuple(computed.shape)}: largest difference {(computed - recorded).abs().max():.1e}")
