"""Data sets of one's own in `fit`: their order, their end, and what they are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset, TensorDataset

import kerastorch as kt

X, Y = np.random.default_rng(2).normal(size=(2, 12, 3)).astype("float32")


class Own(kt.utils.PyDataset):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []

    def __getitem__(self, at: int) -> Any:
        self.asked.append(at)
        return X[:4], Y[:4]

    def on_epoch_begin(self) -> None:
        self.asked.append("begin")

    def on_epoch_end(self) -> None:
        self.asked.append("end")


class Counted(Own):
    def __len__(self) -> int:
        return 5


class Endless(Own):
    @property
    def num_batches(self) -> None:
        return None


def _model() -> Any:
    kt.set_seed(1)
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(3)])
    model.compile("sgd", "mse")
    return model


def test_batches_come_in_a_new_order_for_each_epoch() -> None:
    orders = []
    for shuffle in (True, True, False):
        own = Counted()
        _model().fit(own, epochs=3, verbose=0, shuffle=shuffle)
        orders.append([own.asked[at : at + 7] for at in (0, 7, 14)])
    assert orders[0] == orders[1]  # the same seed
    assert orders[2] == [["begin", 0, 1, 2, 3, 4, "end"]] * 3
    first, second, third = orders[0]
    assert first != second != third
    for order in orders[0]:
        assert (order[0], sorted(order[1:-1]), order[-1]) == ("begin", [0, 1, 2, 3, 4], "end")
    own = Counted()
    _model().evaluate(own, verbose=0)
    assert own.asked == ["begin", 0, 1, 2, 3, 4, "end"]


def test_one_without_an_end_goes_on() -> None:
    own = Endless()
    model = _model()
    model.fit(own, epochs=2, steps_per_epoch=2, verbose=0)
    assert own.asked == ["begin", 0, 1, "end", "begin", 2, 3, "end"]
    assert model.evaluate(own, steps=2, verbose=0) > 0
    assert [at for at, _ in zip(range(3), own, strict=False)] == [0, 1, 2]


def test_one_without_a_length() -> None:
    with pytest.raises(NotImplementedError, match="Own must define __len__, or the property num_batches"):
        _model().fit(Own(), verbose=0)


class Samples(Dataset):  # type: ignore[type-arg]
    """Rows by their number, with two inputs in a dict."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, at: int) -> Any:
        return {"first": X[at], "second": X[at, :2]}, Y[at]


def test_samples_of_torch() -> None:
    """A data set of torch gives samples, and `fit`, `evaluate` and `predict` put them into batches."""
    rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    expected, found = _model(), _model()
    history = expected.fit(X, Y, batch_size=5, epochs=2, verbose=0, shuffle=False, validation_data=(X[:7], Y[:7]))
    held = Subset(rows, range(7))
    mine = found.fit(rows, batch_size=5, epochs=2, verbose=0, shuffle=False, validation_data=held)
    assert mine.history == history.history
    assert found.evaluate(rows, verbose=0) == expected.evaluate(X, Y, verbose=0)
    assert np.array_equal(found.predict(rows, 5, verbose=0), expected.predict(X, 5, verbose=0))
    shuffled = [_model().fit(rows, batch_size=5, verbose=0).history for _ in range(2)]
    assert shuffled[0] == shuffled[1] != _model().fit(rows, batch_size=5, verbose=0, shuffle=False).history
    with pytest.raises(kt.errors.ArgumentError, match="'TensorDataset' makes whole batches: leave y out"):
        found.fit(rows, Y)
    first, second = kt.Input((3,), name="first"), kt.Input((2,), name="second")
    named = kt.Model([first, second], kt.layers.Dense(3)(kt.layers.Concatenate()([first, second])))
    named.compile("sgd", "mse")
    named.fit(Samples(), batch_size=12, shuffle=False, verbose=0)
    assert named.predict(Samples(), verbose=0).shape == Y.shape


class Table:
    """What `fit` asks of a table or a column of pandas 3, which hands out numbers that may not be written to."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape = values, values.shape

    def to_numpy(self) -> np.ndarray:
        view = self.values[:]
        view.flags.writeable = False
        return view

    def __getitem__(self, column: Any) -> Any:
        raise KeyError(column)  # not rows


def test_tables() -> None:
    """As the arrays of their values; pandas 3.1.1 was tried by hand, with DataFrames and Series of many dtypes."""
    x, y, weight = X.astype("float64"), Y[:, 0].astype("float64"), np.arange(12.0)
    found = []
    for of in (np.asarray, Table):
        kt.set_seed(1)
        model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(1)])
        model.compile("sgd", "mse", weighted_metrics=["mae"])
        held = (of(x[:5]), of(y[:5]), of(weight[:5]))
        fitted = model.fit(of(x), of(y), 5, 2, 0, sample_weight=of(weight), validation_data=held)
        split = model.fit(of(x), of(y), 5, 1, 0, validation_split=0.25)
        asked = model.evaluate(of(x), of(y), verbose=0), model.train_on_batch(of(x), of(y))
        found.append((fitted.history, split.history, asked, model.predict(of(x), verbose=0).tolist()))
    assert found[0] == found[1]
    with pytest.raises(
        kt.errors.ArgumentError, match="expected a table of numbers, got a 'Table' whose values have no"
    ):
        model.fit(Table(x.astype(object)), y)
