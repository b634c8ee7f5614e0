"""Encoder: a model in plain PyTorch.

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
    ) -> tuple[Tensor, Tensor]:
        """Let each step of the query look at the values.

        Args:
            query: `(B, ..., T, F)`.
            value: `(B, ..., S, F)`.
            key: `(B, ..., S, F)`.

        Returns:
            `(B, ..., T, output)`, and the weights `(B, ..., N, T, S)`.
        """
        q = self.heads(self.query(query), self.key_dim)
        k = self.heads(self.key(key), self.key_dim)
        v = self.heads(self.value(value), self.value_dim)
        scores = (q * self.key_dim**-0.5) @ k.transpose(-1, -2)
        weights = scores.softmax(-1)
        heads = (self.drop(weights) @ v).transpose(-3, -2).flatten(-2)
        return self.output(heads), weights


class Encoder(nn.Module):
    """x: float32 (B, T, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_0 = MultiHeadAttention((8, 8, 8, 8), 2, key_dim=4, value_dim=4)
        self.norm_0 = nn.LayerNorm(8, eps=0.001)
        self.attention_1 = MultiHeadAttention((8, 8, 8, 8), 2, key_dim=4, value_dim=4)
        self.norm_1 = nn.LayerNorm(8, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.attention_0(x, x, x)  # (B, T, 8)
        x = x + out  # (B, T, 8)
        x = self.norm_0(x)  # (B, T, 8)
        out, _ = self.attention_1(x, x, x)  # (B, T, 8)
        x = x + out  # (B, T, 8)
        x = self.norm_1(x)  # (B, T, 8)
        return x.mean(1)  # (B, 8)


def load(folder: str | Path = FOLDER) -> Encoder:
    """The model with its trained weights, in evaluation mode."""
    model = Encoder()
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
