"""Keras's dtypes and dtype policies in torch's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .errors import ArgumentError, quote

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
MIXED_NAMES = {dtype: name for name, dtype in _MIXED.items()}
HALVES = (torch.float16, torch.bfloat16)


_NAMES = {dtype: name for name, dtype in {**_FLOATS, **_OTHERS}.items()}


class DTypePolicy:
    """What a layer keeps its weights in and what it computes in, as `keras.DTypePolicy`; `dtype=` of a layer takes one.

    Args:
        name: "float32", "float64", "float16", "bfloat16", "mixed_float16" or "mixed_bfloat16"; torch's default dtype if
            None.

    Attributes:
        name: The argument.
        compute_dtype: The name of the dtype that is computed in.
        variable_dtype: The name of the dtype of the weights.
        quantization_mode: None: there is no quantization here.

    Example:
        >>> DTypePolicy("mixed_float16").compute_dtype
        'float16'
    """

    quantization_mode: None = None

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise ArgumentError(f"DTypePolicy: expected a name such as 'mixed_float16', got {quote(name)}.")
        self.name = dtype_name(torch.get_default_dtype()) if name is None else name
        if self.name not in (*_FLOATS, *_MIXED):
            known = sorted([*_FLOATS, *_MIXED])
            raise ArgumentError(f"DTypePolicy: expected one of {known}, got {quote(self.name)}.")
        self.variable_dtype = dtype_name(variable_dtype(self.name))
        self.compute_dtype = dtype_name(_MIXED.get(self.name, variable_dtype(self.name)))

    def get_config(self) -> dict[str, Any]:
        """The name."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DTypePolicy:
        """Make one from `get_config()`'s result."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def variable_dtype(policy: Any) -> torch.dtype:
    """The dtype of a layer's weights for Keras's `dtype` argument: a name, a torch dtype, a policy or its config."""
    if policy is None:
        return torch.get_default_dtype()
    if isinstance(policy, torch.dtype):
        return policy
    policy = _policy_name(policy)
    if mixed_dtype(policy) is not None:
        return torch.float32
    name = policy if isinstance(policy, str) else ""
    if name in _FLOATS:
        return _FLOATS[name]
    if name in _OTHERS or name == "string":  # Keras 2 wrote the dtype of an Embedding's input here
        return torch.get_default_dtype()
    raise ArgumentError(
        f"dtype: expected one of {sorted([*_FLOATS, *_MIXED])}, a torch dtype or None, got {quote(policy)}."
    )


_OF_IDS = ("int32", "int64")  # what Keras 2 notes as the dtype of an Embedding: that of its input


def refuse_integers(policy: Any, owner: str, takes_ids: bool = False) -> None:
    """Raise if a layer whose weights are floats is given a dtype of whole numbers, other than that of ids."""
    name = dtype_name(policy) if isinstance(policy, torch.dtype) else None if policy is None else _policy_name(policy)
    if name in _OTHERS and not (takes_ids and name in _OF_IDS):
        raise ArgumentError(
            f"dtype: the weights of {owner} are floats here: expected one of {sorted([*_FLOATS, *_MIXED])}, a torch "
            f"dtype of floats or None, got {quote(name)}."
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
    policy = _of_numpy(policy)
    if isinstance(policy, DTypePolicy):
        return policy.name
    if not isinstance(policy, Mapping):
        return policy
    config = policy.get("config")
    return config.get("name") if isinstance(config, Mapping) else None


def policy_of(policy: Any) -> DTypePolicy:
    """The policy that a layer's `dtype` argument means.

    Raises:
        ArgumentError: It is none of floats.
    """
    if isinstance(policy, DTypePolicy):
        return policy
    return DTypePolicy(dtype_name(policy) if isinstance(policy, torch.dtype) else _policy_name(policy))


def _of_numpy(dtype: Any) -> Any:
    """The name of a dtype of numpy, that of an array or `np.float32`; anything else as it is."""
    ours = isinstance(dtype, np.dtype) or (isinstance(dtype, type) and issubclass(dtype, np.generic))
    return np.dtype(dtype).name if ours else dtype


def any_dtype(name: Any) -> torch.dtype:
    """The torch dtype of an input's `dtype` argument; None is the default float."""
    if name is None:
        return torch.get_default_dtype()
    if isinstance(name, torch.dtype):
        return name
    name = _of_numpy(name)
    found = _FLOATS.get(name) or _OTHERS.get(name)
    if mixed_dtype(name) is not None:
        found = torch.float32  # an input has the dtype of the weights
    if found is None:
        raise ArgumentError(f"dtype: expected one of {sorted([*_FLOATS, *_OTHERS])}, got {quote(name)}.")
    return found


def dtype_name(dtype: torch.dtype) -> str:
    """The name that Keras has for a dtype of torch, such as "float32"."""
    return _NAMES.get(dtype, str(dtype).removeprefix("torch."))


def autocasts(device: torch.device) -> bool:
    """Whether `torch.autocast` is on for a device; torch does not answer for `meta`, where only shapes are computed."""
    return device.type != "meta" and torch.is_autocast_enabled(device.type)
