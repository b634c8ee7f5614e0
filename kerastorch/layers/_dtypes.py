"""Dtypes and dtype policies of Keras in torch's terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ArgumentError, quote
from ._graph import leaves, map_structure
from ._variables import fillers

if TYPE_CHECKING:
    from ._base import Layer

_FLOATS = {
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
_OTHERS = {
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "uint8": torch.uint8,
    "bool": torch.bool,
}
# Policies with float32 weights, and what they compute in.
_MIXED = {"mixed_float16": torch.float16, "mixed_bfloat16": torch.bfloat16}
_MIXED_NAMES = {dtype: name for name, dtype in _MIXED.items()}
HALVES = (torch.float16, torch.bfloat16)
# Under a mixed policy Keras computes these in float32 and rounds the result.
_WIDE = frozenset({"BatchNormalization", "Embedding", "GroupNormalization", "LayerNormalization", "RMSNormalization"})
_NAMES = {dtype: name for name, dtype in {**_FLOATS, **_OTHERS}.items()}


def variable_dtype(policy: Any) -> torch.dtype:
    """The dtype of a layer's weights for Keras's `dtype` argument: a name, a torch dtype, a policy config, or None."""
    if policy is None:
        return torch.get_default_dtype()
    if isinstance(policy, torch.dtype):
        return policy
    policy = _policy_name(policy)
    if mixed_dtype(policy) is not None:
        return torch.float32
    if policy in _FLOATS:
        return _FLOATS[policy]
    if policy in _OTHERS or policy == "string":  # Keras 2 wrote the dtype of an Embedding's input here
        return torch.get_default_dtype()
    raise ArgumentError(
        f"dtype: expected one of {sorted([*_FLOATS, *_MIXED])}, a torch dtype or None, got {quote(policy)}."
    )


def weight_dtype(policy: Any) -> torch.dtype:
    """The dtype of one weight, which may be an integer's: of a count."""
    found = _OTHERS.get(policy) if isinstance(policy, str) else None
    return variable_dtype(policy) if found is None else found


def mixed_dtype(policy: Any) -> torch.dtype | None:
    """What a mixed policy (float32 weights, half-precision compute) computes in; None for every other policy."""
    name = _policy_name(policy)
    return _MIXED.get(name) if isinstance(name, str) else None


def _policy_name(policy: Any) -> Any:
    if not isinstance(policy, Mapping):
        return policy
    config = policy.get("config")
    return config.get("name") if isinstance(config, Mapping) else None


def any_dtype(name: Any) -> torch.dtype:
    """The torch dtype of an input's `dtype` argument; None is the default float."""
    if name is None:
        return torch.get_default_dtype()
    if isinstance(name, torch.dtype):
        return name
    found = _FLOATS.get(name) or _OTHERS.get(name)
    if mixed_dtype(name) is not None:
        found = torch.float32  # an input has the dtype of the weights
    if found is None:
        raise ArgumentError(f"dtype: expected one of {sorted([*_FLOATS, *_OTHERS])}, got {quote(name)}.")
    return found


def as_tensor(leaf: Any, device: torch.device) -> Any:
    """A numpy array as a tensor of its own dtype; anything else as it is."""
    if not isinstance(leaf, (np.ndarray, np.generic)):
        return leaf
    return torch.as_tensor(np.ascontiguousarray(leaf), device=device)


def dtype_name(dtype: torch.dtype) -> str:
    return _NAMES.get(dtype, str(dtype).removeprefix("torch."))


def policy_name(layer: Layer) -> str:
    """The layer's `dtype` as Keras writes it."""
    mixed, dtype = layer._mixed, layer._policy_dtype
    return _MIXED_NAMES[mixed] if mixed is not None and dtype == torch.float32 else dtype_name(dtype)


# ---------------------------------------------------------------- computing by a policy


def autocasts(device: torch.device) -> bool:
    """Whether `torch.autocast` is on for a device; torch does not answer for `meta`, where only shapes are computed."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)


def call_in_policy(layer: Layer, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Run one call of a layer whose dtype was stated, with the casts that Keras makes.

    Inputs are cast to what the layer computes in: half precision under a mixed policy, where the weights are cast too,
    else the dtype of the weights.
    """
    if layer._borrowed is not None:
        with _weights_as(layer, layer._borrowed):
            return function(*cast_floats(args, layer._borrowed), **cast_floats(kwargs, layer._borrowed))
    stated = layer._policy_dtype
    computed = stated if layer._mixed is None else layer.compute_dtype
    if stated == computed or layer._class_name in _WIDE:
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


def dtype_in_policy(layer: Layer, dtype: torch.dtype) -> torch.dtype:
    """The dtype of an output that would be `dtype` without the casts of `call_in_policy`."""
    return layer.compute_dtype if dtype.is_floating_point and (layer._mixed is not None or layer._casts) else dtype


def ends_in_own_dtype(layer: Layer) -> bool:
    """Whether the computation of a layer ends with a cast to what it computes in, or is that of layers inside it."""
    return layer._class_name in _WIDE or layer._casts_itself or not layer._has_policy


@contextmanager
def computing_in(layer: Layer, dtype: torch.dtype) -> Iterator[None]:
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
