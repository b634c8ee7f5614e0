"""F-scores and the coefficient of determination, of rows of classes or values. Source: `keras.metrics`, keras 3.15."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError, counted, quote
from ..losses.aligning import same_rank, widened_floats
from ..losses.functions import EPSILON
from .metric import Metric, dtype_of_sums, integer, spread


def _rows(metric: Metric, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor, Tensor]:
    """What is true and predicted as `(B, C)`, and weights that spread to it, all of the dtype of sums."""
    y_pred = widened_floats(y_pred).detach()
    dtype = dtype_of_sums(y_pred.device)
    y_true, y_pred = same_rank(torch.as_tensor(y_true).to(y_pred.device), y_pred)
    if y_pred.ndim != 2 or y_true.shape != y_pred.shape:
        raise ShapeError(
            f"{type(metric).__name__}: y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}; expected "
            "the same shape, (batch, classes)."
        )
    weight = torch.ones(()) if sample_weight is None else torch.as_tensor(sample_weight).detach()
    weight = weight.to(y_pred.device, dtype)
    weight = weight.unsqueeze(-1) if weight.ndim == 1 else weight
    return y_true.to(dtype), y_pred.to(dtype), spread(metric, weight, y_pred)


class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall of each class (`keras.metrics.FBetaScore`).

    Args:
        average: None (a score for each class), "micro" (of all classes together), "macro" (the mean of classes) or
            "weighted" (by how often each class is true).
        beta: How much more recall counts than precision.
        threshold: Above it counts as predicted; None: the largest class of each row does, and is not 0.
        name: Its name in logs.
        dtype: See `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        owner = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ArgumentError(f"{owner}: average is {quote(average)}, expected None, 'micro', 'macro' or 'weighted'.")
        if not isinstance(beta, float) or beta <= 0:
            raise ArgumentError(f"{owner}: beta is {quote(beta)}, expected a float > 0.")
        if threshold is not None and not (isinstance(threshold, float) and 0 < threshold <= 1):
            raise ArgumentError(f"{owner}: threshold is {quote(threshold)}, expected None or a float > 0 and <= 1.")
        self.average, self.beta, self.threshold = average, beta, threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: `(B, C)`: ones and zeros.
            y_pred: `(B, C)`: what is predicted of each class.
            sample_weight: `(B,)`: what each row counts.

        Raises:
            ShapeError: The shapes are others.
        """
        y_true, y_pred, weight = _rows(self, y_true, y_pred, sample_weight)
        if self.threshold is None:
            chosen = (y_pred >= y_pred.max(-1, keepdim=True).values) & (y_pred.abs() > 1e-9)
        else:
            # Compared as float32, in which Keras has both.
            chosen = y_pred.float() > torch.tensor(self.threshold, device=y_pred.device)
        chosen = chosen.to(y_true.dtype)
        hits, wrong, missed = chosen * y_true, chosen * (1 - y_true), (1 - chosen) * y_true
        for name, values in (
            ("true_positives", hits),
            ("false_positives", wrong),
            ("false_negatives", missed),
            ("intermediate_weights", y_true),
        ):
            total = (values * weight).sum() if self.average == "micro" else (values * weight).sum(0)
            self.add_state(name, y_pred, tuple(total.shape)).add_(total)

    def result(self) -> Tensor:
        """The score so far: `(C,)` without an average, a scalar otherwise; 0 before the first batch."""
        if not self._state:
            return torch.tensor(0.0)
        hits, wrong, missed, true = (item.detach() for item in self._state.values())
        precision, recall = hits / (hits + wrong + EPSILON), hits / (hits + missed + EPSILON)
        square = self.beta**2
        scores = (1 + square) * precision * recall / (square * precision + recall + EPSILON)
        if self.average is None:
            return scores
        if self.average == "weighted":
            return (scores * true / (true.sum() + EPSILON)).sum()
        return scores.mean()

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall of each class (`keras.metrics.F1Score`).

    Args:
        average: See `FBetaScore`.
        threshold: See `FBetaScore`.
        name: Its name in logs.
        dtype: That of the sums.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {key: value for key, value in super().get_config().items() if key != "beta"}


class R2Score(Metric):
    """How much of the variance of each value is predicted (`keras.metrics.R2Score`).

    Args:
        class_aggregation: "uniform_average" (the mean of values), "variance_weighted_average", or None for all.
        num_regressors: How many inputs there are, for the adjusted score; 0: the standard one.
        name: Its name in logs.
        dtype: See `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ArgumentError(
                f"R2Score: class_aggregation is {quote(class_aggregation)}, expected None, 'uniform_average' or "
                "'variance_weighted_average'."
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = integer(self, "num_regressors", num_regressors, 0)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: `(B, C)`: what is true.
            y_pred: `(B, C)`: what is predicted.
            sample_weight: `(B,)` or `(B, C)`: what each counts.

        Raises:
            ShapeError: The shapes are others.
        """
        y_true, y_pred, weight = _rows(self, y_true, y_pred, sample_weight)
        self.add_state("num_samples", y_pred).add_(y_true.numel())
        for name, values in (
            ("squared_sum", y_true.square()),
            ("sum", y_true),
            ("residual", (y_true - y_pred).square()),
            ("count", torch.ones_like(y_true)),
        ):
            self.add_state(name, y_pred, tuple(y_pred.shape[1:])).add_((values * weight).sum(0))

    def result(self) -> Tensor:
        """The score so far: `(C,)` without an average, a scalar otherwise; 0 before the first batch."""
        if not self._state:
            return torch.tensor(0.0)
        samples, squares, sums, residuals, counts = (item.detach() for item in self._state.values())
        if not samples:
            return torch.tensor(0.0)
        total = squares - sums * sums / counts
        scores = 1 - residuals / total
        scores = torch.where(scores.isinf(), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = scores.mean()
        elif self.class_aggregation == "variance_weighted_average":
            scores = (total * scores).sum() / total.sum()
        if not self.num_regressors:
            return scores
        left = float(samples) - 1 - self.num_regressors
        if left <= 0:
            warnings.warn(
                f"R2Score: {counted(self.num_regressors, 'regressor')} are too many for "
                f"{counted(int(samples), 'value')} to adjust the score "
                "by; this is the standard one.",
                stacklevel=2,
            )
            return scores
        return 1 - (1 - scores) * (samples - 1) / left

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}
