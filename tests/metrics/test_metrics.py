"""Metrics beside live Keras: names, own classes, state, messages."""

from __future__ import annotations

import pytest
import torch
from _close import assert_close

from kerastorch import losses, metrics
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

CLASSES = [name for name in metrics.__all__ if name[0].isupper() and name not in ("Metric", "MeanMetricWrapper")]


@pytest.mark.parametrize("name", CLASSES)
def test_configs_and_reset(name: str) -> None:
    made = getattr(metrics, name)(name="mine")
    again = metrics.deserialize(metrics.serialize(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    given = (torch.tensor([[0.25, 0.75]]),) * (1 if name in ("Mean", "Sum") else 2)
    if name.startswith("Sparse"):
        given = (torch.tensor([[1]]), torch.tensor([[0.25, 0.75]]))
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
    from kerastorch.losses import Dice
    from kerastorch.metrics import F1Score
    from kerastorch.optimizers import Lamb

    for absent, text in ((RemoteMonitor, "on_epoch_end"), (Dice, "Loss"), (F1Score, "Metric"), (Lamb, "AdamW")):
        with pytest.raises(UnsupportedError, match=text):
            absent()

    class Own(metrics.Metric):
        pass

    with pytest.raises(UnsupportedError, match="is not one of the built-in metrics"):
        metrics.serialize(Own())


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
