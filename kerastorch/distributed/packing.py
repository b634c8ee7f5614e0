"""Tensors in nested lists and dicts as arrays and JSON, which hold numbers and no code."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ArgumentError, quote

_META = "meta"


def pack(value: Any) -> bytes:
    """A value as the bytes of an `.npz` file.

    Args:
        value: Nested lists, tuples and dicts of tensors, arrays, numbers, texts and None.

    Raises:
        ArgumentError: Something else is in it.
    """
    packed = _Packed()
    meta = packed.of(value)
    packed.arrays[_META] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **packed.arrays)
    return file.getvalue()


def unpack(data: bytes) -> Any:
    """The value that `pack` was given; numbers are on the CPU."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = dict(stored)
    return _unpacked(json.loads(arrays[_META].tobytes()), arrays)


class _Packed:
    """The arrays, while the rest becomes JSON that names them."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            dense = value.detach().cpu().contiguous()
            dtype = str(dense.dtype).removeprefix("torch.")
            halves = dense.dtype == torch.bfloat16  # which numpy does not have
            return {"tensor": self._named((dense.view(torch.int16) if halves else dense).numpy()), "dtype": dtype}
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind != "O":
            return {"array": self._named(np.asarray(value))}
        if isinstance(value, Mapping):
            return {"items": [[key, self.of(item)] for key, item in value.items()]}
        if isinstance(value, (list, tuple)):
            return {"tuple" if isinstance(value, tuple) else "list": [self.of(item) for item in value]}
        if value is None or isinstance(value, (bool, int, float, str)):
            return {"value": float(value) if isinstance(value, float) else value}
        raise ArgumentError(f"Expected numbers, texts, and lists and dicts of them to be kept, got {quote(value)}.")

    def _named(self, array: np.ndarray) -> str:
        name = f"array_{len(self.arrays)}"
        self.arrays[name] = array
        return name


def _unpacked(packed: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if "tensor" in packed:
        tensor = torch.from_numpy(np.array(arrays[packed["tensor"]]))
        return tensor.view(torch.bfloat16) if packed["dtype"] == "bfloat16" else tensor
    if "array" in packed:
        return np.array(arrays[packed["array"]])
    if "items" in packed:
        return {key: _unpacked(item, arrays) for key, item in packed["items"]}
    for kind, make in (("tuple", tuple), ("list", list)):
        if kind in packed:
            return make(_unpacked(item, arrays) for item in packed[kind])
    return packed["value"]
