"""Keras's losses with Keras's arithmetic: weights of samples, masks, and what a mean is taken over.

`torch.nn` has losses of nearly the same names that take other shapes, want logits where Keras takes probabilities, and
know no masks. These work in any loop in torch:

    loss = kt.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss(y_true, model(x), sample_weight=weights, mask=mask).backward()

`functions.py` has what each computes of a sample; `loss.py` how one number comes of them, in the three ways that Keras
had over the years; `classes.py` the classes with their arguments. Nothing here knows a layer or a model.
"""

from typing import TYPE_CHECKING
from typing import Any as _Any

from ..namespaces import Namespace as _Namespace
from .classes import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from .functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    ctc,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from .loss import FunctionLoss, Loss, reduce
from .registry import ABSENT as _ABSENT
from .registry import deserialize, get, serialize

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "reduce",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]


_namespace = _Namespace(__name__, globals(), absent=_ABSENT)


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> _Any:
        return _namespace.get(name)


def __dir__() -> list[str]:
    return sorted(__all__)
