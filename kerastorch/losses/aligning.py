"""What is true beside what is predicted: the dtypes and the shapes in which losses and metrics compare them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..dtypes import HALVES
from ..errors import ShapeError


def same_rank(a: Tensor, b: Tensor, expand_vectors: bool = True) -> tuple[Tensor, Tensor]:
    """Two tensors of which one may lack a last axis of size 1, with the same number of axes.

    Args:
        a, b: Tensors.
        expand_vectors: A vector beside a column becomes a column; otherwise the column becomes a vector.
    """
    if a.ndim == b.ndim + 1 and a.shape[-1] == 1:
        return (a, b.unsqueeze(-1)) if b.ndim == 1 and expand_vectors else (a.squeeze(-1), b)
    if b.ndim == a.ndim + 1 and b.shape[-1] == 1:
        return (a.unsqueeze(-1), b) if a.ndim == 1 and expand_vectors else (a, b.squeeze(-1))
    return a, b


def widened(y_pred: Any) -> Tensor:
    """What is predicted, at least in float32: in halves 1 - 1e-7 is 1, whose logarithms are infinite."""
    y_pred = torch.as_tensor(y_pred)
    return y_pred.float() if y_pred.dtype in HALVES else y_pred


def widened_floats(y_pred: Any) -> Tensor:
    """What is predicted, at least in float32, whole numbers and truth values too."""
    return widened(_as_float(y_pred))


def _as_float(values: Any) -> Tensor:
    """Whole numbers and truth values as floats: a threshold of 0.5 is 0 among integers."""
    values = torch.as_tensor(values)
    return values if values.is_floating_point() else values.to(torch.get_default_dtype())


def as_floats(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors, what is true in the dtype and on the device of what is predicted; whole numbers as floats."""
    y_pred = _as_float(y_pred)
    return torch.as_tensor(y_true).to(y_pred), y_pred


def aligned(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Both as floats, in shapes that fit each other.

    Raises:
        ShapeError: They do not.
    """
    return fitting(*same_rank(*as_floats(y_true, y_pred)))


def fitting(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Both as they are, if one spreads to the other.

    Raises:
        ShapeError: It does not.
    """
    if y_true.shape != y_pred.shape:
        pairs = zip(reversed(y_true.shape), reversed(y_pred.shape), strict=False)
        if any(mine != other and 1 not in (mine, other) for mine, other in pairs):
            raise ShapeError(
                f"y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}; expected the same shape, or "
                "sizes of 1 where they differ."
            )
    return y_true, y_pred
