"""Settings that hold for all: the default dtype, the smallest number that is not 0, the data format."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ..base import check
from ..base.graph import SymbolicTensor
from ..dtypes import any_dtype, dtype_name
from ..errors import ArgumentError, UnsupportedError, quote

__all__ = [
    "backend", "cast_to_floatx", "clear_session", "epsilon", "floatx", "get_uid", "image_data_format", "is_float_dtype",
    "is_int_dtype", "is_keras_tensor", "is_sparse", "name_scope", "result_type", "set_epsilon", "set_floatx",
    "set_image_data_format", "standardize_dtype",
]  # fmt: skip

_settings: dict[str, Any] = {"epsilon": 1e-7}
_uids: dict[str, int] = {}


def backend() -> str:
    """The name of what computes: "torch"."""
    return "torch"


def floatx() -> str:
    """The name of the dtype that is meant where none is given: torch's default one."""
    return dtype_name(torch.get_default_dtype())


def set_floatx(value: str) -> None:
    """Set torch's default dtype, which holds for all of torch.

    Args:
        value: "float16", "bfloat16", "float32" or "float64".
    """
    if value not in ("float16", "bfloat16", "float32", "float64"):
        raise ArgumentError(f"set_floatx: expected 'float16', 'bfloat16', 'float32' or 'float64', got {quote(value)}.")
    torch.set_default_dtype(any_dtype(value))


def epsilon() -> float:
    """A small number that keeps divisors from 0: 1e-7, unless `set_epsilon` says another one.

    The layers and losses of kerastorch do not ask for it: what they use is an argument of theirs, or 1e-7.
    """
    return _settings["epsilon"]


def set_epsilon(value: float) -> None:
    """Set what `epsilon()` returns."""
    _settings["epsilon"] = check.number("value", value)


def image_data_format() -> str:
    """The data format of layers that are not told one: "channels_last"."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accept "channels_last", which is the default of every layer.

    Raises:
        UnsupportedError: Another default is asked for.
    """
    if data_format not in ("channels_first", "channels_last"):
        raise ArgumentError(
            f"set_image_data_format: expected 'channels_first' or 'channels_last', got {quote(data_format)}."
        )
    if data_format == "channels_first":
        raise UnsupportedError(
            "set_image_data_format: there is no default but 'channels_last'; give layers data_format='channels_first'."
        )


def clear_session(free_memory: bool = True) -> None:
    """Free memory that nothing holds. Models are objects like others here: there is no state behind them.

    Names of new layers go on counting, unless their numbers are of no matter to you: a model's own layers are told
    apart by them.
    """
    _uids.clear()
    if free_memory:
        gc.collect()


def get_uid(prefix: str = "") -> int:
    """A new number for a prefix, from 1 on."""
    _uids[prefix] = _uids.get(prefix, 0) + 1
    return _uids[prefix]


def name_scope(name: str, **kwargs: Any) -> AbstractContextManager[None]:
    """Without effect: layers have their names."""
    return nullcontext()


def standardize_dtype(dtype: Any) -> str:
    """The name of a dtype of torch, numpy or Keras: "float32"."""
    if dtype is None:
        return floatx()
    if isinstance(dtype, torch.dtype):
        return dtype_name(dtype)
    if dtype in (int, float, bool):
        return {int: "int64", float: "float32", bool: "bool"}[dtype]
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in _KNOWN:
        raise ArgumentError(f"standardize_dtype: expected a dtype of Keras, got {quote(dtype)}.")
    return name


_NAMES = (
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128 "
    "string float8_e4m3fn float8_e5m2"
)
_KNOWN = tuple(_NAMES.split())


def is_float_dtype(dtype: Any) -> bool:
    """Whether a dtype is one of floats."""
    return "float" in standardize_dtype(dtype)


def is_int_dtype(dtype: Any) -> bool:
    """Whether a dtype is one of whole numbers."""
    return "int" in standardize_dtype(dtype)


def result_type(*dtypes: Any) -> str:
    """The dtype of a sum of tensors of these dtypes.

    Whole numbers and floats together are the floats, or `floatx` where only Python's `float` is given.
    """
    if not dtypes:
        return floatx()
    plain = [item for item in dtypes if item in (int, float, bool)]
    stated = [any_dtype(standardize_dtype(item)) for item in dtypes if item not in (int, float, bool)]
    found = stated[0] if stated else torch.bool
    for item in stated[1:]:
        found = torch.promote_types(found, item)
    if float in plain and not found.is_floating_point:
        found = torch.get_default_dtype()
    elif int in plain and found == torch.bool:
        found = torch.int32
    return dtype_name(found)


def is_keras_tensor(x: Any) -> bool:
    """Whether x is a symbolic tensor, as `Input` and layers called on one return."""
    return isinstance(x, SymbolicTensor)


def is_sparse(tensor: Any) -> bool:
    """False: there are no sparse tensors here."""
    return False


def cast_to_floatx(x: Any) -> Any:
    """An array or a tensor in `floatx`."""
    return x.to(torch.get_default_dtype()) if isinstance(x, torch.Tensor) else np.asarray(x, dtype=floatx())
