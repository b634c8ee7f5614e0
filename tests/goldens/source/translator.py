"""Translator: a model in plain PyTorch.

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


def causal_mask(query: Tensor, value: Tensor) -> Tensor:
    """bool `(T, S)`: step i of the query sees the values 0 to i."""
    return torch.ones(query.shape[1], value.shape[1], dtype=torch.bool, device=query.device).tril()


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


class Translator(nn.Module):
    """source: float32 (B, T, 4); target: float32 (B, T, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(4, 5, batch_first=True)
        self.encoder.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.decoder = nn.LSTM(3, 5, batch_first=True)
        self.decoder.bias_hh_l0.requires_grad_(False)  # stays zero: the one bias is bias_ih_l0
        self.look_back = MultiHeadAttention((10, 10, 10, 10), 2, key_dim=3, value_dim=3, dropout=0.1)
        self.words = nn.Linear(10, 7)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        x, (h, c) = self.encoder(source)  # (B, T, 5)
        out, _ = self.decoder(target, (h, c))  # (B, T, 5)
        scores = out @ x.transpose(-1, -2)
        x = scores.softmax(-1) @ x  # (B, T, 5)
        x = torch.cat([out, x], dim=-1)  # (B, T, 10)
        allowed = causal_mask(x, x)
        x, _ = self.look_back(x, x, x, mask=allowed, hide="zero")  # (B, T, 10)
        return self.words(x)  # (B, T, 7)


def load(folder: str | Path = FOLDER) -> Translator:
    """The model with its trained weights, in evaluation mode."""
    model = Translator()
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"), strict=True)
    return model.eval()


def replay() -> list[tuple[Tensor, Tensor]]:
    """The outputs for the recorded inputs, each beside the recorded one."""
    example = load_file(FOLDER / "example.safetensors")
    with torch.no_grad():
        output = load()(example["input_0"], example["input_1"])
    return [(output, example["output_0"])]


if __name__ == "__main__":
    for computed, recorded in replay():
        print(f"{tuple(computed.shape)}: largest difference {(computed - recorded).abs().max():.1e}")
