"""Attention, AdditiveAttention and MultiHeadAttention."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from ... import layers
from .. import helpers
from ..builder import Builder, GraphValue, Value, makes_mask, refusal, translates
from .recurrent import filled


@translates(layers.Attention, layers.AdditiveAttention)
def _attention(
    t: Builder,
    layer: Any,
    inputs: list[Value],
    mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    query, value, key = (*inputs, inputs[1])[:3]
    query_mask, value_mask = (None, None) if mask is None else mask[:2]
    causal = use_causal_mask or layer.causal
    allowed = None if value_mask is None else value_mask.unsqueeze(-2)
    if causal:
        rows = (query, key) if query.rank == 3 else (query.flatten(0, -3), key.flatten(0, -3))
        seen = t.call(helpers.causal_mask, *rows)
        allowed = seen if allowed is None else allowed & seen
    scores: Any = _scores(t, layer, query, key)
    if allowed is not None:
        scores = torch.where(allowed, scores, scores - (65504.0 if layer._computes_in == torch.float16 else 1e9))
    scores.node.meta["label"] = "scores"
    weights = scores.softmax(-1)
    if layer.dropout:
        weights = t.module(layer, f"{layer.name}_dropout", lambda: nn.Dropout(layer.dropout), weights)
    output = weights @ value
    if query_mask is not None:
        output = output.masked_fill(~query_mask[..., None], 0.0)
    return (output, weights) if return_attention_scores else output


def _scores(t: Builder, layer: Any, query: Value, key: Value) -> Value:
    scale = t.parameter(layer, "scale") if layer.use_scale else None
    if isinstance(layer, layers.Attention) and layer.score_mode == "dot":
        scores = query @ key.transpose(-1, -2)
        return scores if scale is None else scores * scale
    pairs = query.unsqueeze(-2) + key.unsqueeze(-3)
    if isinstance(layer, layers.AdditiveAttention):
        pairs = pairs.tanh()
        return (pairs if scale is None else pairs * scale).sum(-1)
    pairs = pairs if scale is None else pairs * scale
    return t.parameter(layer, "concat_score_weight") * pairs.tanh().sum(-1)


@makes_mask(layers.Attention, layers.AdditiveAttention)
def _attention_mask(layer: Any, inputs: Any, masks: Any) -> Any:
    return None if masks is None else masks[0]


@translates(layers.MultiHeadAttention, layers.GroupQueryAttention)
def _multi_head(
    t: Builder,
    layer: Any,
    query: Value,
    value: Value,
    key: Any = None,
    query_mask: Any = None,
    value_mask: Any = None,
    key_mask: Any = None,
    attention_mask: Any = None,
    return_attention_scores: bool = False,
    use_causal_mask: bool = False,
) -> Any:
    key = value if key is None else key
    axes = layer._axes(query.rank)
    masks = (query_mask, value_mask, key_mask)
    masked = layer.sliding_window is not None or attention_mask is not None or use_causal_mask
    if query.rank != 3 and (masked or any(mask is not None for mask in masks)):
        raise refusal(layer, "masks for attention over several axes have no translation")
    allowed = _allowed(t, layer, query, value, masks, attention_mask, use_causal_mask)
    zero = layer.dropout > 0 or return_attention_scores
    hide = "add" if layer._adds else "zero" if zero and not layer.keras2_masks else "fill"
    dense = (layer.query_dense, layer.value_dense, layer.key_dense)
    output_sizes = tuple(layer.output_dense.weight.shape[2:])
    sizes = (*(part.weight.shape[0] for part in dense), math.prod(output_sizes))

    def make() -> nn.Module:
        with torch.device("meta"):
            if isinstance(layer, layers.GroupQueryAttention):
                heads = layer.num_query_heads, layer.num_key_value_heads, layer.head_dim
                module: nn.Module = helpers.GroupedAttention(
                    sizes, *heads, layer.dropout, layer.use_bias, layer.use_gate
                )
            else:
                heads = layer.num_heads, layer.key_dim, layer.value_dim
                module = helpers.MultiHeadAttention(sizes, *heads, layer.dropout, layer.use_bias, layer.use_gate)
        return filled(module, layer, _tensors(layer))

    given = {} if allowed is None else {"mask": allowed} | ({} if hide == "fill" else {"hide": hide})
    inputs = [_axes_last(x, axes) for x in (query, value, key)]
    result = t.module(layer, layer.name, make, *inputs, returns=("out", "weights"), **given)
    output, weights = result[0], result[1]
    if len(output_sizes) > 1:
        output = output.unflatten(-1, output_sizes)
    if query.rank != 3:
        last, behind = [query.shape[axis] for axis in axes], len(output_sizes)
        output = output.unflatten(-1 - behind, last) if len(axes) > 1 else output
        output = output.movedim(tuple(range(-len(axes) - behind, -behind)), axes)
        if return_attention_scores and len(axes) > 1:
            weights = weights.unflatten(-1, [value.shape[axis] for axis in axes]).unflatten(-1 - len(axes), last)
    return (output, weights) if return_attention_scores else output


def _axes_last(x: Value, axes: tuple[int, ...]) -> Value:
    """x with the axes that attention runs over as one, before the features."""
    if x.rank == 3:
        return x
    moved = x.movedim(axes, tuple(range(-1 - len(axes), -1)))
    return moved.flatten(-1 - len(axes), -2) if len(axes) > 1 else moved


def _allowed(
    t: Builder, layer: Any, query: Value, value: Value, masks: tuple[Any, Any, Any], given: Any, causal: bool
) -> Any:
    """What may be looked at, `(T, S)`, `(B, 1, T, S)` or `(B, N, T, S)`; None for all."""
    query_mask, value_mask, key_mask = masks
    allowed: Any = None if query_mask is None else query_mask[:, :, None]
    for mask in (value_mask, key_mask):
        if mask is not None:
            allowed = mask[:, None] if allowed is None else allowed & mask[:, None]
    for_heads = allowed is not None
    for function, arguments, applies in (
        (helpers.window_mask, (layer.sliding_window,), layer.sliding_window is not None),
        (helpers.causal_mask, (), causal),
    ):
        if applies:
            seen = t.call(function, query, value, *arguments)
            allowed = seen if allowed is None else allowed & seen
    if for_heads:
        allowed = allowed[:, None]
    if given is not None:
        if not isinstance(given, GraphValue):
            raise refusal(layer, "an attention_mask that is no tensor of the graph has no translation")
        own: Any = given if given.node.meta.get("dtype") == torch.bool else given != 0
        own = own[:, None] if given.rank == 3 else own
        allowed = own if allowed is None else own & allowed
    if allowed is not None:
        allowed.node.meta["label"] = "allowed"
    return allowed


def _tensors(layer: Any) -> dict[str, Any]:
    parts = {"query": layer.query_dense, "value": layer.value_dense, "key": layer.key_dense}
    parts |= {"opening": layer._gate_dense} if layer.use_gate else {}
    tensors = {}
    for name, part in parts.items():
        tensors[f"{name}.weight"] = _like(part.weight, part.weight.flatten(1).T)
        if layer.use_bias:
            tensors[f"{name}.bias"] = _like(part.bias, part.bias.flatten())
    output = layer.output_dense
    tensors["output.weight"] = _like(output.weight, output.weight.flatten(0, 1).flatten(1).T)
    if layer.use_bias:
        tensors["output.bias"] = _like(output.bias, output.bias.flatten())
    return tensors


def _like(parameter: Any, value: Any) -> Any:
    """Values of another shape, frozen if the parameter is."""
    return value.detach().requires_grad_(parameter.requires_grad)
