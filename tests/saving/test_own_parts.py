"""Layers that write and read their part of a file themselves: whole models, and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import MismatchError, SaveError, UnsupportedFileError


class Table(layers.Layer):
    """Keeps an array that is no variable, and a weight under a name of its own."""

    table: Any = None

    def build(self, input_shape: Any) -> None:
        self.w = self.add_weight(shape=(input_shape[-1],), name="w")

    def call(self, x: Any) -> Any:
        return x * self.w

    def save_own_variables(self, store: Any) -> None:
        store["weight"] = self.w
        store["table"] = np.arange(3, dtype="int64") if self.table is None else self.table

    def load_own_variables(self, store: Any) -> None:
        self.table = store["table"]
        self.w.assign(store["weight"])


def wanting(self: Any, store: Any) -> None:
    self.w.assign(store["weight"])
    self.w.assign(store["nothing"])


# The places in a file go by the class's name.
BROKEN = type("Table", (Table,), {"load_own_variables": wanting})
NAIVE = type("Table", (Table,), {"load_own_variables": layers.Layer.load_own_variables})


def model_of(cls: Any) -> kt.Sequential:
    return kt.Sequential([kt.Input((3,)), cls(name="own"), layers.Dense(2, name="dense")])


def test_a_whole_model(tmp_path: Path) -> None:
    model = model_of(Table)
    model.layers[0].table = np.array([[2, 3]], "int16")
    report = model.save(tmp_path / "m.keras")
    assert report.arrays == 4
    again = kt.load_model(tmp_path / "m.keras", custom_objects={"Table": Table})
    np.testing.assert_array_equal(again.layers[0].table, [[2, 3]])
    assert again.layers[0].table.dtype == np.int16
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


class Around(layers.Layer):
    """A layer around such a layer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inside, self.dense = Table(), layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(self.inside(x))


def test_inside_of_another_layer(tmp_path: Path) -> None:
    model = model_of(Around)
    model.layers[0].inside.table = np.ones(1)
    model.save(tmp_path / "m.keras")
    again = kt.load_model(tmp_path / "m.keras", custom_objects={"Around": Around})
    np.testing.assert_array_equal(again.layers[0].inside.table, [1.0])
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_method_that_fails_changes_nothing(tmp_path: Path) -> None:
    model_of(Table).save_weights(tmp_path / "m.weights.h5")
    model = model_of(BROKEN)
    before = model.get_weights()
    with pytest.raises(
        MismatchError,
        match=r"load_own_variables of layer 'own' failed, nothing was changed: KeyError: 'nothing' \(the file has "
        r"table, weight for it\)",
    ):
        model.load_weights(tmp_path / "m.weights.h5")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(
        MismatchError, match=r"Table 'own': load_own_variables: expected 1 array named 0, 1, \.\.\. \(w\)"
    ):
        model_of(NAIVE).layers[0].load_own_variables({"weight": np.zeros(3)})
    with pytest.raises(
        UnsupportedFileError, match=r"arrays are called 'table, weight', expected 0 to 1(.|\n)*class of yours"
    ):
        model_of(NAIVE).load_weights(tmp_path / "m.weights.h5")


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"a/b": np.zeros(2)}, "save_own_variables of 'own': expected names without / for the arrays, got 'a/b'"),
        ({"a": "text"}, r"save_own_variables of 'own': a: expected numbers, got 'str' of <U4"),
    ],
)
def test_what_no_file_can_hold(tmp_path: Path, stored: dict[str, Any], message: str) -> None:
    model = model_of(Table)
    model.layers[0].save_own_variables = lambda store: None  # of the object, not of the class: not asked
    model.save_weights(tmp_path / "m.weights.h5")

    class Wrong(Table):
        def save_own_variables(self, store: Any) -> None:
            store.update(stored)

    with pytest.raises(SaveError, match=message):
        model_of(Wrong).save_weights(tmp_path / "n.weights.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["m.weights.h5"]


def test_what_a_built_in_layer_puts_and_takes() -> None:
    model = kt.Sequential([kt.Input((4, 3)), layers.LSTM(2), layers.BatchNormalization()])
    for layer, names in zip(model.layers, [[], ["gamma", "beta", "moving_mean", "moving_variance"]], strict=True):
        store: dict[str, Any] = {}
        layer.save_own_variables(store)
        assert [variable.name for variable in store.values()] == names
        layer.load_own_variables({key: np.full(2, int(key) + 1.0) for key in store})
    assert torch.equal(model.layers[1].moving_variance, torch.full((2,), 4.0))
