"""From one loss of each sample to one number: weights, masks, and what a mean is taken over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from .._serial import snake_case
from ..arguments import of_function
from ..distributed import as_part, over_all
from ..dtypes import mixed_dtype, weight_dtype
from ..errors import ArgumentError, ShapeError, quote
from . import functions
from .aligning import aligned, same_rank, widened

Reduction = Literal["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none"] | None
_MEAN = ("sum_over_batch_size", "mean", "mean_with_sample_weight")  # of which all are the mean where nothing weighs
# torch's operations for means of some of `functions`: one step for `backward`, where the mean of means takes three.
_MEANS: Mapping[int, Callable[[Tensor, Tensor], Tensor]] = {
    id(functions.mean_squared_error): F.mse_loss,
    id(functions.mean_absolute_error): F.l1_loss,
}
REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)
# What a mean over masked values divides by, by who computed it:
# "valid": Keras 3 and tf.keras since 2.10, the number of unmasked values;
# "all": tf.keras 2.0 to 2.9 and Keras 2.3, the number of all values;
# "weights": Keras up to 2.2, which divides by the mean of the mask, and by the share of weights that are not 0.
Masking = Literal["valid", "all", "weights"]


def reduce(
    values: Tensor,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: Reduction = "sum_over_batch_size",
    masking: Masking = "valid",
) -> Tensor:
    """One number of many losses.

    Args:
        values: `(B, ...)`, a loss of each sample, or of each step of each sample.
        sample_weight: `(B,)` or `(B, ...)`: what each counts. With fewer axes than `values` it must broadcast, as in
            Keras, or lack a last axis.
        mask: True where a value counts.
        reduction: The mean ("sum_over_batch_size", "mean"), the sum, the mean by weights, or None for every value.
        masking: What the mean over masked values divides by.

    Returns:
        A scalar; with reduction None or "none" the shape of `values`.
    """
    weight = None if sample_weight is None else torch.as_tensor(sample_weight).to(values)
    if masking == "weights":
        return _reduced_by_weights(values, weight, mask, reduction)
    if mask is not None:
        valid = torch.as_tensor(mask).to(values.device).to(values.dtype)
        if masking == "valid" and reduction in ("mean", "sum_over_batch_size"):
            # Divides by what is valid where the mean below divides by all; nothing is valid: 0.
            valid = valid * torch.nan_to_num(valid.numel() / over_all(valid.sum()), nan=0.0, posinf=0.0)
        if weight is None:
            weight = valid
        else:
            valid, weight = same_rank(valid, weight)
            weight = _times(weight, valid)
    if weight is not None:
        values, weight = same_rank(values, weight)
        values = _times(values, weight)
    if reduction in (None, "none") or values.ndim == 0:
        return values
    if reduction == "sum":
        return as_part(values.sum())
    if reduction == "mean_with_sample_weight" and weight is not None:
        total = values.sum()
        # Without a weight the loss is 0, and so is its gradient: no division by 0 is recorded.
        counted = over_all(weight.sum())
        return total / torch.where(counted == 0, 1.0, counted) * (counted != 0)
    return values.mean() if values.numel() else values.sum()


def _reduced_by_weights(values: Tensor, weight: Tensor | None, mask: Any, reduction: Reduction) -> Tensor:
    if mask is not None:
        valid = torch.as_tensor(mask).to(values.device).to(values.dtype)
        values = _times(values, valid) / (over_all(valid.sum()) / valid.numel())
    if weight is not None:
        values = values.flatten(weight.ndim).mean(-1) if values.ndim > weight.ndim else values
        values = values * weight / (over_all((weight != 0).to(values.dtype).sum()) / weight.numel())
    if reduction in (None, "none"):
        return values
    return as_part(values.sum()) if reduction == "sum" else values.mean()


def _times(values: Tensor, weight: Tensor) -> Tensor:
    try:
        return values * weight
    except RuntimeError as error:
        raise ShapeError(
            f"Weights or a mask of shape {tuple(weight.shape)} do not fit losses of shape {tuple(values.shape)}: "
            "expected the same shape, or one number for each sample, as (batch, 1) where each step has a loss."
        ) from error


class Loss:
    """Base of losses (`keras.losses.Loss`). A subclass defines `call(y_true, y_pred)`.

    Args:
        name: Its name in logs.
        reduction: See `reduce`.
        dtype: What is computed in; None: the dtype of what is predicted, float32 for halves.
        masking: What a mean over masked values divides by: "valid" (Keras 3, tf.keras since 2.10), "all" (tf.keras up
            to 2.9) or "weights" (Keras up to 2.2).
    """

    def __init__(
        self,
        name: str | None = None,
        reduction: Reduction = "sum_over_batch_size",
        dtype: Any = None,
        *,
        masking: Masking = "valid",
    ) -> None:
        if reduction not in REDUCTIONS:
            expected = ", ".join(map(repr, REDUCTIONS))
            raise ArgumentError(f"{type(self).__name__}: reduction is {quote(reduction)}, expected one of {expected}.")
        if masking not in ("valid", "all", "weights"):
            raise ArgumentError(
                f"{type(self).__name__}: masking is {quote(masking)}, expected 'valid', 'all' or 'weights'."
            )
        self.name = snake_case(type(self).__name__) if name is None else name
        self.reduction: Reduction = reduction
        self.masking: Masking = masking
        self.dtype = None if dtype is None else mixed_dtype(dtype) or weight_dtype(dtype)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> Tensor:
        """The loss.

        Args:
            y_true: What is true: tensor, array or list.
            y_pred: What is predicted: a tensor. Gradients flow through it.
            sample_weight: See `reduce`.
            mask: True where a value counts. None: the mask that `y_pred` brings along.
        """
        mask = getattr(y_pred, "_keras_mask", None) if mask is None else mask
        y_pred = widened(y_pred) if self.dtype is None else torch.as_tensor(y_pred).to(self.dtype)
        y_true = torch.as_tensor(y_true).to(y_pred.device)
        if mask is None and sample_weight is None and (mean := self._mean(y_true, y_pred)) is not None:
            return mean
        losses, valid = self._masked(y_true, y_pred)
        if valid is not None:
            mask = valid if mask is None else torch.as_tensor(mask).to(valid.device).bool() & valid
        return reduce(losses, sample_weight, mask, self.reduction, self.masking)

    def _mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        """The mean over everything in one operation, where that is the loss and torch has one for it."""
        return None

    def _masked(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor | None]:
        """The losses, and where they count if the loss itself leaves some out."""
        return self.call(y_true, y_pred), None

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """A loss of each sample, or of each step of each sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred).")

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """Make the loss that `config` describes."""
        return cls(**config)


class FunctionLoss(Loss):
    """A loss that a function computes.

    Args:
        fn: `fn(y_true, y_pred, **arguments)`: a loss of each sample.
        reduction: See `reduce`.
        name: Its name in logs.
        dtype: See `Loss`.
        masking: See `Loss`.
        **arguments: Further arguments of `fn`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        *,
        masking: Masking = "valid",
        **arguments: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype, masking=masking)
        of_function(type(self).__name__, fn, arguments)
        self.fn, self.arguments = fn, arguments

    def _mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        if self.reduction not in _MEAN or self.arguments or type(self).call is not FunctionLoss.call:
            return None
        of_torch = _MEANS.get(id(self.fn))  # by its identity: what people give need have no hash
        if of_torch is None:
            return None
        y_true, y_pred = aligned(y_true, y_pred)
        return of_torch(y_pred, y_true) if y_pred.ndim and y_pred.numel() and y_true.shape == y_pred.shape else None

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """What the function returns."""
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true, y_pred = same_rank(y_true, y_pred)
        return torch.as_tensor(self.fn(y_true, y_pred, **self.arguments))

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), **self.arguments}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """Make the loss that `config` describes; the class knows its function."""
        return cls(**{key: value for key, value in config.items() if key != "fn"})
