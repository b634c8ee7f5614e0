"""Bidirectional and TimeDistributed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ... import layers
from ...base.to_torch import plain
from ...layers.rnn.kernel_choice import drops
from ...structure import leaves, map_structure
from ..builder import TRANSLATORS, Builder, Value, makes_mask, translates
from ..building import call_layer
from .recurrent import GATED, apart, has_cell, is_fused, kind_of
from .sequences import run_any


@translates(layers.Bidirectional)
def _bidirectional(t: Builder, layer: Any, x: Any, mask: Any = None, initial_state: Any = None) -> Any:
    x, mask, initial_state = apart(layer, x, mask, initial_state)
    forward, backward = layer._directions
    gated = isinstance(forward, GATED) and isinstance(backward, GATED)
    if gated and mask is None and initial_state is None and _is_one_module(forward, backward):
        return _in_one(t, layer, x)
    halves: tuple[Any, Any] = (None, None) if initial_state is None else layer._halves(initial_state)
    ends = ("forward", "backward")
    results = [
        run_any(t, direction, f"{layer.name}_{end}", x, mask, state)
        for direction, end, state in zip(layer._directions, ends, halves, strict=True)
    ]
    outs = [result[0] for result in results] if layer.return_state else results
    if layer.return_sequences:
        outs[1] = outs[1].flip(1)
    for out, end in zip(outs, ends, strict=True):
        out.node.meta["label"] = end
    merged = _merged(layer, *outs)
    if not layer.return_state:
        return merged
    states = [state for result in results for state in result[1:]]
    return (*merged, *states) if layer.merge_mode is None else (merged, *states)


def _merged(layer: Any, forward: Value, backward: Value) -> Any:
    if layer.merge_mode is None:
        return forward, backward
    if layer.merge_mode == "concat":
        return torch.cat([forward, backward], dim=-1)  # type: ignore[list-item]
    if layer.merge_mode == "mul":
        return forward * backward
    return forward + backward if layer.merge_mode == "sum" else (forward + backward) / 2


def _is_one_module(forward: Any, backward: Any) -> bool:
    """Whether one bidirectional module of torch computes both directions."""
    return (
        not forward.go_backwards
        and not forward.stateful
        and is_fused(forward)
        and is_fused(backward)
        and kind_of(forward) == kind_of(backward)
        and forward.units == backward.units
        and forward.use_bias == backward.use_bias
        and not any(drops(d, d.dropout) or drops(d, d.recurrent_dropout) for d in (forward, backward))
    )


def _in_one(t: Builder, layer: Any, x: Value) -> Any:
    forward, backward = layer._directions

    def make() -> nn.Module:
        kind, options = kind_of(forward)
        tensors = dict(forward.state_dict(keep_vars=True))
        tensors.update({f"{name}_reverse": value for name, value in backward.state_dict(keep_vars=True).items()})
        sizes = {"input_size": forward.weight_ih_l0.shape[1], "hidden_size": forward.units, "bias": forward.use_bias}
        return plain(kind, layer, tensors, **sizes, **options, bidirectional=True)  # type: ignore[arg-type]

    returns = ("out", ("h", "c") if has_cell(forward) else "h")
    result = t.module(layer, layer.name, make, x, returns=returns)
    out, last = result[0], result[1]
    h = last[0] if has_cell(forward) else last
    if not layer.return_sequences:
        merged: Any = _merged(layer, h[0], h[1])
    elif layer.merge_mode == "concat":
        merged = out
    else:
        units = forward.units
        merged = _merged(layer, out[..., :units], out[..., units:])
    if not layer.return_state:
        return merged
    states = [h[0], last[1][0], h[1], last[1][1]] if has_cell(forward) else [h[0], h[1]]
    return (*merged, *states) if layer.merge_mode is None else (merged, *states)


@makes_mask(layers.Bidirectional)
def _bidirectional_mask(layer: Any, x: Any, masks: Any) -> Any:
    return None if masks is None else layer.compute_mask(x, masks)


# These compute each value, or each place along the last axis, by itself: the axis of time needs no care.
_POINTWISE = (layers.Dense, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Embedding)


@translates(layers.TimeDistributed)
def _time_distributed(t: Builder, layer: Any, x: Value, mask: Any = None) -> Any:
    inner = layer.layer
    outside, t.inside = t.inside, layer
    try:
        if isinstance(inner, _POINTWISE) and not inner._takes_mask:
            return TRANSLATORS[type(inner)](t, inner, x)
        handed = None
        if mask is not None and (inner._takes_mask or layer.keras2_masks):
            handed = t.alias(mask.flatten(0, 1), None)
        flat = t.alias(x.flatten(0, 1), handed)
        flat.node.meta["shape"] = shape = (None, *x.shape_known[2:])
        flat.node.meta["dtype"] = x.node.meta.get("dtype")
        made = call_layer(t, inner, (flat,), {}, inner._output_shape(shape))
        t.behind = _behind(t, layer, x, mask, leaves(made)[0].mask)
        return map_structure(lambda out: t.alias(out, None).unflatten(0, x.shape[:2]), made)
    finally:
        t.inside = outside


def _behind(t: Builder, layer: Any, x: Value, mask: Any, inner: Any) -> Any:
    """The mask behind a TimeDistributed: in Keras 2 that of the layer inside, where there is one."""
    if not layer.keras2_masks:
        return mask
    if mask is not None:
        per_step = len(mask.node.meta.get("shape", (None, None))) == 2
        if inner is None or (layer.layer._graph is not None and per_step and not layer._makes_mask):
            return mask if per_step else mask.flatten(2).any(-1)
    if inner is None:
        return None
    made = inner.unflatten(0, x.shape[:2])
    made.node.meta["label"] = "mask"
    return made


@makes_mask(layers.TimeDistributed)
def _time_distributed_mask(layer: Any, x: Any, masks: Any) -> Any:
    return None  # its translation says it
