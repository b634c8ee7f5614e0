"""What the attention layers share: masks of scores, softmax over several axes, and attention itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import torch_private


def as_mask(mask: Any, like: Tensor) -> Tensor:
    """A mask as bool, where the data is."""
    mask = torch.as_tensor(mask, device=like.device)
    return mask if mask.dtype == torch.bool else mask != 0


def both(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """The positions that both masks allow; None allows all."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def causal_mask(queries: int, keys: int, device: torch.device) -> Tensor:
    """bool `(1, Tq, Tk)`: a step sees itself and the steps before it, counted from the first of each."""
    return torch.ones(1, queries, keys, dtype=torch.bool, device=device).tril()


def window_mask(queries: int, keys: int, window: int, device: torch.device) -> Tensor:
    """bool `(1, Tq, Tk)`: a step sees the steps less than `window` away."""
    rows, columns = torch.arange(queries, device=device), torch.arange(keys, device=device)
    return ((rows.unsqueeze(1) - columns).abs() < window).unsqueeze(0)


def with_axes(mask: Tensor, rank: int, attended: int) -> Tensor:
    """The mask with axes of size 1 in front of its last `2 * attended` ones, up to `rank` axes."""
    while mask.ndim < rank:
        mask = mask.unsqueeze(-2 * attended - 1)
    return mask


def penalty(mask: Tensor, dtype: torch.dtype, half: float = -65504.0) -> Tensor:
    """What Keras adds to scores: -1e9 at masked positions (`half` in float16), 0 elsewhere."""
    masked = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return masked.masked_fill(~mask, half if dtype == torch.float16 else -1e9)


def softmax(scores: Tensor, axes: int) -> Tensor:
    """Softmax over the last `axes` axes together."""
    if axes == 1:
        return scores.softmax(-1)
    return scores.flatten(-axes).softmax(-1).reshape(scores.shape)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """softmax(scale q k^T) v by torch's fused kernel, for `(B, N, T, H)`.

    A step that may look nowhere gets the mean of all values, and no gradient reaches its query, as in Keras 3 (torch
    has zeros or NaN for it): its query is taken for zero and its mask for open.

    Args:
        mask: bool, broadcast to `(B, N, Tq, Tk)`.
        causal: Whether `causal_mask` holds, where there is no other mask.
    """
    if mask is not None:
        nowhere = ~mask.any(-1, keepdim=True)
        query, mask = query.masked_fill(nowhere, 0), mask | nowhere
    return fused(query, key, value, mask, causal, scale)


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """torch's kernel, for `(B, N, T, H)`, or `(B, T, H)` without a mask."""
    if query.ndim == 3 and torch_private.is_exporting_to_onnx():  # whose translation wants the heads
        return fused(query[:, None], key[:, None], value[:, None], mask, causal, scale)[:, 0]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal, scale=scale)
