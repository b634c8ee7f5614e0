"""Intersection over union of classes, from a matrix of which class was taken for which. Source: `keras.metrics`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..arguments import number, whole
from ..errors import ArgumentError, ShapeError, counted, quote
from ..losses.functions import EPSILON
from ..weights import take_room
from .metric import Metric, integer

_MATRIX = "total_confusion_matrix"


class IoU(Metric):
    """The mean, over some classes, of intersection over union (`keras.metrics.IoU`).

    What is true and predicted is taken as integers, and so are weights, as in Keras: `dtype="float32"` keeps the
    fractions of weights.

    Args:
        num_classes: How many classes there are.
        target_class_ids: The classes that the mean is taken over.
        name: Its name in logs.
        dtype: What weights are taken as: an integer (None) or a float.
        ignore_class: What is labelled so is left out.
        sparse_y_true: Labels are numbers of classes; otherwise the largest along `axis` is the label.
        sparse_y_pred: The same of what is predicted.
        axis: Where the classes are.
    """

    _direction = "up"
    # The arguments, without `name` and `dtype`.
    CONFIG: ClassVar[tuple[str, ...]] = (
        "num_classes", "target_class_ids", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis",
    )  # fmt: skip

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.num_classes = integer(self, "num_classes", num_classes, 1)
        take_room((self.num_classes, self.num_classes), self, "confusion matrix", beside=True)
        self.target_class_ids = self._classes(target_class_ids)
        owner = type(self).__name__
        self.ignore_class = None if ignore_class is None else whole(owner, "ignore_class", ignore_class)
        self.axis = whole(owner, "axis", axis)
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self._whole = "float" not in str(dtype)

    def _classes(self, chosen: Any) -> list[int]:
        known = range(self.num_classes)
        found = list(chosen) if isinstance(chosen, Iterable) else []
        if not found or not all(hasattr(at, "__index__") and at in known for at in found):
            raise ArgumentError(
                f"{type(self).__name__}: target_class_ids is {quote(chosen)}, expected classes from 0 to {known[-1]}."
            )
        return [int(at) for at in found]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {_MATRIX: (self.num_classes, self.num_classes)}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in.

        Args:
            y_true: Numbers of classes of any shape, or ones with an axis of classes.
            y_pred: The same, of what is predicted.
            sample_weight: What each counts: a number, or of the shape of the classes.

        Raises:
            ShapeError: The shapes do not fit.
        """
        predicted = torch.as_tensor(y_pred).detach()
        true = torch.as_tensor(y_true).detach().to(predicted.device)
        true = true if self.sparse_y_true else true.argmax(self.axis)
        predicted = predicted if self.sparse_y_pred else predicted.argmax(self.axis)
        true, predicted = self._numbers(true).reshape(-1), self._numbers(predicted).reshape(-1)
        if true.shape != predicted.shape:
            raise ShapeError(
                f"{type(self).__name__}: {counted(true.numel(), 'class is', 'classes are')} true and "
                f"{predicted.numel()} predicted; expected "
                "as many."
            )
        weight = self._weights(sample_weight, true)
        valid = (true >= 0) & (true < self.num_classes) & (predicted >= 0) & (predicted < self.num_classes)
        if self.ignore_class is not None:
            valid &= true != self.ignore_class
        matrix = self.add_state(_MATRIX, predicted, (self.num_classes, self.num_classes))
        cells = true.long() * self.num_classes + predicted.long()
        # What is out of bounds is counted nowhere, but as 0 in the first cell.
        matrix.view(-1).index_add_(0, torch.where(valid, cells, 0), torch.where(valid, weight.to(matrix.dtype), 0.0))

    def _numbers(self, values: Tensor) -> Tensor:
        return values.long() if self._whole or not values.is_floating_point() else values

    def _weights(self, sample_weight: Any, true: Tensor) -> Tensor:
        if sample_weight is None:
            return torch.ones(true.shape, device=true.device)
        weight = torch.as_tensor(sample_weight).detach().to(true.device)
        if self._whole and weight.is_floating_point():
            if bool((weight != weight.trunc()).any()):
                warnings.warn(
                    f"{type(self).__name__}: weights lose their fractions, as in Keras: give dtype='float32' to keep "
                    "them.",
                    stacklevel=4,
                )
            weight = weight.trunc()
        weight = weight.reshape(-1) if weight.ndim > 1 else weight
        try:
            return weight.broadcast_to(true.shape)
        except RuntimeError as error:
            raise ShapeError(
                f"{type(self).__name__}: {counted(weight.numel(), 'weight does', 'weights do')} not fit "
                f"{counted(true.numel(), 'class', 'classes')}."
            ) from error

    def result(self) -> Tensor:
        """The mean so far, over the classes that have been true or predicted; 0 before the first batch."""
        if not self._state:
            return torch.tensor(0.0)
        matrix = self._state[_MATRIX].detach()
        hits = matrix.diagonal()
        union = (matrix.sum(0) + matrix.sum(1) - hits)[self.target_class_ids]
        seen = union > 1e-9
        shares = torch.where(seen, hits[self.target_class_ids] / (union + EPSILON), 0.0)
        return shares.sum() / (seen.sum() + EPSILON)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self.CONFIG}}


class BinaryIoU(IoU):
    """The mean intersection over union of two classes, of which a threshold decides (`keras.metrics.BinaryIoU`).

    Args:
        target_class_ids: The classes that the mean is taken over: 0, 1, or both.
        threshold: From it on 1 is predicted.
        name: Its name in logs.
        dtype: See `IoU`.
    """

    CONFIG = ("target_class_ids", "threshold")

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = number(type(self).__name__, "threshold", threshold)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch in; see `IoU.update_state`. What is predicted is a share of class 1."""
        super().update_state(y_true, torch.as_tensor(y_pred).detach().float() >= self.threshold, sample_weight)


class MeanIoU(IoU):
    """The mean intersection over union of all classes (`keras.metrics.MeanIoU`).

    Args:
        num_classes: How many classes there are.
        name: The name in logs.
        dtype: That of the sums.
        ignore_class: A class whose labels do not count.
        sparse_y_true: Whether labels are numbers of classes, not one-hot.
        sparse_y_pred: Whether predictions are numbers of classes, not shares.
        axis: That of the classes, in what is not sparse.
    """

    CONFIG = ("num_classes", "ignore_class", "sparse_y_true", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, (), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def _classes(self, chosen: Any) -> list[int]:
        return list(range(self.num_classes))


class OneHotIoU(IoU):
    """`IoU` of one-hot labels, and of shares (`keras.metrics.OneHotIoU`).

    Args:
        num_classes: How many classes there are.
        target_class_ids: The classes of which the mean is taken.
        name: The name in logs.
        dtype: That of the sums.
        ignore_class: A class whose labels do not count.
        sparse_y_pred: Whether predictions are numbers of classes, not shares.
        axis: That of the classes, in what is not sparse.
    """

    CONFIG = ("num_classes", "target_class_ids", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of one-hot labels, and of shares (`keras.metrics.OneHotMeanIoU`).

    Args:
        num_classes: How many classes there are.
        name: The name in logs.
        dtype: That of the sums.
        ignore_class: A class whose labels do not count.
        sparse_y_pred: Whether predictions are numbers of classes, not shares.
        axis: That of the classes, in what is not sparse.
    """

    CONFIG = ("num_classes", "ignore_class", "sparse_y_pred", "axis")

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
