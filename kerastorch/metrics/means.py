"""Means of losses and accuracies under Keras's names, and the root of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..arguments import whole
from ..losses import functions as losses
from ..losses.aligning import fitting, same_rank, widened_floats
from . import functions
from .metric import MeanMetricWrapper


class Named(MeanMetricWrapper):
    """A mean whose function and name belong to the class; its arguments are those of the function.

    Args:
        name: Its name in logs.
        dtype: See `Metric`.
        **arguments: Of the function.
    """

    FUNCTION: ClassVar[Callable[..., Tensor]]
    NAME: ClassVar[str]
    _direction = "down"

    def __init__(self, name: str | None = None, dtype: Any = None, **arguments: Any) -> None:
        super().__init__(type(self).FUNCTION, name or self.NAME, dtype, **arguments)


class Accuracy(Named):
    """How often what is predicted equals what is true."""

    FUNCTION = staticmethod(functions.accuracy)
    NAME = "accuracy"
    _direction = "up"


class BinaryAccuracy(Named):
    """How often a probability is on the right side of the threshold.

    Args:
        name: Its name in logs.
        dtype: See `Metric`.
        threshold: Above it counts as 1.
    """

    FUNCTION = staticmethod(functions.binary_accuracy)
    NAME = "binary_accuracy"
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype, threshold=threshold)


class CategoricalAccuracy(Named):
    """How often the largest class is that of a one-hot label."""

    FUNCTION = staticmethod(functions.categorical_accuracy)
    NAME = "categorical_accuracy"
    _direction = "up"


class SparseCategoricalAccuracy(Named):
    """How often the largest class is the label."""

    FUNCTION = staticmethod(functions.sparse_categorical_accuracy)
    NAME = "sparse_categorical_accuracy"
    _direction = "up"


class TopKCategoricalAccuracy(Named):
    """How often the class of a one-hot label is among the `k` largest."""

    _direction = "up"
    FUNCTION = staticmethod(functions.top_k_categorical_accuracy)
    NAME = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype, k=k)


class SparseTopKCategoricalAccuracy(Named):
    """How often the label is among the `k` largest classes.

    Args:
        k: How many classes count.
        name: Its name in logs.
        dtype: See `Metric`.
        from_sorted_ids: What is predicted are the numbers of classes, the best one first, and not a score of each.
    """

    _direction = "up"
    FUNCTION = staticmethod(functions.sparse_top_k_categorical_accuracy)
    NAME = "sparse_top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None, from_sorted_ids: bool = False) -> None:
        super().__init__(name, dtype, k=k, from_sorted_ids=from_sorted_ids)

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values; `from_sorted_ids` where it is set, as older Keras does not know it."""
        config = super().get_config()
        return config if config["from_sorted_ids"] else {k: v for k, v in config.items() if k != "from_sorted_ids"}


class MeanSquaredError(Named):
    """The mean of the squared errors."""

    FUNCTION = staticmethod(losses.mean_squared_error)
    NAME = "mean_squared_error"


class MeanAbsoluteError(Named):
    """The mean of the absolute errors."""

    FUNCTION = staticmethod(losses.mean_absolute_error)
    NAME = "mean_absolute_error"


class MeanAbsolutePercentageError(Named):
    """100 times the mean of the errors relative to what is true."""

    FUNCTION = staticmethod(losses.mean_absolute_percentage_error)
    NAME = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(Named):
    """The mean of the squared differences of logarithms."""

    FUNCTION = staticmethod(losses.mean_squared_logarithmic_error)
    NAME = "mean_squared_logarithmic_error"


def _cosine(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    return -losses.cosine_similarity(y_true, y_pred, axis)


class _AlongAxis(Named):
    _direction = "up"

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype, axis=axis)


class CosineSimilarity(_AlongAxis):
    """The mean cosine of the angles: 1 for the same direction. The loss of this name has the other sign."""

    FUNCTION = staticmethod(_cosine)
    NAME = "cosine_similarity"


class PearsonCorrelation(_AlongAxis):
    """The mean correlation of what is true and what is predicted, along an axis."""

    FUNCTION = staticmethod(functions.pearson_correlation)
    NAME = "pearson_correlation"


class ConcordanceCorrelation(_AlongAxis):
    """The mean concordance correlation of what is true and what is predicted, along an axis."""

    FUNCTION = staticmethod(functions.concordance_correlation)
    NAME = "concordance_correlation"


class LogCoshError(Named):
    """The mean of the logarithms of the hyperbolic cosine of the errors."""

    FUNCTION = staticmethod(losses.log_cosh)
    NAME = "logcosh"


class KLDivergence(Named):
    """The mean Kullback-Leibler divergence."""

    FUNCTION = staticmethod(losses.kl_divergence)
    NAME = "kl_divergence"


class Poisson(Named):
    """The mean Poisson loss."""

    FUNCTION = staticmethod(losses.poisson)
    NAME = "poisson"


class Hinge(Named):
    """The mean hinge loss."""

    FUNCTION = staticmethod(losses.hinge)
    NAME = "hinge"


class SquaredHinge(Named):
    """The mean squared hinge loss."""

    FUNCTION = staticmethod(losses.squared_hinge)
    NAME = "squared_hinge"


class CategoricalHinge(Named):
    """The mean categorical hinge loss."""

    FUNCTION = staticmethod(losses.categorical_hinge)
    NAME = "categorical_hinge"


class _Crossentropy(Named):
    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        given = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(name, dtype, **given, **({"axis": axis} if axis != -1 else {}))


class BinaryCrossentropy(_Crossentropy):
    """The mean binary cross entropy."""

    FUNCTION = staticmethod(losses.binary_crossentropy)
    NAME = "binary_crossentropy"


class CategoricalCrossentropy(_Crossentropy):
    """The mean cross entropy of one-hot labels."""

    FUNCTION = staticmethod(losses.categorical_crossentropy)
    NAME = "categorical_crossentropy"


class SparseCategoricalCrossentropy(Named):
    """The mean cross entropy of labels that are numbers of classes.

    Args:
        name: Its name in logs.
        dtype: See `Metric`.
        from_logits: What is predicted are logits.
        ignore_class: Labels of this class count as 0, and in the mean as every other.
        axis: Where the classes are.
    """

    FUNCTION = staticmethod(losses.sparse_categorical_crossentropy)
    NAME = "sparse_categorical_crossentropy"

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        axis = whole(type(self).__name__, "axis", axis)
        super().__init__(name, dtype, from_logits=from_logits, ignore_class=ignore_class, axis=axis)


class RootMeanSquaredError(Named):
    """The root of the mean of all squared errors."""

    NAME = "root_mean_squared_error"
    FUNCTION = staticmethod(losses.mean_squared_error)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None, mask: Any = None) -> None:
        """Take a batch in; see `MeanMetricWrapper.update_state`. Masks count for nothing here, as in Keras."""
        y_pred = widened_floats(y_pred).detach()
        y_true, y_pred = fitting(*same_rank(torch.as_tensor(y_true).to(y_pred), y_pred))
        super(MeanMetricWrapper, self).update_state((y_true - y_pred).square(), sample_weight)

    def result(self) -> Tensor:
        """The root so far."""
        return super().result().sqrt()
