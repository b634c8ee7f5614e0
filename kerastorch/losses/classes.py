"""Keras's losses as classes: their arguments and their defaults. What they compute stands in `functions.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from ..arguments import number, whole
from ..errors import ArgumentError, quote
from . import functions, sets
from .loss import FunctionLoss, Reduction

_MEAN: Reduction = "sum_over_batch_size"


class _Plain(FunctionLoss):
    """A loss whose function takes no further arguments; it is called like its function."""

    FUNCTION: ClassVar[Callable[..., Tensor]]

    def __init__(self, reduction: Reduction = _MEAN, name: str | None = None, dtype: Any = None, **more: Any) -> None:
        super().__init__(type(self).FUNCTION, reduction, name, dtype, **more)


class MeanSquaredError(_Plain):
    """`keras.losses.MeanSquaredError`; see `mean_squared_error`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.mean_squared_error)


class MeanAbsoluteError(_Plain):
    """`keras.losses.MeanAbsoluteError`; see `mean_absolute_error`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.mean_absolute_error)


class MeanAbsolutePercentageError(_Plain):
    """`keras.losses.MeanAbsolutePercentageError`; see `mean_absolute_percentage_error` and `Loss`."""

    FUNCTION = staticmethod(functions.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Plain):
    """`keras.losses.MeanSquaredLogarithmicError`; see `mean_squared_logarithmic_error` and `Loss`."""

    FUNCTION = staticmethod(functions.mean_squared_logarithmic_error)


class CosineSimilarity(FunctionLoss):
    """`keras.losses.CosineSimilarity`; see `cosine_similarity`, and `Loss` for the arguments."""

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = _MEAN,
        name: str = "cosine_similarity",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        super().__init__(functions.cosine_similarity, reduction, name, dtype, axis=axis, **more)


class Huber(FunctionLoss):
    """`keras.losses.Huber`; see `huber`, and `Loss` for the arguments."""

    def __init__(
        self, delta: float = 1.0, reduction: Reduction = _MEAN, name: str = "huber_loss", dtype: Any = None, **more: Any
    ) -> None:
        super().__init__(functions.huber, reduction, name, dtype, delta=delta, **more)


class LogCosh(_Plain):
    """`keras.losses.LogCosh`; see `log_cosh`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.log_cosh)


class Hinge(_Plain):
    """`keras.losses.Hinge`; see `hinge`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.hinge)


class SquaredHinge(_Plain):
    """`keras.losses.SquaredHinge`; see `squared_hinge`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.squared_hinge)


class CategoricalHinge(_Plain):
    """`keras.losses.CategoricalHinge`; see `categorical_hinge`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.categorical_hinge)


class KLDivergence(_Plain):
    """`keras.losses.KLDivergence`; see `kl_divergence`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.kl_divergence)


class Poisson(_Plain):
    """`keras.losses.Poisson`; see `poisson`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.poisson)


class BinaryCrossentropy(FunctionLoss):
    """`keras.losses.BinaryCrossentropy`; see `binary_crossentropy`, and `Loss` for the arguments."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = _MEAN,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        own = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(functions.binary_crossentropy, reduction, name, dtype, **own, **more)


class BinaryFocalCrossentropy(FunctionLoss):
    """`keras.losses.BinaryFocalCrossentropy`; see `binary_focal_crossentropy`, and `Loss` for the arguments."""

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = _MEAN,
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        own = {
            "apply_class_balancing": apply_class_balancing,
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
        }
        super().__init__(functions.binary_focal_crossentropy, reduction, name, dtype, **own, **more)


class CategoricalCrossentropy(FunctionLoss):
    """`keras.losses.CategoricalCrossentropy`; see `categorical_crossentropy`, and `Loss` for the arguments."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = _MEAN,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        own = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(functions.categorical_crossentropy, reduction, name, dtype, **own, **more)


class CategoricalFocalCrossentropy(FunctionLoss):
    """`keras.losses.CategoricalFocalCrossentropy`; see `categorical_focal_crossentropy`, and `Loss`."""

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = _MEAN,
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        own = {
            "alpha": alpha,
            "gamma": gamma,
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
        }
        super().__init__(functions.categorical_focal_crossentropy, reduction, name, dtype, **own, **more)


class SparseCategoricalCrossentropy(FunctionLoss):
    """`keras.losses.SparseCategoricalCrossentropy`; see `sparse_categorical_crossentropy`, and `Loss`.

    Labels of `ignore_class` are left out of the mean.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction = _MEAN,
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        axis = whole(type(self).__name__, "axis", axis)
        own = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(functions.sparse_categorical_crossentropy, reduction, name, dtype, **own, **more)

    def _masked(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor | None]:
        losses, ignored = self.call(y_true, y_pred), self.arguments["ignore_class"]
        return losses, None if ignored is None else (y_true != ignored).reshape(losses.shape)


class CTC(_Plain):
    """`keras.losses.CTC`; see `ctc`, and `Loss` for the arguments."""

    FUNCTION = staticmethod(functions.ctc)


class CategoricalGeneralizedCrossEntropy(FunctionLoss):
    """`keras.losses.CategoricalGeneralizedCrossEntropy`; see `categorical_generalized_cross_entropy` and `Loss`."""

    def __init__(
        self,
        q: float = 0.5,
        reduction: Reduction = _MEAN,
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        if not 0 < number(type(self).__name__, "q", q) < 1:
            raise ArgumentError(f"CategoricalGeneralizedCrossEntropy: q is {quote(q)}, expected 0 < q < 1.")
        super().__init__(functions.categorical_generalized_cross_entropy, reduction, name, dtype, q=q, **more)


class Dice(FunctionLoss):
    """`keras.losses.Dice`; see `dice`, and `Loss` for the arguments."""

    def __init__(
        self, reduction: Reduction = _MEAN, name: str = "dice", axis: Any = None, dtype: Any = None, **more: Any
    ) -> None:
        super().__init__(sets.dice, reduction, name, dtype, axis=axis, **more)


class Tversky(FunctionLoss):
    """`keras.losses.Tversky`; see `tversky`, and `Loss` for the arguments."""

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Reduction = _MEAN,
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
        **more: Any,
    ) -> None:
        super().__init__(sets.tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis, **more)


class Circle(FunctionLoss):
    """`keras.losses.Circle`; see `circle`, and `Loss` for the arguments.

    Samples that have no other of their label in the batch, and those whose loss is 0, are left out of the mean.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: Reduction = _MEAN,
        name: str = "circle",
        dtype: Any = None,
        **more: Any,
    ) -> None:
        own = {"gamma": gamma, "margin": margin, "remove_diagonal": remove_diagonal}
        super().__init__(sets.circle, reduction, name, dtype, **own, **more)

    def _masked(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor | None]:
        losses = self.call(y_true, y_pred)
        return losses, losses.detach() > 0
