"""Classes as vectors, norms, and the parts of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base.check import integer
from ..errors import ArgumentError, ShapeError, counted


def to_categorical(x: Any, num_classes: int | None = None, dtype: Any = None) -> Any:
    """Class numbers as vectors with a single 1, as `keras.utils.to_categorical`.

    Args:
        x: Whole numbers from 0 on, in any shape; a last axis of size 1 is dropped where there are others.
        num_classes: How many classes there are; the largest number plus 1 if None.
        dtype: Of the result, as Keras 2 has it; None is Keras 3's: float64 for an array, float32 for a tensor.

    Returns:
        `(..., num_classes)`: an array, or a tensor where x is a tensor.

    Raises:
        ArgumentError: A number is none of a class.
    """
    if isinstance(x, Tensor):
        numbers = x.squeeze(-1) if x.ndim > 1 and x.shape[-1] == 1 else x
        numbers = numbers.to(torch.int64)
        count = _classes(num_classes, numbers.numel(), int(numbers.min()) if numbers.numel() else 0,
                         int(numbers.max()) if numbers.numel() else -1)  # fmt: skip
        made = torch.nn.functional.one_hot(numbers % count, count)
        return made.to(torch.float32 if dtype is None else getattr(torch, str(np.dtype(dtype))))
    array = np.array(x, dtype="int64")
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array.reshape(array.shape[:-1])
    count = _classes(num_classes, array.size, array.min(initial=0), array.max(initial=-1))
    return np.eye(count, dtype=dtype or "float64")[array]


def _classes(wanted: int | None, size: int, least: int, most: int) -> int:
    if not wanted and not size:
        raise ArgumentError("to_categorical: num_classes is needed where there are no numbers.")
    count = int(most) + 1 if not wanted else integer("num_classes", wanted, 1)
    # Keras counts negative numbers from the last class, as numpy's indices do.
    if most >= count or least < -count:
        raise ArgumentError(
            f"to_categorical: expected numbers below num_classes={count}, got numbers from {least} to {most}."
        )
    return count


def to_ordinal(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Class numbers as vectors of `num_classes - 1` that begin with as many ones: Keras 2's `to_ordinal`.

    Args:
        y: Whole numbers from 0 on; a last axis of size 1 is dropped where there are others.
        num_classes: How many classes there are; the largest number plus 1 if None.
        dtype: Of the result.
    """
    array = np.array(y, dtype="int")
    if array.ndim > 1 and array.shape[-1] == 1:
        array = array.reshape(array.shape[:-1])
    count = _classes(num_classes, array.size, array.min(initial=0), array.max(initial=-1))
    return (array[..., None] > np.arange(count - 1)).astype(dtype)


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """x divided by its norm along an axis, as `keras.utils.normalize`; zeros stay zeros.

    Args:
        x: An array, or a tensor.
        axis: The axis.
        order: Of the norm.

    Returns:
        An array, or a tensor where x is a tensor.
    """
    if isinstance(x, Tensor):
        return torch.nn.functional.normalize(x, p=order, dim=axis, eps=1e-12)
    array = np.asarray(x)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return array / np.where(norm == 0, 1, norm)


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The parts of a batch as the tuple that `predict` and training loops take; x alone if there is nothing else."""
    if y is None:
        return x if not isinstance(x, (list, tuple)) else (x,)
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """x, y and sample_weight of a batch; None for what it does not hold.

    Raises:
        ShapeError: It is a tuple of more than three parts.
    """
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ShapeError(
            f"expected a batch x, (x,), (x, y) or (x, y, sample_weight), got {counted(len(data), 'part')}."
        )
    return (*data, None, None)[:3]  # type: ignore[return-value]
