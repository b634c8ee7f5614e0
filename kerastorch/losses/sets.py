"""Losses of more than one sample: how regions overlap, and how samples of a batch lie to each other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import ShapeError
from .aligning import as_floats
from .functions import EPSILON

# The losses among the functions here.
LOSSES = ("circle", "dice", "tversky")


def _regions(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    y_true, y_pred = as_floats(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ShapeError(
            f"{name}: y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}; expected the same shape."
        )
    return y_true, y_pred


def _sum(values: Tensor, axis: Any) -> Tensor:
    return values.sum() if axis is None else values.sum(tuple(axis) if isinstance(axis, (list, tuple)) else axis)


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Tensor:
    """1 less the share of two regions that overlaps: `1 - 2 sum(true * predicted) / (sum(true) + sum(predicted))`.

    Args:
        y_true: Ones and zeros, of any shape.
        y_pred: Shares of the same shape.
        axis: What is summed over: an axis, several, or None for everything.

    Raises:
        ShapeError: The shapes differ.
    """
    y_true, y_pred = _regions("dice", y_true, y_pred)
    both = _sum(y_true * y_pred, axis)
    return 1 - 2 * both / (_sum(y_true, axis) + _sum(y_pred, axis) + EPSILON)


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Tensor:
    """`dice` with weights for what only one region has (Salehi and others, 2017).

    Args:
        y_true: See `dice`.
        y_pred: See `dice`.
        axis: See `dice`.
        alpha: What counts that is true and not predicted.
        beta: What counts that is predicted and not true.

    Raises:
        ShapeError: The shapes differ.
    """
    y_true, y_pred = _regions("tversky", y_true, y_pred)
    both = _sum(y_true * y_pred, axis)
    missed, wrong = _sum(y_true * (1 - y_pred), axis), _sum((1 - y_true) * y_pred, axis)
    return 1 - both / (both + alpha * missed + beta * wrong + EPSILON)


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """How much nearer samples of a batch are to those of other labels than to their own (Sun and others, 2020).

    Args:
        y_true: `(B,)` or `(B, 1)`: labels.
        y_pred: `(B, F)`: embeddings of length 1.
        ref_labels: `(R,)`: the labels of what samples are compared with; None: `y_true`.
        ref_embeddings: `(R, F)`: the embeddings of what samples are compared with; None: `y_pred`.
        remove_diagonal: No sample is compared with what has its place.
        gamma: How steep it is.
        margin: How far off similarities may be.

    Returns:
        `(B,)`; 0 where there is nothing of the same or nothing of another label. The class leaves these out of the
        mean.

    Raises:
        ShapeError: The shapes do not fit.
    """
    y_pred = torch.as_tensor(y_pred)
    others = y_pred if ref_embeddings is None else torch.as_tensor(ref_embeddings).to(y_pred)
    labels = torch.as_tensor(y_true).to(y_pred.device).int().reshape(-1)
    other_labels = labels if ref_labels is None else torch.as_tensor(ref_labels).to(y_pred.device).int().reshape(-1)
    for what, name, rows in ((y_pred, "y_pred", labels), (others, "ref_embeddings", other_labels)):
        if what.ndim != 2 or len(what) != len(rows) or what.shape[-1] != y_pred.shape[-1]:
            raise ShapeError(
                f"circle: {name} has shape {tuple(what.shape)}, expected ({len(rows)}, {y_pred.shape[-1]}): an "
                "embedding for each label."
            )
    apart = (1 - y_pred @ others.T).clamp(min=0)
    same = labels[:, None] == other_labels[None, :]
    other = ~same
    if remove_diagonal:
        same = same & ~torch.eye(len(labels), len(other_labels), dtype=torch.bool, device=y_pred.device)
    far = -gamma * (margin + apart).clamp(min=0) * (margin - apart)
    near = gamma * (1 + margin - apart).clamp(min=0) * (1 - margin - apart)
    paired = same.any(1) & other.any(1)
    return torch.where(paired, F.softplus(_log_sum(far, same) + _log_sum(near, other)), 0.0)


def _log_sum(values: Tensor, counted: Tensor) -> Tensor:
    """`logsumexp` over what counts of each row; of a row without any 0, so that its gradient is none."""
    empty = ~counted.any(1, keepdim=True)
    return values.masked_fill(~counted & ~empty, -torch.inf).masked_fill(empty, 0.0).logsumexp(1)
