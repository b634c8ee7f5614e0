"""What the functions share: numbers and tensors of several dtypes brought together by Keras's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..dtypes import any_dtype, dtype_name
from ..errors import ArgumentError, UnsupportedError, counted, quote
from ..structure import leaves


@dataclass(frozen=True)
class Kit:
    """Where a function computes.

    Attributes:
        floats: The dtype that integers become where Keras makes floats of them: Keras's `floatx`.
        device: Of tensors that are made from numbers.
        aliases: Names of dtypes -> the dtype in their place: in a layer that was brought to float64 by `.double()`,
            "float32" is float64.
    """

    floats: torch.dtype
    device: torch.device
    aliases: tuple[tuple[str, torch.dtype], ...] = ()

    def dtype(self, name: Any) -> torch.dtype:
        """The dtype of a `dtype` argument."""
        for alias, dtype in self.aliases:
            if name == alias:
                return dtype
        return any_dtype(name)

    def tensor(self, value: Any, dtype: torch.dtype | None = None) -> Tensor:
        """A tensor as it is; a number or an array as a tensor: int32 for integers, `floats` for floats."""
        if isinstance(value, Tensor):
            return value if dtype is None else value.to(dtype)
        if isinstance(value, (list, tuple)) and any(isinstance(leaf, Tensor) for leaf in leaves(value)):
            made = torch.stack(self.joined(*(self.tensor(item) for item in value)))
            return made if dtype is None else made.to(dtype)
        numbers = _numbers(value)
        if dtype is None and (not numbers or any(isinstance(number, float) for number in numbers)):
            dtype = self.floats
        elif dtype is None:
            dtype = torch.bool if all(isinstance(number, bool) for number in numbers) else torch.int32
        return _made(value, dtype, self.device)

    def joined(self, *values: Any, floating: bool = False) -> list[Tensor]:
        """All values as tensors of one dtype and one device.

        The dtype is that of the tensors together; a bare number follows them, except that a float makes floats of
        integers. `floating`: make floats of integers in any case.
        """
        tensors = [value for value in values if isinstance(value, Tensor)]
        numbers = [value for value in values if not isinstance(value, Tensor)]
        dtype = tensors[0].dtype if tensors else torch.bool
        for tensor in tensors[1:]:
            dtype = torch.promote_types(dtype, tensor.dtype)
        for number in (leaf for value in numbers for leaf in _numbers(value)):
            if isinstance(number, bool):
                continue
            if dtype == torch.bool:
                dtype = torch.int32
            if isinstance(number, float) and not dtype.is_floating_point:
                dtype = self.floats
        if floating and not dtype.is_floating_point:
            dtype = self.floats
        device = next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), None)
        device = device or (tensors[0].device if tensors else self.device)
        return [
            value.to(device=device, dtype=dtype) if isinstance(value, Tensor) else _made(value, dtype, device)
            for value in values
        ]

    def floating(self, x: Tensor) -> Tensor:
        """x, or its integers as floats."""
        return x if x.is_floating_point() else x.to(self.floats)


def _numbers(value: Any) -> list[Any]:
    """The numbers in what stands in the place of a tensor."""
    found = leaves(value)
    if isinstance(value, dict) or not all(isinstance(number, (bool, int, float)) for number in found):
        raise ArgumentError(f"expected a tensor or numbers, got {quote(value)}.")
    return found


def _made(value: Any, dtype: torch.dtype, device: Any) -> Tensor:
    try:
        return torch.tensor(value, dtype=dtype, device=device)
    except (RuntimeError, OverflowError, ValueError) as error:  # torch has each of them for a number that is too large
        if "overflow" not in str(error).lower():
            raise
        raise ArgumentError(f"{quote(value)} does not fit into {dtype_name(dtype)}.") from error


def integer(value: Any, what: str) -> int:
    """A whole number, also one that an operation computed: from the shape of a tensor, mostly."""
    if isinstance(value, Tensor):
        if value.is_meta:
            raise UnsupportedError(f"{what} depends on the values of a tensor, not on its shape alone.")
        return int(value)
    if isinstance(value, np.integer):  # what numpy makes of sizes: `np.prod(x.shape)`
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, torch.SymInt)):
        raise ArgumentError(f"{what}: expected an integer, got {quote(value)}.")
    return value  # type: ignore[return-value]


def integers(value: Any, what: str) -> list[int]:
    """Whole numbers from a list, a vector, or one number."""
    if isinstance(value, Tensor) and value.ndim:
        if value.is_meta:
            raise UnsupportedError(f"{what} depends on the values of a tensor, not on its shape alone.")
        return [int(item) for item in value.tolist()]
    value = value.tolist() if isinstance(value, np.ndarray) else value
    items: Iterable[Any] = value if isinstance(value, (list, tuple)) else [value]
    return [integer(item, what) for item in items]


def sizes(value: Any, what: str) -> list[int]:
    """A shape, -1 where the size follows from the others."""
    if isinstance(value, (list, tuple)):
        value = [-1 if size is None else size for size in value]
    return integers(value, what)


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that `axis` names, from 0 on: one, several, or all where it is None."""
    if axis is None:
        return tuple(range(rank))
    return tuple(axis_of(item, rank) for item in integers(axis, "axis"))


def axis_of(axis: Any, rank: int) -> int:
    found = integer(axis, "axis")
    if not -rank <= found < rank:
        raise ArgumentError(
            f"axis {found} is out of bounds for {counted(rank, 'axis', 'axes')}; it can be {-rank} to {rank - 1}."
        )
    return found % rank


def flat_if_none(x: Tensor, axis: Any) -> tuple[Tensor, int]:
    """x and its axis; without one all values in a row."""
    return (x.reshape(-1), 0) if axis is None else (x, axis_of(axis, x.ndim))


def several(values: Any, what: str) -> Sequence[Any]:
    """A list of tensors; a tensor stands for its rows."""
    if isinstance(values, Tensor):
        return values.unbind(0)
    if not isinstance(values, (list, tuple)) or not values:
        raise ArgumentError(f"{what}: expected a list of tensors, got {quote(values)}.")
    return values
