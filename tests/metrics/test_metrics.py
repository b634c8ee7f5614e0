"""Metrics beside live Keras: names, own classes, state, messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from _close import assert_close

from kerastorch import losses, metrics
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

CLASSES = [name for name in metrics.__all__ if name[0].isupper() and name not in ("Metric", "MeanMetricWrapper")]


# What a metric cannot be made without, and what makes one number of F-scores.
NEEDED: dict[str, dict[str, object]] = {
    "IoU": {"num_classes": 2, "target_class_ids": [0, 1]},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotMeanIoU": {"num_classes": 2},
    "PrecisionAtRecall": {"recall": 0.25},
    "RecallAtPrecision": {"precision": 0.25},
    "SensitivityAtSpecificity": {"specificity": 0.25},
    "SpecificityAtSensitivity": {"sensitivity": 0.25},
    "F1Score": {"average": "macro"},
    "FBetaScore": {"average": "micro", "beta": 2.0},
}


@pytest.mark.parametrize("name", CLASSES)
def test_configs_and_reset(name: str) -> None:
    made = getattr(metrics, name)(name="mine", **NEEDED.get(name, {}))
    again = metrics.deserialize(metrics.serialize(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    given = (torch.tensor([[0.25, 0.75]]),) * (1 if name in ("Mean", "Sum") else 2)
    if name.startswith("Sparse"):
        given = (torch.tensor([[1]]), torch.tensor([[0.25, 0.75]]))
    if name in ("R2Score", "PearsonCorrelation", "ConcordanceCorrelation"):  # of one row there is no variance
        given = (torch.tensor([[0.25, 0.75], [0.5, 0.125]]), torch.tensor([[0.5, 0.75], [0.625, 0.25]]))
    first = float(made(*given))
    made.update_state(*given)
    made.reset_state()
    assert float(made.result()) == 0.0
    assert float(made(*given)) == first


def test_names_and_functions() -> None:
    assert type(metrics.get("accuracy")) is metrics.Accuracy
    assert metrics.get("mse").name == "mean_squared_error"
    assert metrics.get(metrics.Recall).name == "recall"
    assert metrics.get("huber").name == "huber"
    kept = metrics.AUC(name="area")
    assert metrics.get(kept) is kept

    def distance(y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
        return (y_true - y_pred).abs().sum(-1)

    mine = metrics.get(distance)
    assert mine.name == "distance"
    assert float(mine(torch.zeros(2, 2), torch.tensor([[1.0, 2.0], [3.0, 5.0]]))) == 5.5
    loss = metrics.MeanMetricWrapper(losses.MeanSquaredError(reduction="none"))
    assert float(loss(torch.zeros(2, 2), torch.tensor([[1.0, 3.0], [1.0, 1.0]]))) == 3.0


def test_ones_own_metric() -> None:
    class Largest(metrics.Metric):
        def update_state(self, y_true: torch.Tensor, y_pred: torch.Tensor, sample_weight: object = None) -> None:
            state = self.add_state("largest", y_pred)
            torch.maximum(state, (y_true - y_pred).abs().max().to(state), out=state)

        def result(self) -> torch.Tensor:
            return self._state["largest"]

    metric = Largest()
    assert metric.name == "largest"
    metric.update_state(torch.zeros(3), torch.tensor([1.0, -4.0, 2.0]))
    assert float(metric(torch.zeros(1), torch.ones(1))) == 4.0
    with pytest.raises(NotImplementedError, match="Metric must define result"):
        metrics.Metric().result()


def test_labels_may_be_true_and_false() -> None:
    y_true = torch.tensor([[True, False], [False, True], [False, True]])
    y_pred = torch.tensor([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75]])
    for name in ("categorical_accuracy", "binary_accuracy"):
        assert_close(metrics.get(name)(y_true, y_pred), 2 / 3)
    assert_close(metrics.TopKCategoricalAccuracy(k=1)(y_true, y_pred), 2 / 3)


def test_what_is_masked_does_not_count() -> None:
    y_pred = torch.tensor([[0.9, 0.1, 0.9], [0.9, 0.9, 0.9]])[..., None]
    y_pred._keras_mask = torch.tensor([[True, True, False], [True, False, False]])  # type: ignore[attr-defined]
    metric = metrics.BinaryAccuracy()
    metric.update_state(torch.ones(2, 3, 1), y_pred)
    assert_close(metric.result(), 2 / 3)


def test_names_that_are_not_here_say_what_to_use() -> None:
    from kerastorch.callbacks import RemoteMonitor
    from kerastorch.optimizers import MultiOptimizer

    for absent, text in ((RemoteMonitor, "on_epoch_end"), (MultiOptimizer, "for several rates give groups")):
        with pytest.raises(UnsupportedError, match=text):
            absent()

    class Own(metrics.Metric):
        pass

    with pytest.raises(UnsupportedError, match="is not one of the built-in metrics"):
        metrics.serialize(Own())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: metrics.Precision(top_k=0), "Precision: top_k is 0, expected an integer of at least 1"),
        (lambda: metrics.Recall(class_id=-1), "Recall: class_id is -1, expected an integer of at least 0"),
        (lambda: metrics.PrecisionAtRecall(1.5), "PrecisionAtRecall: recall is 1.5, expected a number from 0 to 1"),
        (lambda: metrics.RecallAtPrecision(0.5, 0), "num_thresholds is 0, expected an integer of at least 1"),
        (lambda: metrics.AUC(num_labels=3), "AUC: num_labels is 3, and multi_label is not True"),
        (lambda: metrics.AUC(curve="RCO"), "AUC: curve is 'RCO', expected one of 'ROC', 'PR', 'PRGAIN'"),
        (lambda: metrics.F1Score("mean"), "F1Score: average is 'mean', expected None, 'micro', 'macro' or 'weighted'"),
        (lambda: metrics.FBetaScore(beta=2), "FBetaScore: beta is 2, expected a float > 0"),
        (lambda: metrics.F1Score(threshold=0.0), "threshold is 0.0, expected None or a float > 0 and <= 1"),
        (lambda: metrics.R2Score("mean"), "R2Score: class_aggregation is 'mean', expected None, 'uniform_average' or"),
        (
            lambda: metrics.R2Score(num_regressors=-1),
            "num_regressors is -1, expected an integer of at least 0",
        ),
        (lambda: metrics.MeanIoU(0), "MeanIoU: num_classes is 0, expected an integer of at least 1"),
        (lambda: metrics.IoU(2, [2]), r"IoU: target_class_ids is \[2\], expected classes from 0 to 1"),
        (lambda: metrics.AUC("a"), "AUC: num_thresholds is 'a', expected an integer of at least 2"),
        (lambda: metrics.AUC(2.5), "AUC: num_thresholds is 2.5, expected an integer of at least 2"),
        (
            lambda: metrics.R2Score(num_regressors="a"),
            "R2Score: num_regressors is 'a', expected an integer of at least 0",
        ),
        (lambda: metrics.OneHotMeanIoU(2.5), "OneHotMeanIoU: num_classes is 2.5, expected an integer of at least 1"),
        (lambda: metrics.IoU(2, ["a"]), r"IoU: target_class_ids is \['a'\], expected classes from 0 to 1"),
        (lambda: metrics.IoU(2, [0.5]), r"IoU: target_class_ids is \[0.5\], expected classes from 0 to 1"),
        (lambda: metrics.BinaryIoU(1), "BinaryIoU: target_class_ids is 1, expected classes from 0 to 1"),
    ],
)
def test_arguments_that_are_refused(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        make()


@pytest.mark.parametrize(
    ("metric", "given", "text"),
    [
        (metrics.Precision(class_id=2), ((3,), (3,)), r"y_pred has shape \(3,\), expected \(batch, classes\)"),
        (metrics.Precision(top_k=4), ((2, 3), (2, 3)), "top_k is 4, and y_pred has 3 classes"),
        (metrics.Recall(class_id=3), ((2, 3), (2, 3)), "class_id is 3, and y_pred has 3 classes"),
        (metrics.Recall(), ((2, 3), (2, 3), (4,)), r"weights of shape \(4, 1\) do not fit predictions of shape"),
        (metrics.AUC(multi_label=True), ((4,), (4,)), r"y_pred has shape \(4,\), expected \(batch, labels\)"),
        (metrics.AUC(multi_label=True, num_labels=2), ((4, 3), (4, 3)), r"expected \(batch, 2\)"),
        (metrics.AUC(label_weights=[1, 2]), ((4, 3), (4, 3)), r"label_weights has shape \(2,\), expected \(3,\)"),
        (metrics.F1Score(), ((3,), (3,)), r"F1Score: y_true has shape \(3,\), y_pred \(3,\); expected the same shape"),
        (metrics.R2Score(), ((3, 2), (3, 2), (2,)), r"R2Score: weights of shape \(2, 1\) do not fit predictions"),
        (metrics.MeanIoU(2), ((3,), (4,)), "MeanIoU: 3 classes are true and 4 predicted; expected as many"),
        (metrics.MeanIoU(2), ((3,), (3,), (2,)), "MeanIoU: 2 weights do not fit 3 classes"),
    ],
)
def test_shapes_that_are_refused(metric: metrics.Metric, given: tuple[tuple[int, ...], ...], text: str) -> None:
    with pytest.raises(ShapeError, match=text):
        metric.update_state(*map(torch.ones, given))
    assert not any(item.numpy().any() for item in metric.variables)  # nothing was taken in


def test_a_score_that_cannot_be_adjusted() -> None:
    metric = metrics.R2Score(num_regressors=4)
    metric.update_state(torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[1.5, 2.0], [3.0, 4.0]]))
    with pytest.warns(UserWarning, match="4 regressors are too many for 4 values"):
        assert_close(metric.result(), 0.5 * (1 - 0.25 / 2) + 0.5 * (1 - 1 / 4.5))


def test_messages() -> None:
    with pytest.raises(ArgumentError, match="Unknown metric 'binary_acuracy'; did you mean 'binary_accuracy'"):
        metrics.get("binary_acuracy")
    with pytest.raises(ArgumentError, match="3 is no metric"):
        metrics.get(3)
    with pytest.raises(UnsupportedError, match="Unknown metric 'Own'; known: AUC"):
        metrics.get({"class_name": "Own"})
    with pytest.raises(ArgumentError, match="Precision: a threshold is 2, expected a number from 0 to 1"):
        metrics.Precision(thresholds=2)
    with pytest.raises(ArgumentError, match="AUC: curve is 'ABC', expected one of 'ROC', 'PR'"):
        metrics.AUC(curve="abc")
    with pytest.raises(ArgumentError, match="num_thresholds is 1, expected an integer of at least 2"):
        metrics.AUC(num_thresholds=1)
    with pytest.raises(ShapeError, match=r"Recall: y_true has shape \(2, 3\), y_pred \(2, 4\)"):
        metrics.Recall().update_state(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ShapeError, match=r"Weights of shape \(3,\) do not fit values of shape \(2,\)"):
        metrics.Mean().update_state(torch.zeros(2), sample_weight=torch.ones(3))


def test_given_thresholds_need_no_count() -> None:
    count: Any = None
    made = metrics.AUC(count, thresholds=[0.6, 0.3])
    assert made.get_config()["num_thresholds"] == 4
    assert made.get_config()["thresholds"] == [0.3, 0.6]


@pytest.mark.parametrize(
    ("name", "labels", "predicted"),
    [
        ("SparseTopKCategoricalAccuracy", (1, 2), (1, 2)),
        ("SparseTopKCategoricalAccuracy", (2, 3), (2, 4)),
        ("SparseTopKCategoricalAccuracy", (2,), (3, 4)),
        ("SparseTopKCategoricalAccuracy", (3,), (3, 2, 2)),
        ("TopKCategoricalAccuracy", (2,), (2, 4)),
        ("TopKCategoricalAccuracy", (2, 3), (2, 3, 4)),
    ],
)
def test_labels_of_something_else(name: str, labels: tuple[int, ...], predicted: tuple[int, ...]) -> None:
    """It was torch's RuntimeError about an index."""
    with pytest.raises(ShapeError, match=r"top_k_categorical_accuracy: the labels have the shape .*, expected "):
        getattr(metrics, name)(k=2)(np.zeros(labels), np.ones(predicted))


def test_one_label_for_all() -> None:
    """As in Keras."""
    predicted = np.random.default_rng(0).random((2, 3, 4)).astype("float32")
    expected = np.mean(np.argsort(-predicted, axis=-1)[..., :2] == 1) * 2
    assert_close(metrics.SparseTopKCategoricalAccuracy(k=2)([1], predicted), expected)
