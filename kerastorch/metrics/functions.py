"""What accuracies compute of each sample: 1.0 for a hit, 0.0 for a miss. Source: `keras.metrics`, keras 3.15."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ShapeError
from ..losses.aligning import aligned, fitting, same_rank
from ..losses.functions import EPSILON


def _labels(name: str, labels: Tensor, y_pred: Tensor, *, for_all: bool) -> Tensor:
    """Labels `(...)` of predictions `(..., C)`; with `for_all` also from fewer that are the same for several.

    Raises:
        ShapeError: They are labels of something else.
    """
    expected = y_pred.shape[:-1]
    if labels.shape == expected:
        return labels
    pairs = zip(reversed(labels.shape), reversed(expected), strict=False)
    if not for_all or labels.ndim > len(expected) or any(mine not in (1, other) for mine, other in pairs):
        raise ShapeError(
            f"{name}: the labels have the shape {tuple(labels.shape)}, expected {tuple(expected)}, that of y_pred "
            f"{tuple(y_pred.shape)} without its axis of classes."
        )
    return labels.expand(expected)


def _hits(right: Tensor) -> Tensor:
    return right.to(torch.float32)


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Where both are equal."""
    y_pred = torch.as_tensor(y_pred)
    y_true, y_pred = fitting(*same_rank(torch.as_tensor(y_true).to(y_pred), y_pred))
    return _hits(y_true == y_pred)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """Where what is predicted is above the threshold exactly if what is true is 1."""
    y_pred = torch.as_tensor(y_pred)
    y_true, y_pred = fitting(*same_rank(torch.as_tensor(y_true).to(y_pred.device), y_pred))
    return _hits((y_pred > threshold).to(y_true.dtype) == y_true)


def _largest(values: Tensor) -> Tensor:
    return (values.byte() if values.dtype == torch.bool else values).argmax(-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Where the largest class is the largest of one-hot labels: `(...)` of two tensors `(..., C)`."""
    y_pred = torch.as_tensor(y_pred)
    true, predicted = fitting(_largest(torch.as_tensor(y_true).to(y_pred)), _largest(y_pred))
    return _hits(true == predicted)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Where the largest class is the label: `(...)` of labels `(...)` or `(..., 1)` and predictions `(..., C)`."""
    y_pred = torch.as_tensor(y_pred)
    labels = torch.as_tensor(y_true).to(y_pred.device)
    if labels.ndim == y_pred.ndim and labels.shape[-1] == 1:
        labels = labels.squeeze(-1)
    # Compared as integers or float32: the number of a class need not fit into the dtype of the labels.
    labels, found = fitting(labels.float() if labels.is_floating_point() else labels, _largest(y_pred))
    hits = _hits(found == labels)
    return hits.squeeze(-1) if hits.ndim > 1 and hits.shape[-1] == 1 else hits


def _in_top(labels: Tensor, y_pred: Tensor, k: int) -> Tensor:
    """Where fewer than k classes have more than the label's; equal ones share its place, as in TensorFlow.

    A label that is none of the classes is not among the first, as there.
    """
    labels = labels.long()
    known = (labels >= 0) & (labels < y_pred.shape[-1])
    own = y_pred.gather(-1, torch.where(known, labels, 0).unsqueeze(-1))
    return _hits(((y_pred > own).sum(-1) < k) & known)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Where the class of a one-hot label is among the k largest."""
    y_pred = torch.as_tensor(y_pred)
    labels = _largest(torch.as_tensor(y_true).to(y_pred))
    return _in_top(_labels("top_k_categorical_accuracy", labels, y_pred, for_all=False), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """Where the label is among the k largest classes; with `from_sorted_ids` among the first k that are predicted."""
    y_pred = torch.as_tensor(y_pred)
    labels = torch.as_tensor(y_true).to(y_pred.device)
    if labels.ndim == y_pred.ndim and labels.shape[-1] == 1:
        labels = labels.squeeze(-1)
    labels = _labels("sparse_top_k_categorical_accuracy", labels, y_pred, for_all=True)
    if from_sorted_ids:
        return _hits((labels.to(y_pred.dtype).unsqueeze(-1) == y_pred[..., :k]).any(-1))
    return _in_top(labels, y_pred, k)


def _centred(y_true: Any, y_pred: Any, axis: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both as floats of one shape, and their means along an axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    return y_true, y_pred, y_true.mean(axis, keepdim=True), y_pred.mean(axis, keepdim=True)


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The correlation along an axis: from -1 to 1, not a number where one of both is constant."""
    y_true, y_pred, true_mean, predicted_mean = _centred(y_true, y_pred, axis)
    true, predicted = y_true - true_mean, y_pred - predicted_mean
    true = true / true.std(axis, correction=0, keepdim=True)
    return (true * (predicted / predicted.std(axis, correction=0, keepdim=True))).mean(axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """The concordance correlation along an axis (Lin, 1989), which scale and offset lower."""
    y_true, y_pred, true_mean, predicted_mean = _centred(y_true, y_pred, axis)
    variances = [values.var(axis, correction=0, keepdim=True) for values in (y_true, y_pred)]
    spread = variances[0] + variances[1] + (true_mean - predicted_mean).square()
    return (2 * (y_true - predicted_mean) * (y_pred - predicted_mean) / (spread + EPSILON)).mean(axis)
