"""Hits and misses of two classes at thresholds, and what is made of them. Source: `keras.metrics`, keras 3.15."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import ArgumentError, ShapeError, counted, quote
from ..losses.aligning import same_rank, widened_floats
from ..weights import take_room
from .metric import Metric, dtype_of_sums, integer, over_nothing, spread

HIT, WRONG, REJECTED, MISSED = "true_positives", "false_positives", "true_negatives", "false_negatives"
_BELOW_ALL = -1e10  # where only the largest classes count, everything else is set to this, and it is the threshold


class Confusion(Metric):
    """Base of metrics that count some of the four kinds at each threshold.

    Args:
        thresholds: Above each of them counts as predicted.
        name: Its name in logs.
        dtype: See `Metric`.
        top_k: Only the largest classes of each row count as predicted.
        class_id: Only this class counts.
    """

    COUNTED: ClassVar[tuple[tuple[str, str], ...]] = tuple((kind, kind) for kind in (HIT, WRONG, REJECTED, MISSED))

    def __init__(
        self,
        thresholds: Sequence[float],
        name: str | None,
        dtype: Any,
        top_k: int | None = None,
        class_id: int | None = None,
    ) -> None:
        super().__init__(name, dtype)
        self.thresholds = list(thresholds)
        self.top_k = None if top_k is None else integer(self, "top_k", top_k, 1)
        self.class_id = None if class_id is None else integer(self, "class_id", class_id, 0)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: (len(self.thresholds),) for _, name in self.COUNTED}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: True and False, or 1 and 0.
            y_pred: Probabilities, of the same shape.
            sample_weight: What each counts; one number for each sample is taken for all that it has.

        Raises:
            ShapeError: The shapes differ.
        """
        y_true, y_pred, weight = self._taken(y_true, y_pred, sample_weight)
        self._count(y_true.reshape(-1), y_pred.reshape(-1), weight.reshape(-1))

    def _taken(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Tensor, Tensor, Tensor]:
        """What is true and predicted of the classes that count, and the weight of each value, of one shape."""
        y_pred = widened_floats(y_pred).detach()
        y_true, y_pred = same_rank(torch.as_tensor(y_true).to(y_pred.device), y_pred)
        if y_true.shape != y_pred.shape:
            raise ShapeError(
                f"{type(self).__name__}: y_true has shape {tuple(y_true.shape)}, y_pred {tuple(y_pred.shape)}."
            )
        y_true, y_pred = self._chosen(y_true.bool(), y_pred)
        weight = torch.ones(y_pred.shape, dtype=dtype_of_sums(y_pred.device), device=y_pred.device)
        if sample_weight is not None:
            given = torch.as_tensor(sample_weight).to(weight)
            given = given.reshape(*given.shape, *[1] * (weight.ndim - given.ndim))
            if given.ndim > weight.ndim and given.shape[-1] == 1:
                given = given.squeeze(-1)
            weight = spread(self, given, weight)
        return y_true, y_pred, weight

    def _chosen(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        if (self.top_k is not None and y_pred.ndim < 1) or (self.class_id is not None and y_pred.ndim < 2):
            raise ShapeError(
                f"{type(self).__name__}: y_pred has shape {tuple(y_pred.shape)}, expected (batch, classes), of which "
                "top_k and class_id choose; for top_k it may be (classes,)."
            )
        if self.top_k is not None:
            # Of equal ones the first, as in Keras.
            order = y_pred.argsort(dim=-1, descending=True, stable=True)
            if self.top_k > y_pred.shape[-1]:
                raise ShapeError(
                    f"{type(self).__name__}: top_k is {self.top_k}, and y_pred has "
                    f"{counted(y_pred.shape[-1], 'class', 'classes')}."
                )
            kept = torch.zeros_like(y_true).scatter(-1, order[..., : self.top_k], True)
            y_pred = torch.where(kept, y_pred, _BELOW_ALL)
        if self.class_id is not None:
            if self.class_id >= y_pred.shape[-1]:
                raise ShapeError(
                    f"{type(self).__name__}: class_id is {self.class_id}, and y_pred has "
                    f"{counted(y_pred.shape[-1], 'class', 'classes')}."
                )
            at = slice(self.class_id, self.class_id + 1)
            y_true, y_pred = y_true[..., at], y_pred[..., at]
        return y_true, y_pred

    def _count(self, y_true: Tensor, y_pred: Tensor, weight: Tensor) -> None:
        """Add vectors, or columns of which each is counted by itself."""
        limits = torch.tensor(self.thresholds, dtype=y_pred.dtype, device=y_pred.device)
        above = (y_pred.unsqueeze(0) > limits.reshape(-1, *[1] * y_pred.ndim)).to(weight.dtype)
        positive = y_true.to(weight.dtype) * weight
        of = {HIT: (above, positive), WRONG: (above, weight - positive)}
        of |= {REJECTED: (1 - above, weight - positive), MISSED: (1 - above, positive)}
        for kind, name in self.COUNTED:
            predicted, true = of[kind]
            total = torch.einsum("tn...,n...->t...", predicted, true)
            self.add_state(name, y_pred, tuple(total.shape)).add_(total)

    def _counts(self, *names: str) -> list[Tensor]:
        zeros = torch.zeros(len(self.thresholds), dtype=torch.float64)
        return [self._state.get(name, zeros).detach() for name in names]


def listed(thresholds: Any, owner: str, default: float = 0.5) -> list[float]:
    """Thresholds as a list.

    Args:
        thresholds: A number, a list, or None.
        owner: Whose they are, for messages.
        default: What None stands for.

    Raises:
        ArgumentError: One of them is not between 0 and 1.
    """
    if thresholds is None:
        return [default]
    found = list(thresholds) if isinstance(thresholds, (list, tuple)) else [thresholds]
    for value in found:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ArgumentError(f"{owner}: a threshold is {quote(value)}, expected a number from 0 to 1.")
    return [float(value) for value in found]


class _AtThresholds(Confusion):
    """Base of metrics with one value for each threshold; a scalar where there is one.

    Args:
        thresholds: A number from 0 to 1, or a list; above it counts as predicted. None: 0.5.
        name: Its name in logs.
        dtype: See `Metric`.
    """

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(listed(thresholds, type(self).__name__), name, dtype)
        self._given = thresholds

    def _value(self) -> Tensor:
        return self._counts("accumulator")[0].clone()

    def result(self) -> Tensor:
        """The value so far."""
        value = self._value()
        return value[0] if len(self.thresholds) == 1 else value

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "thresholds": self._given}


class TruePositives(_AtThresholds):
    """How many ones were predicted as ones."""

    COUNTED = ((HIT, "accumulator"),)


class FalsePositives(_AtThresholds):
    """How many zeros were predicted as ones."""

    COUNTED = ((WRONG, "accumulator"),)


class TrueNegatives(_AtThresholds):
    """How many zeros were predicted as zeros."""

    COUNTED = ((REJECTED, "accumulator"),)


class FalseNegatives(_AtThresholds):
    """How many ones were predicted as zeros."""

    COUNTED = ((MISSED, "accumulator"),)


class _OfClasses(_AtThresholds):
    """Base of shares of two of the kinds.

    Args:
        thresholds: A number from 0 to 1, or a list; above it counts as predicted. None: 0.5, and with `top_k` none.
        top_k: Only the `top_k` largest classes of each row count as predicted.
        class_id: Only this class counts.
        name: Its name in logs.
        dtype: See `Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        default = 0.5 if top_k is None else _BELOW_ALL
        Confusion.__init__(self, listed(thresholds, type(self).__name__, default), name, dtype, top_k, class_id)
        self._given = thresholds

    def _value(self) -> Tensor:
        hits, others = self._counts(*(name for _, name in self.COUNTED))
        return over_nothing(hits, hits + others)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), "top_k": self.top_k, "class_id": self.class_id}


class Precision(_OfClasses):
    """Of what was predicted as one, the share that is one (`keras.metrics.Precision`)."""

    COUNTED = ((HIT, HIT), (WRONG, WRONG))


class Recall(_OfClasses):
    """Of what is one, the share that was predicted as one (`keras.metrics.Recall`)."""

    COUNTED = ((HIT, HIT), (MISSED, MISSED))


class _AtPoint(Confusion):
    """Base of the best share of one kind where the share of another is at least a given one.

    Args:
        value: The share that is asked for.
        what: Its name among the arguments.
        num_thresholds: How many thresholds from 0 to 1 are tried; of one it is 0.5.
        class_id: Only this class counts.
        name: Its name in logs.
        dtype: See `Metric`.
    """

    _direction = "up"
    GIVEN: ClassVar[str]
    # The kinds whose share is asked for, and those whose share is told: hits, and what they are a share of besides.
    ASKED: ClassVar[tuple[str, str]]
    TOLD: ClassVar[tuple[str, str]]

    def __init__(self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        owner = type(self).__name__
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ArgumentError(f"{owner}: {self.GIVEN} is {quote(value)}, expected a number from 0 to 1.")
        num_thresholds = integer(self, "num_thresholds", num_thresholds, 1)
        take_room((num_thresholds,), self, "thresholds", beside=True)
        points = [at / (num_thresholds - 1) for at in range(num_thresholds)] if num_thresholds > 1 else [0.5]
        super().__init__(points, name, dtype, class_id=class_id)
        self.value, self.num_thresholds = value, num_thresholds
        setattr(self, self.GIVEN, value)

    def result(self) -> Tensor:
        """The best share so far; 0 where no threshold reaches what is asked for."""
        asked, told = (self._share(*kinds) for kinds in (self.ASKED, self.TOLD))
        return torch.where(asked >= self.value, told, 0.0).max().clamp(min=0)

    def _share(self, kind: str, other: str) -> Tensor:
        part, rest = self._counts(kind, other)
        return over_nothing(part, part + rest)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        own = {"class_id": self.class_id, "num_thresholds": self.num_thresholds, self.GIVEN: self.value}
        return {**super().get_config(), **own}


class SensitivityAtSpecificity(_AtPoint):
    """The best share of ones predicted as ones where that of zeros predicted as zeros is at least `specificity`."""

    GIVEN, ASKED, TOLD = "specificity", (REJECTED, WRONG), (HIT, MISSED)

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_AtPoint):
    """The best share of zeros predicted as zeros where that of ones predicted as ones is at least `sensitivity`."""

    GIVEN, ASKED, TOLD = "sensitivity", (HIT, MISSED), (REJECTED, WRONG)

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_AtPoint):
    """The best precision where the recall is at least `recall`."""

    GIVEN, ASKED, TOLD = "recall", (HIT, MISSED), (HIT, WRONG)

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_AtPoint):
    """The best recall where the precision is at least `precision`."""

    GIVEN, ASKED, TOLD = "precision", (HIT, WRONG), (HIT, MISSED)

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
