"""What each loss computes of one sample: functions of tensors, without weights, masks and means over samples.

Source: `keras.losses`, keras 3.15. Probabilities are kept between 1e-7 and 1 - 1e-7, as Keras does; losses that take
logits do not need it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..clipping import clip
from ..errors import ArgumentError, ShapeError, quote
from .aligning import aligned, as_floats, fitting

EPSILON = 1e-7
# The losses among the functions here.
LOSSES = (
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "ctc",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
)


def _same_shape(name: str, y_true: Tensor, y_pred: Tensor) -> None:
    if y_true.shape != y_pred.shape:
        raise ShapeError(
            f"{name}: y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}; expected the same shape."
        )


def _mean(values: Tensor, axis: Any = -1) -> Tensor:
    """The mean over an axis; over a last one of one value that value, which costs a training no operations."""
    return values.squeeze(-1) if axis == -1 and values.shape[-1:] == (1,) else values.mean(axis)


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `(y_true - y_pred) ** 2` over the last axis: shape `(...)` of two tensors `(..., F)`."""
    y_true, y_pred = aligned(y_true, y_pred)
    if y_true.shape == y_pred.shape:  # the same bits, and fewer nodes for `backward` to visit
        return _mean(F.mse_loss(y_pred, y_true, reduction="none"))
    return _mean((y_true - y_pred).square())


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `|y_true - y_pred|` over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    return _mean((y_true - y_pred).abs())


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """100 times the mean of `|y_true - y_pred| / max(|y_true|, 1e-7)` over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    return 100 * _mean(((y_true - y_pred) / y_true.abs().clamp(min=EPSILON)).abs())


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """The mean over the last axis of the squared difference of `log(1 + max(y, 1e-7))`."""
    y_true, y_pred = aligned(y_true, y_pred)
    logs = [torch.log(clip(y, EPSILON, None) + 1) for y in (y_true, y_pred)]
    return _mean((logs[1] - logs[0]).square())


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between the two along `axis`: -1 for the same direction."""
    y_true, y_pred = aligned(y_true, y_pred)
    both = F.normalize(y_true, dim=axis, eps=EPSILON) * F.normalize(y_pred, dim=axis, eps=EPSILON)
    return -both.sum(axis)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Half the squared error up to `delta`, linear beyond it; the mean over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    error = (y_pred - y_true).abs()
    return _mean(torch.where(error <= delta, 0.5 * error.square(), delta * error - 0.5 * delta**2))


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `log(cosh(y_pred - y_true))` over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    error = y_pred - y_true
    return _mean(error + F.softplus(-2 * error) - math.log(2))


def _signs(y_true: Tensor) -> Tensor:
    """Labels 0 and 1 as -1 and 1; other labels as they are."""
    binary = ((y_true == 0) | (y_true == 1)).all()
    return torch.where(binary, 2 * y_true - 1, y_true)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `max(1 - y_true * y_pred, 0)` over the last axis; labels 0 and 1 count as -1 and 1."""
    y_true, y_pred = fitting(*as_floats(y_true, y_pred))
    return _mean(torch.clamp(1 - _signs(y_true) * y_pred, min=0))


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of the square of what `hinge` takes the mean of."""
    y_true, y_pred = fitting(*as_floats(y_true, y_pred))
    return _mean(torch.clamp(1 - _signs(y_true) * y_pred, min=0).square())


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """`max(largest wrong - right + 1, 0)` along the last axis; `y_true` is one-hot."""
    y_true, y_pred = fitting(*as_floats(y_true, y_pred))
    right, wrong = (y_true * y_pred).sum(-1), ((1 - y_true) * y_pred).amax(-1)
    return torch.clamp(wrong - right + 1, min=0)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """The sum of `y_true * log(y_true / y_pred)` over the last axis, both kept in [1e-7, 1]."""
    y_true, y_pred = (clip(y, EPSILON, 1) for y in fitting(*as_floats(y_true, y_pred)))
    return (y_true * torch.log(y_true / y_pred)).sum(-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """The mean of `y_pred - y_true * log(y_pred + 1e-7)` over the last axis."""
    y_true, y_pred = fitting(*as_floats(y_true, y_pred))
    return _mean(y_pred - y_true * torch.log(y_pred + EPSILON))


def _log_probabilities(y_pred: Tensor, from_logits: bool, axis: int) -> Tensor:
    if from_logits:
        return F.log_softmax(y_pred, axis)
    return torch.log(clip(y_pred / y_pred.sum(axis, keepdim=True), EPSILON, 1 - EPSILON))


def _check_axis(name: str, axis: Any) -> None:
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ArgumentError(f"{name}: axis is {quote(axis)}, expected an integer.")


def _smoothed_classes(y_true: Tensor, label_smoothing: float) -> Tensor:
    return y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[-1] if label_smoothing else y_true


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """The cross entropy of one-hot labels.

    Args:
        y_true: `(..., C)`, one-hot or probabilities.
        y_pred: `(..., C)`, probabilities, which are divided by their sum; with `from_logits` logits.
        from_logits: What `y_pred` is.
        label_smoothing: This share of each label is spread over all classes.
        axis: Where the classes are.

    Raises:
        ShapeError: The shapes differ.
    """
    _check_axis("categorical_crossentropy", axis)
    y_true, y_pred = as_floats(y_true, y_pred)
    _same_shape("categorical_crossentropy", y_true, y_pred)
    return -(_smoothed_classes(y_true, label_smoothing) * _log_probabilities(y_pred, from_logits, axis)).sum(axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The cross entropy, each class by `alpha * (1 - probability) ** gamma` (Lin and others, 2017).

    Args:
        y_true: See `categorical_crossentropy`, as of the next four.
        y_pred: Shares of the classes.
        from_logits: Whether softmax has not been applied.
        label_smoothing: What is taken from the label and spread over all classes.
        axis: That of the classes.
        alpha: A number, or one for each class.
        gamma: How little what is known counts.
    """
    _check_axis("categorical_focal_crossentropy", axis)
    y_true, y_pred = as_floats(y_true, y_pred)
    _same_shape("categorical_focal_crossentropy", y_true, y_pred)
    shares = F.softmax(y_pred, axis) if from_logits else y_pred
    shares = clip(shares / shares.sum(axis, keepdim=True), EPSILON, 1 - EPSILON)
    weights = (1 - shares) ** gamma * torch.as_tensor(alpha).to(shares)
    return -(weights * _smoothed_classes(y_true, label_smoothing) * torch.log(shares)).sum(axis)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """The cross entropy of labels that are numbers of classes.

    Args:
        y_true: `(...)` or `(..., 1)`, integers.
        y_pred: `(..., C)`; see `categorical_crossentropy`.
        from_logits: What `y_pred` is.
        ignore_class: Labels of this class count as 0; the class `SparseCategoricalCrossentropy` leaves them out of
            the mean as well.
        axis: Where the classes are.

    Raises:
        ShapeError: The shapes do not fit.
    """
    y_pred = torch.as_tensor(y_pred)
    labels = torch.as_tensor(y_true).to(y_pred.device).long()
    if labels.ndim == y_pred.ndim and labels.shape[axis] == 1:
        labels = labels.squeeze(axis)
    axis = axis % y_pred.ndim
    expected = (*y_pred.shape[:axis], *y_pred.shape[axis + 1 :])
    if tuple(labels.shape) != expected:
        raise ShapeError(
            f"sparse_categorical_crossentropy: y_true has shape {tuple(labels.shape)}, expected {expected}, that of "
            f"y_pred {tuple(y_pred.shape)} without its axis of classes. One-hot labels: categorical_crossentropy."
        )
    ignored = None if ignore_class is None else labels == ignore_class
    if ignored is not None:
        labels = labels.masked_fill(ignored, 0)
        # Equal logits, and not probabilities of 0, whose sum cannot be divided by.
        y_pred = torch.where(ignored.unsqueeze(axis), torch.ones((), dtype=y_pred.dtype, device=y_pred.device), y_pred)
    logs = _log_probabilities(y_pred, from_logits, axis)
    losses = -logs.gather(axis, labels.unsqueeze(axis)).squeeze(axis)
    return losses if ignored is None else losses.masked_fill(ignored, 0)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Tensor:
    """`(1 - p ** q) / q` of the probability `p` of the label, which wrong labels move little (Zhang and others, 2018).

    Args:
        y_true: `(...)`, the numbers of classes.
        y_pred: `(..., C)`, probabilities.
        q: From 0 (the cross entropy) to 1 (the absolute error), both left out.

    Raises:
        ShapeError: The shapes do not fit.
    """
    y_pred = torch.as_tensor(y_pred)
    labels = torch.as_tensor(y_true).to(y_pred.device).long()
    if labels.shape != y_pred.shape[:-1]:
        raise ShapeError(
            f"categorical_generalized_cross_entropy: y_true has shape {tuple(labels.shape)}, expected "
            f"{tuple(y_pred.shape[:-1])}: the number of a class for each row of y_pred {tuple(y_pred.shape)}."
        )
    chosen = labels.unsqueeze(-1) == torch.arange(y_pred.shape[-1], device=y_pred.device)
    return (1 - (y_pred * chosen).sum(-1) ** q) / q


def _binary(y_true: Tensor, y_pred: Tensor, from_logits: bool) -> Tensor:
    if from_logits:
        return F.binary_cross_entropy_with_logits(y_pred, y_true, reduction="none")
    y_pred = clip(y_pred, EPSILON, 1 - EPSILON)
    return -(y_true * torch.log(y_pred) + (1 - y_true) * torch.log(1 - y_pred))


def _smoothed_binary(y_true: Tensor, label_smoothing: float) -> Tensor:
    return y_true * (1 - label_smoothing) + 0.5 * label_smoothing if label_smoothing else y_true


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """The mean over `axis` of the cross entropy of labels 0 and 1.

    Args:
        y_true: `(..., F)`, 0 and 1 or probabilities.
        y_pred: `(..., F)`, probabilities; with `from_logits` logits.
        from_logits: What `y_pred` is.
        label_smoothing: Labels move to one half by this share.
        axis: What the mean is taken over.

    Raises:
        ShapeError: The shapes differ.
    """
    y_true, y_pred = as_floats(y_true, y_pred)
    _same_shape("binary_crossentropy", y_true, y_pred)
    return _mean(_binary(_smoothed_binary(y_true, label_smoothing), y_pred, from_logits), axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """The binary cross entropy, by `(1 - probability of the label) ** gamma` (Lin and others, 2017).

    Args:
        y_true: See `binary_crossentropy`, as of the next four.
        y_pred: Probabilities.
        from_logits: Whether sigmoid has not been applied.
        label_smoothing: What is taken from the label towards 0.5.
        axis: That over which the mean is taken.
        apply_class_balancing: Weigh ones by `alpha` and zeros by `1 - alpha`.
        alpha: See `apply_class_balancing`.
        gamma: How little what is known counts.
    """
    y_true, y_pred = as_floats(y_true, y_pred)
    _same_shape("binary_focal_crossentropy", y_true, y_pred)
    y_true = _smoothed_binary(y_true, label_smoothing)
    y_pred = torch.sigmoid(y_pred) if from_logits else y_pred
    losses = (1 - (y_true * y_pred + (1 - y_true) * (1 - y_pred))) ** gamma * _binary(y_true, y_pred, False)
    if apply_class_balancing:
        losses = losses * (y_true * alpha + (1 - y_true) * (1 - alpha))
    return _mean(losses, axis)


def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """Connectionist temporal classification (Graves and others, 2006), with class 0 for blank and for padding.

    Args:
        y_true: `(B, L)`, integers; 0 behind the end of a label.
        y_pred: `(B, T, C)`, logits.

    Returns:
        `(B,)`

    Raises:
        ShapeError: A tensor has another number of axes.
    """
    y_pred = torch.as_tensor(y_pred)
    labels = torch.as_tensor(y_true).to(y_pred.device).long()
    if labels.ndim != 2 or y_pred.ndim != 3:
        raise ShapeError(
            f"ctc: y_true has shape {tuple(labels.shape)}, expected (batch, length); y_pred has shape "
            f"{tuple(y_pred.shape)}, expected (batch, time, classes)."
        )
    steps = torch.full((len(y_pred),), y_pred.shape[1], dtype=torch.long)
    logs = F.log_softmax(y_pred, -1).transpose(0, 1)
    return F.ctc_loss(logs, labels, steps, (labels != 0).sum(-1), blank=0, reduction="none")
