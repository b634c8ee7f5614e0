"""The area under a curve of two shares. Source: `keras.metrics.AUC`, keras 3.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..arguments import one_or_more
from ..errors import ArgumentError, ShapeError, quote
from ..losses.aligning import widened_floats
from ..losses.functions import EPSILON
from ..weights import take_room
from .confusion import HIT, MISSED, REJECTED, WRONG, Confusion, listed
from .metric import integer, over_nothing


class AUC(Confusion):
    """The area under the ROC or the precision-recall curve (`keras.metrics.AUC`).

    Args:
        num_thresholds: How many points the curve has.
        curve: "ROC", "PR", or "PRGAIN" (precision and recall gain, Flach and Kull, 2015).
        summation_method: "interpolation" (trapezoids; for PR the formula of Davis and Goadrich, 2006), "minoring" or
            "majoring".
        name: Its name in logs.
        dtype: See `Metric`.
        thresholds: The inner points, from 0 to 1, in the place of `num_thresholds`.
        multi_label: One curve for each column of predictions `(B, L)`, of which the mean is taken.
        num_labels: How many columns there are; None: the first batch shows it.
        label_weights: What each column counts.
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
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if thresholds is None:
            count = integer(self, "num_thresholds", num_thresholds, 2)
            take_room((count,), self, "thresholds", beside=True)
            inner = [(at + 1) / (count - 1) for at in range(count - 2)]
        else:
            inner = sorted(listed(thresholds, "AUC"))
        super().__init__([-EPSILON, *inner, 1 + EPSILON], name or "auc", dtype)
        self.curve, self.summation_method = str(curve).upper(), str(summation_method).lower()
        for what, value, allowed in (
            ("curve", self.curve, ("ROC", "PR", "PRGAIN")),
            ("summation_method", self.summation_method, ("interpolation", "minoring", "majoring")),
        ):
            if value not in allowed:
                raise ArgumentError(f"AUC: {what} is {quote(value)}, expected one of {', '.join(map(repr, allowed))}.")
        if num_labels and not multi_label:
            raise ArgumentError(f"AUC: num_labels is {quote(num_labels)}, and multi_label is not True.")
        self.multi_label, self.num_labels, self.from_logits = multi_label, num_labels, from_logits
        if isinstance(label_weights, (str, bytes)) or (
            label_weights is not None and not hasattr(label_weights, "__len__")
        ):
            raise ArgumentError(f"AUC: label_weights is {quote(label_weights)}, expected a number for each column.")
        given = None if label_weights is None else one_or_more("AUC", "label_weights", label_weights)
        self.label_weights = None if given is None else torch.as_tensor(given, dtype=torch.float32)
        self._inner = None if thresholds is None else inner
        self.num_thresholds = len(self.thresholds)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        if not self.multi_label:
            return super()._shapes()
        labels = self.num_labels
        return {name: (len(self.thresholds), labels) for name in super()._shapes()} if labels else {}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in; see `Precision.update_state`.

        Raises:
            ShapeError: The shapes differ, or `multi_label` or `label_weights` want other ones.
        """
        y_pred = widened_floats(y_pred).detach()
        y_true, y_pred, weight = self._taken(y_true, y_pred.sigmoid() if self.from_logits else y_pred, sample_weight)
        columns = y_pred.shape[-1] if y_pred.ndim else None
        if self.multi_label and (y_pred.ndim != 2 or self.num_labels not in (None, 0, columns)):
            raise ShapeError(
                f"AUC: y_pred has shape {tuple(y_pred.shape)}, expected (batch, {self.num_labels or 'labels'})."
            )
        if self.label_weights is not None and tuple(self.label_weights.shape) != (columns,):
            raise ShapeError(f"AUC: label_weights has shape {tuple(self.label_weights.shape)}, expected ({columns},).")
        if self.multi_label:
            return self._count(y_true, y_pred, weight)
        if self.label_weights is not None:
            weight = weight * self.label_weights.to(weight)
        return self._count(y_true.reshape(-1), y_pred.reshape(-1), weight.reshape(-1))

    def result(self) -> Tensor:
        """The area so far; 0 before the first batch."""
        hits, wrong, rejected, missed = self._counts(HIT, WRONG, REJECTED, MISSED)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._joined(self._interpolated(hits, hits + wrong, missed))
        recall, precision = over_nothing(hits, hits + missed), over_nothing(hits, hits + wrong)
        if self.curve == "ROC":
            x, y = over_nothing(wrong, wrong + rejected), recall
        elif self.curve == "PR":
            x, y = recall, precision
        else:
            # How much better than to predict one for everything; hits of none have gained nothing.
            odds = over_nothing(hits + missed, rejected + wrong)
            x = torch.where(hits == 0, 0.0, 1 - odds * over_nothing(missed, hits)).clamp(min=0)
            y = torch.where(hits == 0, 1.0, 1 - odds * over_nothing(wrong, hits))
        ends = y[:-1], y[1:]
        heights = {
            "interpolation": (ends[0] + ends[1]) / 2,
            "minoring": torch.minimum(*ends),
            "majoring": torch.maximum(*ends),
        }[self.summation_method]
        return self._joined((x[:-1] - x[1:]) * heights)

    def _joined(self, areas: Tensor) -> Tensor:
        """One number of areas between points, `(T - 1,)` or `(T - 1, L)`."""
        total = areas.sum(0)
        if not self.multi_label or not total.ndim:
            return total
        if self.label_weights is None:
            return total.mean()
        weights = self.label_weights.to(total)
        return over_nothing((total * weights).sum(), weights.sum())

    @staticmethod
    def _interpolated(hits: Tensor, predicted: Tensor, missed: Tensor) -> Tensor:
        """Hits and predictions change linearly from threshold to threshold, and precision as their quotient."""
        slope = over_nothing(hits[:-1] - hits[1:], (predicted[:-1] - predicted[1:]).clamp(min=0))
        start = hits[1:] - slope * predicted[1:]
        both = (predicted[:-1] > 0) & (predicted[1:] > 0)
        ratio = torch.where(both, over_nothing(predicted[:-1], predicted[1:].clamp(min=0)), 1.0)
        areas = slope * (hits[:-1] - hits[1:] + start * ratio.log())
        return over_nothing(areas, (hits[1:] + missed[1:]).clamp(min=0))

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        own = {"num_thresholds": self.num_thresholds, "curve": self.curve, "summation_method": self.summation_method}
        labels = {"multi_label": self.multi_label, "num_labels": self.num_labels}
        labels["label_weights"] = None if self.label_weights is None else self.label_weights.tolist()
        return {**super().get_config(), **own, "thresholds": self._inner, **labels, "from_logits": self.from_logits}
