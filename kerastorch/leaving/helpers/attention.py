"""Attention with heads of any size, and with masks that hide values."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def causal_mask(query: Tensor, value: Tensor) -> Tensor:
    """bool `(T, S)`: step i of the query sees the values 0 to i."""
    return torch.ones(query.shape[1], value.shape[1], dtype=torch.bool, device=query.device).tril()


def window_mask(query: Tensor, value: Tensor, window: int) -> Tensor:
    """bool `(T, S)`: a step sees the values less than `window` steps away."""
    rows = torch.arange(query.shape[1], device=query.device)
    columns = torch.arange(value.shape[1], device=query.device)
    return (rows[:, None] - columns).abs() < window


class MultiHeadAttention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017), with heads of any size.

    Args:
        sizes: Features of query, value, key, and of the output.
        num_heads: Number of heads.
        key_dim: Size of each head of query and key.
        value_dim: Size of each head of the value.
        dropout: Fraction of the weights that are dropped while training.
        bias: Whether the projections have biases.
        gate: Whether the heads are multiplied by a sigmoid of a projection of the query.
    """

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        num_heads: int,
        key_dim: int,
        value_dim: int,
        dropout: float = 0.0,
        bias: bool = True,
        gate: bool = False,
    ) -> None:
        super().__init__()
        self.sizes = sizes
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.dropout = dropout
        self.bias = bias
        self.gate = gate
        self.query = nn.Linear(sizes[0], num_heads * key_dim, bias)
        self.value = nn.Linear(sizes[1], num_heads * value_dim, bias)
        self.key = nn.Linear(sizes[2], num_heads * key_dim, bias)
        self.opening = nn.Linear(sizes[0], num_heads * value_dim, bias) if gate else None
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
        if self.opening is not None:
            heads = heads * torch.sigmoid(self.opening(query))
        return self.output(heads), weights


class GroupedAttention(MultiHeadAttention):
    """Multi-head attention whose heads share keys and values in groups (Ainslie et al. 2023).

    Args:
        sizes: Features of query, value, key, and of the output.
        num_heads: Number of heads.
        groups: Number of heads of key and value.
        key_dim: Size of each head.
        dropout: Fraction of the weights that are dropped while training.
        bias: Whether the projections have biases.
        gate: Whether the heads are multiplied by a sigmoid of a projection of the query.
    """

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        num_heads: int,
        groups: int,
        key_dim: int,
        dropout: float = 0.0,
        bias: bool = True,
        gate: bool = False,
    ) -> None:
        super().__init__(sizes, num_heads, key_dim, key_dim, dropout, bias, gate)
        self.groups = groups
        self.value = nn.Linear(sizes[1], groups * key_dim, bias)
        self.key = nn.Linear(sizes[2], groups * key_dim, bias)

    def heads(self, x: Tensor, size: int) -> Tensor:
        split = x.unflatten(-1, (-1, size)).transpose(-3, -2)
        return split.repeat_interleave(self.num_heads // split.shape[-3], dim=-3)
