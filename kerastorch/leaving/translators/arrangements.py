"""Operations that arrange values, join them, or make them from sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from .. import helpers
from ..builder import GraphValue, Value
from .reducing import axes_of, integers_of


def _split(n: Any, x: Value, indices_or_sections: Any, axis: int) -> Any:
    sections = indices_or_sections
    count = sections if isinstance(sections, int) else len(sections) + 1
    names = tuple(f"part_{index}" for index in range(count))
    parts = n.t.call(torch.tensor_split, x, _plain(sections), dim=axis, returns=names)
    return [parts[index] for index in range(count)]


def _unstack(n: Any, x: Value, num: Any, axis: int) -> Any:
    count = x.shape_known[axis]
    if count is None:
        raise n.refused("along an open axis has no translation")
    parts = n.t.call(torch.unbind, x, dim=axis, returns=tuple(f"part_{index}" for index in range(count)))
    return [parts[index] for index in range(count)]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _sizes(n: Any, value: Any) -> Any:
    """Sizes, of which some or all may be computed."""
    if isinstance(value, GraphValue):
        return value.tolist() if value.rank else [value.item()]
    found = list(value) if isinstance(value, (list, tuple)) else [value]
    return [-1 if size is None else size.item() if isinstance(size, GraphValue) else size for size in found]


def _reshape(n: Any, x: Value, newshape: Any) -> Any:
    sizes = _sizes(n, newshape)
    return x.reshape(*sizes) if isinstance(sizes, list) else x.reshape(sizes)


def _expand_dims(n: Any, x: Value, axis: Any) -> Any:
    axes = integers_of(n, axis)
    for at in sorted(item % (x.rank + len(axes)) for item in axes):
        x = x.unsqueeze(at)
    return x


def _squeeze(n: Any, x: Value, axis: Any) -> Any:
    if axis is None:
        found = tuple(at for at, size in enumerate(x.shape_known) if size == 1)
        return x.squeeze(found)
    return x.squeeze(axes_of(x, axis))


def _concatenate(n: Any, xs: Any, axis: Any) -> Any:
    tensors = n.joined(*xs)
    if axis is None:
        return torch.cat([x.flatten() for x in tensors])
    return torch.cat(tensors, dim=axis)


def _stack(n: Any, x: Any, axis: int) -> Any:
    return torch.stack(n.joined(*x), dim=axis)


def _pad(n: Any, x: Value, constant_values: Any, pad_width: Any, mode: str) -> Any:
    widths = [pad_width] * x.rank if isinstance(pad_width, int) else list(pad_width)
    widths = widths * x.rank if len(widths) == 1 else widths
    pairs = [(width, width) if isinstance(width, int) else (width[0], width[-1]) for width in widths]
    if len(pairs) != x.rank or isinstance(constant_values, GraphValue):
        raise n.refused("with computed values or widths has no translation")
    if mode != "constant":
        for axis, (before, behind) in enumerate(pairs):
            if before or behind:
                x = n.t.call(
                    helpers.mirrored, x, axis, before, behind, **({"edge": True} if mode == "symmetric" else {})
                )
        return x
    flat = [width for pair in reversed(pairs) for width in pair]
    while flat[-2:] == [0, 0] and len(flat) > 2:
        flat = flat[:-2]
    return n.t.call(F.pad, x, tuple(flat), **({"value": constant_values} if constant_values else {}))


def _repeat(n: Any, x: Value, repeats: Any, axis: Any) -> Any:
    counts = integers_of(n, repeats)
    x, at = (x.flatten(), 0) if axis is None else (x, axis)
    if len(counts) == 1:
        return x.repeat_interleave(counts[0], dim=at)
    places = [index for index, count in enumerate(counts) for _ in range(count)]
    return x.index_select(at, n.t.constant(f"{n.layer.name}_places", torch.tensor(places)))


def _clip(n: Any, x: Value, x_min: Any, x_max: Any) -> Any:
    if not all(isinstance(end, (int, float)) for end in (x_min, x_max)):
        raise n.refused("between tensors has no translation")
    x = n.cast(x, torch.int32) if n.dtype_of(x) == torch.bool else x
    return n.t.call(torch.clamp, x, *((x_min, x_max) if n.dtype_of(x).is_floating_point else (int(x_min), int(x_max))))


def _where(n: Any, condition: Value, x1: Any, x2: Any) -> Any:
    if x1 is None or x2 is None:
        raise n.refused("without values has no translation")
    numbers = not isinstance(x1, GraphValue) and not isinstance(x2, GraphValue)
    return torch.where(n.cast(condition, torch.bool), *n.joined(x1, x2, tensors=numbers))


def _select(n: Any, condlist: Any, choicelist: Any, default: Any) -> Any:
    *choices, chosen = n.joined(*choicelist, 0 if default is None else default)
    for condition, choice in zip(reversed(condlist), reversed(choices), strict=True):
        chosen = torch.where(n.cast(condition, torch.bool), choice, chosen)
    return chosen


def _einsum(n: Any, operands: Any, subscripts: str) -> Any:
    return torch.einsum(subscripts, *n.joined(*operands))


def _tensordot(n: Any, x1: Value, x2: Value, axes: Any) -> Any:
    first, second = n.joined(x1, x2, tensors=True)
    pair = tuple(integers_of(n, part) for part in axes) if isinstance(axes, (list, tuple)) else axes
    return n.t.call(torch.tensordot, first, second, dims=pair)


def _dot(n: Any, x1: Any, x2: Any) -> Any:
    first, second = n.joined(x1, x2, tensors=True)
    if 0 in (first.rank, second.rank):
        return first * second
    return n.t.call(torch.tensordot, first, second, dims=([-1], [-1 if second.rank == 1 else -2]))


def _inner(n: Any, x1: Any, x2: Any) -> Any:
    first, second = n.joined(x1, x2, tensors=True)
    if 0 in (first.rank, second.rank):
        return first * second
    return n.t.call(torch.tensordot, first, second, dims=([-1], [-1]))


def _outer(n: Any, x1: Any, x2: Any) -> Any:
    return torch.outer(*(value.flatten() for value in n.joined(x1, x2, tensors=True)))


def _round(n: Any, x: Value, decimals: int) -> Any:
    if not n.dtype_of(x).is_floating_point and decimals >= 0:
        return x
    x = n.floating(x)
    return torch.round(x) if decimals == 0 else torch.round(x * 10.0**decimals) / 10.0**decimals


def _flip(n: Any, x: Value, axis: Any) -> Any:
    axes = axes_of(x, axis)
    return x.flip(axes)


def _filled(value: int) -> Callable[..., Any]:
    def compute(n: Any, x: Value, dtype: Any) -> Any:
        kind = {} if dtype is None else {"dtype": n.dtype(dtype)}
        return n.t.call(torch.ones_like if value else torch.zeros_like, x, **kind)

    return compute


def _full(n: Any, fill_value: Any, shape: Any, dtype: Any) -> Any:
    given = [shape] if isinstance(shape, GraphValue) else list(shape) if isinstance(shape, (list, tuple)) else [shape]
    held = [size for size in given if isinstance(size, GraphValue)]
    if not held:
        raise n.refused("of stated sizes has no translation")
    number = fill_value.item() if isinstance(fill_value, GraphValue) else fill_value
    own = n.dtype_of(fill_value) if isinstance(fill_value, GraphValue) else None
    own = own or (n.layer.dtype if isinstance(number, float) else torch.int32)
    wanted = own if dtype is None else n.dtype(dtype)
    return n.t.call(torch.full, _sizes(n, shape), number, dtype=wanted, device=held[0].device)


def _full_like(n: Any, x: Value, fill_value: Any, dtype: Any) -> Any:
    wanted = n.dtype_of(x) if dtype is None else n.dtype(dtype)
    if isinstance(fill_value, GraphValue):
        return n.cast(fill_value, wanted).expand_as(x)
    return n.t.call(torch.full_like, x, fill_value, **({} if wanted == n.dtype_of(x) else {"dtype": wanted}))


def _arange(n: Any, start: Any, stop: Any, step: Any, dtype: Any) -> Any:
    bounds = [0, start] if stop is None else [start, stop]
    bounds += [] if step in (None, 1) else [step]
    held = [end for end in bounds if isinstance(end, GraphValue)]
    if not held:
        raise n.refused("between numbers has no translation")
    kinds = [n.dtype_of(end).is_floating_point if isinstance(end, GraphValue) else type(end) is float for end in bounds]
    whole = not any(kinds)
    wanted = n.dtype(dtype) if dtype is not None else torch.int32 if whole else n.layer.dtype
    ends = [end.item() if isinstance(end, GraphValue) else end for end in bounds]
    return n.t.call(torch.arange, *ends, dtype=wanted, device=held[0].device)


def _saturate(n: Any, x: Value, dtype: Any) -> Any:
    own, wanted = n.dtype_of(x), n.dtype(dtype)
    if wanted == torch.bool or own == wanted:
        return n.cast(x, wanted)
    if wanted.is_floating_point:
        info: Any = torch.finfo(wanted)
        return x.double().clamp(info.min, info.max).to(wanted)
    info = torch.iinfo(wanted)
    if not own.is_floating_point:
        return x.long().clamp(max(info.min, -(2**63)), min(info.max, 2**63 - 1)).to(wanted)
    # The largest integer may be no float: what is not below it becomes it.
    kept = x.clamp(min=float(info.min)).to(wanted)
    return torch.where(
        x >= float(info.max), n.t.constant(f"{n.layer.name}_most", torch.tensor(info.max, dtype=wanted)), kept
    )


def _rank(n: Any, x: Value) -> Any:
    return n.t.constant(f"{n.layer.name}_rank", torch.tensor(x.rank, dtype=torch.int32))


def _sizes_of(n: Any, x: Value) -> Any:
    return n.t.call(helpers.sizes_of, x)


def _count(n: Any, x: Value) -> Any:
    return n.t.call(helpers.sizes_of, x).prod(dtype=torch.int32)


def _isclose(n: Any, x1: Any, x2: Any, rtol: Any, atol: Any, equal_nan: bool) -> Any:
    first, second = n.joined(x1, x2, tensors=True)
    given = {"rtol": 1e-5 if rtol is None else rtol, "atol": 1e-8 if atol is None else atol}
    return n.t.call(torch.isclose, first, second, **given, **({"equal_nan": True} if equal_nan else {}))


def _difference(numbers: Any, a: Value, n: int, axis: int) -> Any:
    return a.diff(n, axis)


def _dot_product_attention(
    n: Any,
    query: Value,
    key: Value,
    value: Value,
    bias: Any,
    mask: Any,
    scale: Any,
    is_causal: bool,
    flash_attention: Any,
    attn_logits_soft_cap: Any,
) -> Any:
    query, key, value = n.joined(query, key, value, floating=True)
    groups = query.shape_known[2] // key.shape_known[2]
    size = key.shape_known[-1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=2), value.repeat_interleave(groups, dim=2)
    scores = torch.einsum("btnh,bsnh->bnts", query, key) * (size**-0.5 if scale is None else scale)
    scores = scores if bias is None else scores + bias
    allowed = None if mask is None else n.cast(mask, torch.bool)
    if is_causal:
        seen = n.t.call(helpers.causal_mask, query, key)
        allowed = seen if allowed is None else allowed & seen
    if allowed is not None:
        scores = torch.where(allowed, scores, torch.finfo(n.dtype_of(query)).min * 0.7)
    return torch.einsum("bnts,bsnh->btnh", scores.softmax(-1), value)


ARRANGED: dict[str, Callable[..., Any]] = {
    "Append": lambda n, x1, x2, axis: _concatenate(n, [x1, x2], axis),
    "Arange": _arange,
    "BroadcastTo": lambda n, x, shape: x.broadcast_to(_sizes(n, shape)),
    "Cbrt": lambda n, x: torch.sign(n.floating(x)) * n.floating(x).abs() ** (1.0 / 3.0),
    "Clip": _clip,
    "Concatenate": _concatenate,
    "Diag": lambda n, x, k: x.diag(k),
    "Diagonal": lambda n, x, offset, axis1, axis2: x.diagonal(offset, axis1, axis2),
    "Diff": _difference,
    "Dot": _dot,
    "DotProductAttention": _dot_product_attention,
    "Einsum": _einsum,
    "ExpandDims": _expand_dims,
    "Flip": _flip,
    "Fliplr": lambda n, x: x.flip(1),
    "Flipud": lambda n, x: x.flip(0),
    "Full": _full,
    "FullLike": _full_like,
    "Hstack": lambda n, xs: torch.hstack(n.joined(*xs)),
    "Inner": _inner,
    "Isclose": _isclose,
    "Moveaxis": lambda n, x, source, destination: x.movedim(axes_of(x, source), axes_of(x, destination)),
    "NanToNum": lambda n, x, nan, posinf, neginf: n.t.call(torch.nan_to_num, x, nan, posinf, neginf),
    "Ndim": _rank,
    "OnesLike": _filled(1),
    "Outer": _outer,
    "Pad": _pad,
    "Ravel": lambda n, x: x.reshape(-1),
    "Repeat": _repeat,
    "Reshape": _reshape,
    "Roll": lambda n, x, shift, axis: x.roll(_plain(shift), *(() if axis is None else (axes_of(x, axis),))),
    "Round": _round,
    "SaturateCast": _saturate,
    "Select": _select,
    "Shape": _sizes_of,
    "Size": _count,
    "Split": _split,
    "Squeeze": _squeeze,
    "Stack": _stack,
    "StopGradient": lambda n, variable: variable.detach(),
    "Swapaxes": lambda n, x, axis1, axis2: x.transpose(axis1, axis2),
    "Tensordot": _tensordot,
    "Tile": lambda n, x, repeats: x.tile(_sizes(n, repeats)),
    "Transpose": lambda n, x, axes: x.permute(*(reversed(range(x.rank)) if axes is None else axes)),
    "Tril": lambda n, x, k: x.tril(*(() if k == 0 else (k,))),
    "Triu": lambda n, x, k: x.triu(*(() if k == 0 else (k,))),
    "Trunc": lambda n, x: torch.trunc(x) if n.dtype_of(x).is_floating_point else x,
    "Unstack": _unstack,
    "Vstack": lambda n, xs: torch.vstack(n.joined(*xs)),
    "Where": _where,
    "ZerosLike": _filled(0),
}
