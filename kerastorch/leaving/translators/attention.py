"""Attention, AdditiveAttention and MultiHeadAttention."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ... import layers
from .. import helpers
from ..builder import Builder, Value, makes_mask, refusal, translates
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
    if query.rank != 3:
        raise refusal(layer, f"attention over inputs of {query.rank} axes has no translation")
    causal = use_causal_mask or layer.causal
    allowed = None if value_mask is None else value_mask[:, None]
    if causal:
        seen = t.call(helpers.causal_mask, query, key)
        allowed = seen if allowed is None else allowed & seen
    scores: Any = _scores(t, layer, query, key)
    if allowed is not None:
        scores = torch.where(allowed, scores, scores - 1e9)
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
        scores = query @ key.transpose(1, 2)
        return scores if scale is None else scores * scale
    pairs = query[:, :, None] + key[:, None]
    if isinstance(layer, layers.AdditiveAttention):
        pairs = pairs.tanh()
        return (pairs if scale is None else pairs * scale).sum(-1)
    pairs = pairs if scale is None else pairs * scale
    return t.parameter(layer, "concat_score_weight") * pairs.tanh().sum(-1)


@makes_mask(layers.Attention, layers.AdditiveAttention)
def _attention_mask(layer: Any, inputs: Any, masks: Any) -> Any:
    return None if masks is None else masks[0]


@translates(layers.MultiHeadAttention)
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
    output_sizes = tuple(layer.output_dense.weight.shape[2:])
    if query.rank != 3 or len(output_sizes) != 1:
        raise refusal(layer, "attention over several axes, and outputs of several axes, have no translation")
    allowed = None if query_mask is None else query_mask[:, :, None]
    for mask in (value_mask, key_mask):
        if mask is not None:
            allowed = mask[:, None] if allowed is None else allowed & mask[:, None]
    if layer.sliding_window is not None:
        seen = t.call(helpers.window_mask, query, value, layer.sliding_window)
        allowed = seen if allowed is None else allowed & seen
    if attention_mask is not None:
        raise refusal(layer, "an attention_mask in the call has no translation")
    if use_causal_mask:
        seen = t.call(helpers.causal_mask, query, value)
        allowed = seen if allowed is None else allowed & seen
    if allowed is not None:
        open_sizes = query_mask is None and value_mask is None and key_mask is None
        allowed = allowed if open_sizes else allowed[:, None]
        allowed.node.meta["label"] = "allowed"
    zero = layer.dropout > 0 or return_attention_scores
    hide = "add" if layer._adds else "zero" if zero and not layer.keras2_masks else "fill"
    dense = (layer.query_dense, layer.value_dense, layer.key_dense)
    sizes = (*(part.weight.shape[0] for part in dense), output_sizes[0])

    def make() -> nn.Module:
        with torch.device("meta"):
            module = helpers.MultiHeadAttention(
                sizes, layer.num_heads, layer.key_dim, layer.value_dim, layer.dropout, layer.use_bias, layer.use_gate
            )
        return filled(module, layer, _tensors(layer))

    given = {} if allowed is None else {"mask": allowed} | ({} if hide == "fill" else {"hide": hide})
    result = t.module(layer, layer.name, make, query, value, key, returns=("out", "weights"), **given)
    return (result[0], result[1]) if return_attention_scores else result[0]


def _tensors(layer: Any) -> dict[str, Any]:
    parts = {"query": layer.query_dense, "value": layer.value_dense, "key": layer.key_dense}
    parts |= {"opening": layer._gate_dense} if layer.use_gate else {}
    tensors = {}
    for name, part in parts.items():
        tensors[f"{name}.weight"] = _like(part.weight, part.weight.flatten(1).T)
        if layer.use_bias:
            tensors[f"{name}.bias"] = _like(part.bias, part.bias.flatten())
    output = layer.output_dense
    tensors["output.weight"] = _like(output.weight, output.weight.flatten(0, 1).T)
    if layer.use_bias:
        tensors["output.bias"] = output.bias
    return tensors


def _like(parameter: Any, value: Any) -> Any:
    """Values of another shape, frozen if the parameter is."""
    return value.detach().requires_grad_(parameter.requires_grad)
