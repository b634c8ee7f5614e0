"""Repeats: a model in plain PyTorch.

From the tests.

Written by kerastorch. `load()` makes the model with its weights, which are in model.safetensors;
running this file computes a recorded example again.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

FOLDER = Path(__file__).resolve().parent


class MultiHeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017), with heads of any size.

    Args:
        sizes: Features of query, value, key, and of the output.
        num_heads: Number of heads.
        key_dim: Size of each head of query and key.
        value_dim: Size of each head of the value.
        dropout: Fraction of the weights that are dropped while training.
        bias: Whether the projections have biases.
    """

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        num_heads: int,
        key_dim: int,
        value_dim: int,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.dropout = dropout
        self.bias = bias
        self.query = nn.Linear(sizes[0], num_heads * key_dim, bias)
        self.value = nn.Linear(sizes[1], num_heads * value_dim, bias)
        self.key = nn.Linear(sizes[2], num_heads * key_dim, bias)
        self.drop = nn.Dropout(dropout)
        self.output = nn.Linear(num_heads * value_dim, sizes[3], bias)

    def heads(self, x: Tensor, size: int) -> Tensor:
        """A projection `(B, T, N * size)` in heads: `(B, N, T, size)`."""
        return x.unflatten(-1, (-1, size)).transpose(-3, -2)

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor,
        mask: Tensor | None = None,
        hide: str = "fill",
    ) -> tuple[Tensor, Tensor]:
        """Let each step of the query look at the values.

        Args:
            query: `(B, ..., T, F)`.
            value: `(B, ..., S, F)`.
            key: `(B, ..., S, F)`.
            mask: bool, broadcast to `(B, N, T, S)`: True = may be looked at.
            hide: How hidden values get no weight: "fill" puts -1e9 in the place of their scores, so that a step that
                sees nothing sees the mean; "zero" gives them weight 0 in the end; "add" adds -1e9. In float16: -65504.

        Returns:
            `(B, ..., T, output)`, and the weights `(B, ..., N, T, S)`.
        """
        q = self.heads(self.query(query), self.key_dim)
        k = self.heads(self.key(key), self.key_dim)
        v = self.heads(self.value(value), self.value_dim)
        scores = (q * self.key_dim**-0.5) @ k.transpose(-1, -2)
        if mask is not None:
            least = -65504.0 if scores.dtype == torch.float16 else -1e9
            scores = scores + (least * ~mask).to(scores) if hide == "add" else scores.masked_fill(~mask, least)
        weights = scores.softmax(-1)
        if mask is not None and hide == "zero":
            weights = weights.masked_fill(~mask, 0.0)
        heads = (self.drop(weights) @ v).transpose(-3, -2).flatten(-2)
        return self.output(heads), weights


class RepeatsBlock(nn.Module):
    """x: float32 (B, T, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = MultiHeadAttention((8, 8, 8, 8), 2, key_dim=4, value_dim=4, dropout=0.1)
        self.norm = nn.LayerNorm(8, eps=0.001)
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8)
        self.last_norm = nn.LayerNorm(8, eps=0.001)

    def forward(self, x: Tensor, allowed: Tensor) -> Tensor:
        out, _ = self.attention(x, x, x, mask=allowed, hide="zero")  # (B, T, 8)
        x = x + out  # (B, T, 8)
        x = self.norm(x)  # (B, T, 8)
        up = F.gelu(self.up(x))  # (B, T, 16)
        down = self.down(up)  # (B, T, 8)
        x = x + down  # (B, T, 8)
        return self.last_norm(x)  # (B, T, 8)


class Repeats(nn.Module):
    """x: int64 (B, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        # attention_0 to last_norm_0, attention_1 to last_norm_1, attention_2 to last_norm_2
        self.blocks = nn.ModuleList(RepeatsBlock() for _ in range(3))
        self.dense = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))  # dense_0, dense_1, dense_2
        self.score = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        mask = x != 0  # True = use the step
        x = self.embedding(x)  # (B, T, 8)
        allowed = (mask[:, :, None] & mask[:, None])[:, None]
        for block in self.blocks:
            x = block(x, allowed)  # (B, T, 8)
        y = mask[..., None].to(torch.float32)
        x = (x * y).sum(1) / y.sum(1)  # (B, 8)
        for dense in self.dense:
            x = torch.relu(dense(x))  # (B, 8)
        return self.score(x)  # (B, 2)


def load(folder: str | Path = FOLDER) -> Repeats:
    """The model with its trained weights, in evaluation mode."""
    model = Repeats()
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
