"""Dtypes and dtype policies of Keras in torch's terms."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import ArgumentError, UnsupportedError, quote

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
_NAMES = {dtype: name for name, dtype in {**_FLOATS, **_OTHERS}.items()}


def variable_dtype(policy: Any) -> torch.dtype:
    """The dtype of a layer's weights for Keras's `dtype` argument: a name, a torch dtype, a policy config, or None."""
    if policy is None:
        return torch.get_default_dtype()
    if isinstance(policy, torch.dtype):
        return policy
    if isinstance(policy, dict):
        config = policy.get("config")
        policy = config.get("name") if isinstance(config, dict) else None
    if policy in _FLOATS:
        return _FLOATS[policy]
    if policy in _OTHERS:  # Keras 2 wrote the dtype of an Embedding's input here
        return torch.get_default_dtype()
    if isinstance(policy, str) and policy.startswith("mixed_"):
        raise UnsupportedError(
            f"dtype policy {policy!r} (float32 weights, half-precision compute) is not supported: "
            "build the layer as 'float32' and run it under torch.autocast."
        )
    raise ArgumentError(f"dtype: expected one of {sorted(_FLOATS)}, a torch dtype or None, got {quote(policy)}.")


def any_dtype(name: Any) -> torch.dtype:
    """The torch dtype of an input's `dtype` argument; None is the default float."""
    if name is None:
        return torch.get_default_dtype()
    if isinstance(name, torch.dtype):
        return name
    found = _FLOATS.get(name) or _OTHERS.get(name)
    if found is None:
        raise ArgumentError(f"dtype: expected one of {sorted([*_FLOATS, *_OTHERS])}, got {quote(name)}.")
    return found


def dtype_name(dtype: torch.dtype) -> str:
    return _NAMES.get(dtype, str(dtype).removeprefix("torch."))
