"""Losses beside live Keras: the means of older versions, by their formulas; names, configs, messages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from _close import FLOAT64, assert_close

import kerastorch as kt
from kerastorch import losses
from kerastorch.errors import ArgumentError, ShapeError, UnsupportedError

VALUES = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]], dtype=torch.float64)
MASK = torch.tensor([[1, 1, 0], [1, 0, 0]]).bool()
WEIGHT = torch.tensor([[1.0, 0.0, 3.0], [0.5, 2.0, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("masking", "weight", "expected"),
    [
        ("valid", None, (1 + 2 + 8) / 3),
        ("all", None, (1 + 2 + 8) / 6),
        ("weights", None, (1 + 2 + 8) / 3),
        ("valid", WEIGHT, (1 + 0 + 4) / 3),
        ("all", WEIGHT, (1 + 0 + 4) / 6),
        # The mean of the masked losses by weights, over the shares of what is not masked and of weights that are not 0.
        ("weights", WEIGHT, (1 + 0 + 4) / 6 / (3 / 6) / (5 / 6)),
    ],
)
def test_means_of_three_eras(masking: losses.loss.Masking, weight: torch.Tensor | None, expected: float) -> None:
    assert_close(losses.reduce(VALUES, weight, MASK, masking=masking), expected)


def test_old_weights_of_samples_average_over_steps() -> None:
    """Keras up to 2.2 takes the mean over the steps before it applies one weight to each sample."""
    found = losses.reduce(VALUES, torch.tensor([2.0, 0.0]), masking="weights")
    assert_close(found, (7 / 3 * 2 + 0) / 2 / 0.5)


def test_ones_own_losses() -> None:
    class Cubed(losses.Loss):
        def call(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
            return (y_true - y_pred).abs().pow(3).mean(-1)

    y_pred = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert float(Cubed()(torch.zeros(2, 2), y_pred)) == ((1 + 8) / 2 + (27 + 125) / 2) / 2
    assert float(Cubed(reduction="sum")(torch.zeros(2, 2), y_pred)) == (1 + 8) / 2 + (27 + 125) / 2
    assert Cubed().name == "cubed"
    wrapped = losses.FunctionLoss(lambda y_true, y_pred, power: (y_true - y_pred).abs().pow(power).mean(-1), power=3)
    assert float(wrapped(torch.zeros(2, 2), y_pred)) == float(Cubed()(torch.zeros(2, 2), y_pred))
    with pytest.raises(NotImplementedError, match="Loss must define call"):
        losses.Loss()(y_pred, y_pred)


def test_the_mask_comes_with_what_is_predicted() -> None:
    y_pred = torch.ones(2, 3, 1)
    y_pred._keras_mask = MASK  # type: ignore[attr-defined]
    y_true = VALUES[..., None].float()
    expected = losses.MeanSquaredError()(y_true, torch.ones(2, 3, 1), mask=MASK)
    assert float(losses.MeanSquaredError()(y_true, y_pred)) == float(expected)
    assert_close(expected, (0 + 1 + 49) / 3)


def test_it_trains() -> None:
    model = kt.Sequential([kt.Input((5, 3)), kt.layers.LSTM(4), kt.layers.Dense(2, activation="softmax")])
    optimizer = kt.optimizers.Adam(0.05, params=model)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 5, 3)).astype("float32"), rng.integers(0, 2, size=16)
    loss = losses.SparseCategoricalCrossentropy()
    seen = []
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(y, model(torch.from_numpy(x)))
        value.backward()
        optimizer.step()
        seen.append(float(value.detach()))
    assert seen[-1] < 0.5 * seen[0]


@pytest.mark.parametrize(
    "name", [name for name in losses.__all__ if name[0].isupper() and name not in ("Loss", "FunctionLoss")]
)
def test_configs(name: str) -> None:
    made = getattr(losses, name)(reduction="sum", name="mine")
    again = losses.deserialize(losses.serialize(made))
    assert type(again) is type(made)
    assert again.get_config() == made.get_config()
    assert again.reduction == "sum"


def test_functions_as_configs() -> None:
    assert losses.serialize(losses.huber) == "huber"
    assert losses.deserialize("huber") is losses.huber
    with pytest.raises(UnsupportedError, match="is not one of the built-in losses"):
        losses.serialize(lambda y_true, y_pred: y_pred)

    def own(y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
        return y_pred

    assert losses.deserialize("own", custom_objects={"own": own}) is own
    assert losses.get(None) is None
    assert losses.get(own) is own


def test_messages() -> None:
    with pytest.raises(ArgumentError, match="Unknown loss 'mean_square_error'; did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")
    with pytest.raises(ArgumentError, match="CategoricalGeneralizedCrossEntropy: q is 1, expected 0 < q < 1"):
        losses.CategoricalGeneralizedCrossEntropy(q=1)
    with pytest.raises(
        ShapeError, match=r"y_true has shape \(2, 1\), expected \(2,\): the number of a class for each row"
    ):
        losses.categorical_generalized_cross_entropy(torch.zeros(2, 1), torch.ones(2, 3), 0.5)
    with pytest.raises(ShapeError, match=r"dice: y_true has shape \(2,\), y_pred \(2, 3\); expected the same shape"):
        losses.dice(torch.zeros(2), torch.ones(2, 3))
    with pytest.raises(
        ShapeError, match=r"circle: y_pred has shape \(2, 3\), expected \(4, 3\): an embedding for each"
    ):
        losses.circle(torch.zeros(4), torch.ones(2, 3))
    with pytest.raises(ArgumentError, match="3 is no loss"):
        losses.get(3)
    with pytest.raises(ArgumentError, match="reduction is 'avg', expected one of 'sum_over_batch_size'"):
        losses.MeanSquaredError(reduction="avg")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="masking is 'old', expected 'valid', 'all' or 'weights'"):
        losses.MeanSquaredError(masking="old")
    with pytest.raises(ShapeError, match=r"y_true has shape \(3, 5\), y_pred \(3, 4\); expected the same shape"):
        losses.CategoricalCrossentropy()(torch.zeros(3, 5), torch.zeros(3, 4))
    with pytest.raises(ShapeError, match=r"y_true has shape \(3, 4\), expected \(3,\), that of y_pred \(3, 4\)"):
        losses.SparseCategoricalCrossentropy()(torch.zeros(3, 4), torch.zeros(3, 4))
    with pytest.raises(ShapeError, match=r"ctc: y_true has shape \(3,\)"):
        losses.CTC()(torch.zeros(3), torch.zeros(3, 4, 2))
    with pytest.raises(ShapeError, match=r"shape \(3,\) do not fit losses of shape \(3, 5\)"):
        losses.MeanSquaredError()(torch.zeros(3, 5, 2), torch.zeros(3, 5, 2), sample_weight=torch.ones(3))
    with pytest.raises(ArgumentError, match="axis is True, expected an integer"):
        losses.categorical_crossentropy(torch.zeros(3, 5), torch.zeros(3, 5), axis=True)


@pytest.mark.parametrize("cls", [losses.MeanSquaredError, losses.MeanAbsoluteError])
def test_the_mean_in_one_operation(cls: type[losses.Loss]) -> None:
    """It stands in for the mean of means where nothing weighs, and nowhere else."""
    draw = torch.Generator().manual_seed(4)
    y_true, y_pred = torch.randn(2, 6, 5, generator=draw, dtype=torch.float64)
    values = cls(reduction=None)(y_true, y_pred)
    assert values.shape == (6,)
    assert_close(cls()(y_true, y_pred), values.mean(), FLOAT64)
    assert_close(cls(reduction="sum")(y_true, y_pred), values.sum(), FLOAT64)
    assert_close(cls()(y_true[:, 0], y_pred[:, :1]), cls(reduction=None)(y_true[:, :1], y_pred[:, :1]).mean(), FLOAT64)
    counts = torch.arange(30).reshape(6, 5)
    assert_close(cls()(counts, y_pred), cls(reduction=None)(counts, y_pred).mean(), FLOAT64)
    assert float(cls()(y_true[:0], y_pred[:0])) == 0

    class Doubled(cls):  # type: ignore[misc, valid-type]
        def call(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
            return 2 * super().call(y_true, y_pred)

    assert_close(Doubled()(y_true, y_pred), 2 * values.mean(), FLOAT64)
