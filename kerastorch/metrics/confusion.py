"""Hits and misses of two classes at thresholds, and what is made of them. Source: `keras.metrics`, keras 3.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError, quote
from ..losses.functions import EPSILON, same_rank, widened
from .metric import Metric, over_nothing

_KINDS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


class _Confusion(Metric):
    """Counts of the four kinds at each threshold."""

    def __init__(self, thresholds: Sequence[float], name: str | None, dtype: Any) -> None:
        super().__init__(name, dtype)
        self.thresholds = list(thresholds)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: True and False, or 1 and 0.
            y_pred: Probabilities, of the same shape.
            sample_weight: What each counts; one number for each sample is taken for all that it has.

        Raises:
            ShapeError: The shapes differ.
        """
        y_pred = widened(y_pred).detach()
        y_true, y_pred = same_rank(torch.as_tensor(y_true).to(y_pred.device), y_pred)
        if y_true.shape != y_pred.shape:
            raise ShapeError(
                f"{type(self).__name__}: y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}."
            )
        count = len(self.thresholds)
        sums = [self.add_state(kind, y_pred, (count,)) for kind in _KINDS]
        weight = torch.ones(y_pred.shape, dtype=sums[0].dtype, device=y_pred.device)
        if sample_weight is not None:
            given = torch.as_tensor(sample_weight).to(weight)
            given = given.reshape(*given.shape, *[1] * (weight.ndim - given.ndim))
            weight = given.broadcast_to(weight.shape)
        limits = torch.tensor(self.thresholds, dtype=y_pred.dtype, device=y_pred.device)
        above = (y_pred.reshape(1, -1) > limits[:, None]).to(weight.dtype)
        positive = y_true.reshape(-1).bool().to(weight.dtype) * weight.reshape(-1)
        negative = weight.reshape(-1) - positive
        for total, values in zip(
            sums, (above @ positive, above @ negative, (1 - above) @ negative, (1 - above) @ positive), strict=True
        ):
            total.add_(values)

    def _counts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        zeros = torch.zeros(len(self.thresholds), dtype=torch.float64)
        return tuple(self._state.get(kind, zeros) for kind in _KINDS)  # type: ignore[return-value]


def _listed(thresholds: Any, owner: str) -> list[float]:
    listed = (
        [0.5] if thresholds is None else list(thresholds) if isinstance(thresholds, (list, tuple)) else [thresholds]
    )
    for value in listed:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ArgumentError(f"{owner}: a threshold is {quote(value)}, expected a number from 0 to 1.")
    return [float(value) for value in listed]


class _AtThresholds(_Confusion):
    """Base of metrics with one value for each threshold; a scalar where there is one.

    Args:
        thresholds: A number from 0 to 1, or a list; above it counts as predicted. None: 0.5.
        name: Its name in logs.
        dtype: See `Metric`.
    """

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(_listed(thresholds, type(self).__name__), name, dtype)
        self._given = thresholds

    def _value(self) -> Tensor:
        raise NotImplementedError

    def result(self) -> Tensor:
        """The value so far."""
        value = self._value()
        return value[0] if len(self.thresholds) == 1 else value

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "thresholds": self._given}


class TruePositives(_AtThresholds):
    """How many ones were predicted as ones."""

    def _value(self) -> Tensor:
        return self._counts()[0].clone()


class FalsePositives(_AtThresholds):
    """How many zeros were predicted as ones."""

    def _value(self) -> Tensor:
        return self._counts()[1].clone()


class TrueNegatives(_AtThresholds):
    """How many zeros were predicted as zeros."""

    def _value(self) -> Tensor:
        return self._counts()[2].clone()


class FalseNegatives(_AtThresholds):
    """How many ones were predicted as zeros."""

    def _value(self) -> Tensor:
        return self._counts()[3].clone()


class Precision(_AtThresholds):
    """Of what was predicted as one, the share that is one (`keras.metrics.Precision`, without top_k and class_id)."""

    _direction = "up"

    def _value(self) -> Tensor:
        hits, wrong, _, _ = self._counts()
        return over_nothing(hits, hits + wrong)


class Recall(_AtThresholds):
    """Of what is one, the share that was predicted as one (`keras.metrics.Recall`, without top_k and class_id)."""

    _direction = "up"

    def _value(self) -> Tensor:
        hits, _, _, missed = self._counts()
        return over_nothing(hits, hits + missed)


class AUC(_Confusion):
    """The area under the ROC or the precision-recall curve (`keras.metrics.AUC`, for one label).

    Args:
        num_thresholds: How many points the curve has.
        curve: "ROC" or "PR".
        summation_method: "interpolation" (trapezoids; for PR the formula of Davis and Goadrich, 2006), "minoring" or
            "majoring".
        name: Its name in logs.
        dtype: See `Metric`.
        thresholds: The inner points, from 0 to 1, in the place of `num_thresholds`.
        from_logits: What is predicted are logits.
    """

    _direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if thresholds is None and (isinstance(num_thresholds, bool) or num_thresholds < 2):
            raise ArgumentError(f"AUC: num_thresholds is {quote(num_thresholds)}, expected an integer of at least 2.")
        inner = [(at + 1) / (num_thresholds - 1) for at in range(num_thresholds - 2)]
        if thresholds is not None:
            inner = sorted(_listed(thresholds, "AUC"))
        super().__init__([-EPSILON, *inner, 1 + EPSILON], name or "auc", dtype)
        self.curve, self.summation_method = str(curve).upper(), str(summation_method).lower()
        for what, value, allowed in (
            ("curve", self.curve, ("ROC", "PR")),
            ("summation_method", self.summation_method, ("interpolation", "minoring", "majoring")),
        ):
            if value not in allowed:
                raise ArgumentError(f"AUC: {what} is {quote(value)}, expected one of {', '.join(map(repr, allowed))}.")
        self.from_logits, self._inner = from_logits, None if thresholds is None else inner

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in; see `Precision.update_state`."""
        y_pred = widened(y_pred).detach()
        super().update_state(y_true, y_pred.sigmoid() if self.from_logits else y_pred, sample_weight)

    def result(self) -> Tensor:
        """The area so far; 0 before the first batch."""
        hits, wrong, rejected, missed = self._counts()
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated(hits, hits + wrong, missed)
        recall = over_nothing(hits, hits + missed)
        if self.curve == "ROC":
            x, y = over_nothing(wrong, wrong + rejected), recall
        else:
            x, y = recall, over_nothing(hits, hits + wrong)
        ends = y[:-1], y[1:]
        heights = {
            "interpolation": (ends[0] + ends[1]) / 2,
            "minoring": torch.minimum(*ends),
            "majoring": torch.maximum(*ends),
        }[self.summation_method]
        return ((x[:-1] - x[1:]) * heights).sum()

    @staticmethod
    def _interpolated(hits: Tensor, predicted: Tensor, missed: Tensor) -> Tensor:
        """Hits and predictions change linearly from threshold to threshold, and precision as their quotient."""
        slope = over_nothing(hits[:-1] - hits[1:], (predicted[:-1] - predicted[1:]).clamp(min=0))
        start = hits[1:] - slope * predicted[1:]
        both = (predicted[:-1] > 0) & (predicted[1:] > 0)
        ratio = torch.where(both, over_nothing(predicted[:-1], predicted[1:].clamp(min=0)), 1.0)
        areas = slope * (hits[:-1] - hits[1:] + start * ratio.log())
        return over_nothing(areas, (hits[1:] + missed[1:]).clamp(min=0)).sum()

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        own = {"num_thresholds": len(self.thresholds), "curve": self.curve, "summation_method": self.summation_method}
        return {**super().get_config(), **own, "thresholds": self._inner, "from_logits": self.from_logits}
