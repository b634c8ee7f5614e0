"""Losses and metrics of two arrays that do not fit each other: one class of error, which is a ValueError."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from kerastorch import losses, metrics
from kerastorch.errors import ShapeError

RNG = np.random.default_rng(0)
LOSSES = [
    value
    for name, value in sorted(vars(losses).items())
    if isinstance(value, type) and issubclass(value, losses.Loss) and name not in ("Loss", "FunctionLoss", "CTC")
]
SHAPES = [((3, 5), (2, 4)), ((3,), (2, 4)), ((3, 5), (2, 5)), ((3, 4, 5), (3, 5))]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": 2},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}
METRICS = [
    value
    for name, value in sorted((name, getattr(metrics, name)) for name in dir(metrics))
    if isinstance(value, type) and issubclass(value, metrics.Metric) and name not in ("Metric", "Mean", "Sum")
    if name != "MeanMetricWrapper"
]


def arrays(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> list[np.ndarray]:
    return [RNG.uniform(0.1, 0.9, shape).astype("float32") for shape in shapes]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_losses(loss: Any) -> None:
    for shapes in SHAPES:
        with pytest.raises(ShapeError) as caught:
            loss()(*arrays(shapes))
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
def test_metrics(metric: Any) -> None:
    for shapes in SHAPES:
        made = metric(**ARGUMENTS.get(metric.__name__, {}))
        with contextlib.suppress(ShapeError):  # some are of regions: they take any number of classes
            made.update_state(*arrays(shapes))
            made.result()


def test_what_is_said() -> None:
    with pytest.raises(
        ShapeError, match=r"y_true has shape \(3, 5\), y_pred \(2, 4\); expected the same shape, or sizes"
    ):
        losses.mean_squared_error(*arrays(((3, 5), (2, 4))))
    assert losses.mean_squared_error(*arrays(((3, 1, 5), (2, 5)))).shape == (3, 2)


def test_a_label_that_is_none_of_the_classes_is_a_miss() -> None:
    predicted = np.array([[0.1, 0.9], [0.8, 0.2]], "float32")
    assert metrics.sparse_top_k_categorical_accuracy(np.array([2, 0]), predicted, k=2).tolist() == [0.0, 1.0]
    assert metrics.top_k_categorical_accuracy(np.eye(3)[[2, 0]], predicted, k=2).tolist() == [0.0, 1.0]
