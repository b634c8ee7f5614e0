"""Dtypes and dtype policies of Keras in torch's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays import is_text_array
from ..dtypes import MIXED_NAMES, autocasts, dtype_name
from ..structure import leaves, map_structure
from .protocol import AnyLayer
from .variables import fillers

# Under a mixed policy Keras computes these in float32 and rounds the result.
_WIDE = frozenset({"BatchNormalization", "Embedding", "GroupNormalization", "LayerNormalization", "RMSNormalization"})


def as_tensor(leaf: Any, device: torch.device) -> Any:
    """A numpy array as a tensor of its own dtype; anything else, also an array of texts, as it is."""
    if not isinstance(leaf, (np.ndarray, np.generic)) or is_text_array(leaf):
        return leaf
    return torch.as_tensor(np.asarray(leaf, order="C"), device=device)


def policy_name(layer: AnyLayer) -> str:
    """The layer's `dtype` as Keras writes it."""
    mixed, dtype = layer._mixed, layer._policy_dtype
    return MIXED_NAMES[mixed] if mixed is not None and dtype == torch.float32 else dtype_name(dtype)


# ---------------------------------------------------------------- computing by a policy


def call_in_policy(layer: AnyLayer, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run one call of a layer whose dtype was stated, with the casts that Keras makes.

    Inputs are cast to what the layer computes in: half precision under a mixed policy, where the weights are cast too,
    else the dtype of the weights.
    """
    if layer._borrowed is not None:
        with _weights_as(layer, layer._borrowed):
            return function(*cast_floats(args, layer._borrowed), **cast_floats(kwargs, layer._borrowed))
    stated = layer._policy_dtype
    computed = stated if layer._mixed is None else layer._computes_in
    if stated == computed or computes_wide(layer):
        # What torch casts by itself is left to it, and no index is rounded.
        differs = _differs(stated, args) or _differs(stated, kwargs.values())
        if differs and not layer._takes_ids and not autocasts(layer._on_device):
            args, kwargs = cast_floats((args, kwargs), stated)
        result = function(*args, **kwargs)
        return result if stated == computed else cast_floats(result, computed)
    args, kwargs = cast_floats((args, kwargs), computed)
    with _weights_as(layer, computed):
        result = function(*args, **kwargs)
    return result if layer._casts_itself else cast_floats(result, computed)


def state_dtype_beside(layer: Any, others: Iterable[Any]) -> None:
    """Let a layer whose dtype nobody stated cast as if it were stated, if one around, in or before it states another.

    In Keras every layer has a policy, so that a float32 layer gives float32 whatever stands beside it. Where nobody
    states anything, what comes in decides here.
    """
    if any(_states(part) and _policy(part) != _policy(layer) for part in others):
        state_dtype_of(layer)


def stated_dtypes(layers: Iterable[Any]) -> set[tuple[Any, Any]]:
    """The dtypes that layers state: of the weights, and what a mixed policy computes in."""
    return {_policy(part) for part in layers if _states(part)}


def state_dtypes_in(layers: Any, stated: set[tuple[Any, Any]]) -> None:
    """`state_dtype_beside` of a chain, after its last layer was added.

    Args:
        layers: The chain.
        stated: `stated_dtypes` of the others; it grows. They are looked at only where it does, so that a long chain is
            made in linear time.
    """
    latest = layers[-1]
    if not _states(latest):
        if not stated - {_policy(latest)}:
            return
        state_dtype_of(latest)
    fresh = {_policy(latest)} - stated if _states(latest) else set()
    while fresh:
        stated |= fresh
        for part in layers:
            if stated - {_policy(part)}:
                state_dtype_of(part)
        fresh = stated_dtypes(layers) - stated


def _states(layer: Any) -> bool:
    return getattr(layer, "_states_dtype", False)


def _policy(layer: Any) -> tuple[Any, Any]:
    return getattr(layer, "_dtype", None), getattr(layer, "_mixed", None)


def state_dtype_of(layer: Any) -> None:
    """Let a layer whose dtype nobody stated cast as if it were stated."""
    if getattr(layer, "_has_policy", False) and not layer._states_dtype:
        layer._states_dtype = True
        layer.autocast = layer._autocast


def state_dtype_for(layer: Any, given: Iterable[Any]) -> None:
    """The same in a graph, where a tensor of another float dtype than the layer's own comes in."""
    if layer._has_policy and not layer._states_dtype and not layer._takes_ids:
        own = layer._dtype
        if any(leaf.dtype.is_floating_point and leaf.dtype != own for leaf in given):
            state_dtype_of(layer)


def dtype_in_policy(layer: AnyLayer, dtype: torch.dtype) -> torch.dtype:
    """The dtype of an output that would be `dtype` without the casts of `call_in_policy`."""
    return layer._computes_in if dtype.is_floating_point and (layer._mixed is not None or layer._casts) else dtype


def computes_wide(layer: AnyLayer) -> bool:
    """Whether a layer computes in the dtype of its weights under a mixed policy, too, and rounds the result."""
    return layer._class_name in _WIDE


def ends_in_own_dtype(layer: AnyLayer) -> bool:
    """Whether the computation of a layer ends with a cast to what it computes in, or is that of layers inside it."""
    return computes_wide(layer) or layer._casts_itself or not layer._has_policy


@contextmanager
def computing_in(layer: AnyLayer, dtype: torch.dtype) -> Iterator[None]:
    """A layer computes in this dtype for a while, whatever its own policy is: weights and inputs are cast to it."""
    before = layer._borrowed, layer._casts
    layer._borrowed, layer._casts = dtype, True
    try:
        yield
    finally:
        layer._borrowed, layer._casts = before


def _differs(dtype: torch.dtype, values: Any) -> bool:
    for value in values:
        if isinstance(value, Tensor):
            if value.dtype != dtype and value.is_floating_point():
                return True
        elif isinstance(value, (list, tuple, dict)) and _differs(dtype, leaves(value)):
            return True
    return False


def cast_floats(values: Any, dtype: torch.dtype) -> Any:
    """Cast the float tensors in nested lists, tuples and dicts."""

    def cast(leaf: Any) -> Any:
        return leaf.to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf

    return map_structure(cast, values)


@contextmanager
def _weights_as(layer: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Put casts in the place of the layer's own weights, not of those of the layers inside it.

    Gradients flow through the casts to the weights. As in `torch.func.functional_call`, two threads cannot run the
    same layer at once.
    """
    held: list[tuple[dict[str, Any], str]] = [
        (layer._parameters, name) for name, weight in layer._parameters.items() if weight is not None
    ]
    held += [(layer._buffers, filler.name) for filler in fillers(layer)]
    originals = [holder[name] for holder, name in held]
    try:
        for (holder, name), weight in zip(held, originals, strict=True):
            holder[name] = weight.to(dtype) if weight is not None and weight.is_floating_point() else weight
        yield
    finally:
        for (holder, name), weight in zip(held, originals, strict=True):
            holder[name] = weight
