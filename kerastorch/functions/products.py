"""Products of matrices, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import UnsupportedError
from .kit import Kit, integers


def _multiplying(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Booleans are multiplied as floats and become booleans again, as in Keras."""

    def compute(kit: Kit, x1: Any, x2: Any, **arguments: Any) -> Tensor:
        x1, x2 = kit.joined(kit.tensor(x1), kit.tensor(x2))
        if x1.dtype == torch.bool:
            return function(x1.float(), x2.float(), **arguments).bool()
        return function(x1, x2, **arguments)

    return compute


def _contracted(x1: Tensor, x2: Tensor, first: list[int], second: list[int]) -> Tensor:
    return torch.tensordot(x1, x2, (first, second))  # type: ignore[arg-type]  # its stub knows a number only


def _dot(x1: Tensor, x2: Tensor) -> Tensor:
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    return _contracted(x1, x2, [-1], [-1 if x2.ndim == 1 else -2])


def _inner(x1: Tensor, x2: Tensor) -> Tensor:
    return x1 * x2 if x1.ndim == 0 or x2.ndim == 0 else _contracted(x1, x2, [-1], [-1])


def _tensordot(x1: Tensor, x2: Tensor, axes: Any) -> Tensor:
    if isinstance(axes, (list, tuple)):
        first, second = axes
        return _contracted(x1, x2, integers(first, "axes"), integers(second, "axes"))
    return torch.tensordot(x1, x2, axes)


def einsum(kit: Kit, operands: Any, subscripts: str) -> Tensor:
    return torch.einsum(subscripts, *kit.joined(*(kit.tensor(item) for item in operands)))


def attention(
    kit: Kit,
    query: Any,
    key: Any,
    value: Any,
    bias: Any,
    mask: Any,
    scale: Any,
    is_causal: bool,
    flash_attention: Any,
    attn_logits_soft_cap: Any,
) -> Tensor:
    """Scaled dot products of `(B, T, N, H)` queries with `(B, S, K, H)` keys, N a multiple of K."""
    del flash_attention  # a choice of kernel: it changes no number
    if attn_logits_soft_cap is not None:
        raise UnsupportedError("DotProductAttention: attn_logits_soft_cap is not supported; leave it out.")
    query, key, value = kit.joined(kit.tensor(query), kit.tensor(key), kit.tensor(value), floating=True)
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 2), value.repeat_interleave(groups, 2)
    logits = torch.einsum("btnh,bsnh->bnts", query, key)
    logits = logits * (key.shape[-1] ** -0.5 if scale is None else scale)
    if bias is not None:
        logits = logits + kit.tensor(bias)
    kept = None if mask is None else kit.tensor(mask).bool()
    if is_causal:
        causal = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
        kept = causal if kept is None else kept & causal
    if kept is not None:
        logits = torch.where(kept, logits, torch.finfo(logits.dtype).min * 0.7)
    return torch.einsum("bnts,bsnh->btnh", logits.softmax(-1), value)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "Matmul": _multiplying(torch.matmul),
    "Dot": _multiplying(_dot),
    "Inner": _multiplying(_inner),
    "Outer": _multiplying(lambda x1, x2: torch.outer(x1.reshape(-1), x2.reshape(-1))),
    "Tensordot": _multiplying(_tensordot),
    "Einsum": einsum,
    "DotProductAttention": attention,
}
