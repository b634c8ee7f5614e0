"""What Keras 3 has otherwise: translated with the same numbers and a report, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _close import KERAS, assert_close
from _keras_worker import KerasWorker

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.errors import SaveError

from ._cases import outputs_of, randomize

OLD = "hard_sigmoid_keras2"


def saved(
    worker: KerasWorker, model: kt.Model, inputs: list[np.ndarray], path: Path, rng: np.random.Generator
) -> list[str]:
    """Save, let Keras 3 and kerastorch read it, compare both with the model; the texts of the report."""
    randomize(model.eval(), rng)
    wanted = outputs_of(model, inputs)
    report = kt.save_model(model, path)
    outputs, _ = worker.call("keras3", "saved:run", str(path), inputs)
    assert_close(outputs, wanted, KERAS)
    assert_close(outputs_of(kt.load_model(path), inputs), wanted)
    return [rule.text for rule in report.rules]


HARD: dict[str, tuple[Any, tuple[int, ...]]] = {
    "LSTM": (lambda: L.LSTM(4, recurrent_activation=OLD), (5, 3)),
    "LSTM with regularizer": (lambda: L.LSTM(4, recurrent_activation=OLD, kernel_regularizer="l2"), (5, 3)),
    "GRU": (lambda: L.GRU(4, recurrent_activation=OLD), (5, 3)),
    "GRU reset before": (lambda: L.GRU(4, recurrent_activation=OLD, activation=OLD, reset_after=False), (5, 3)),
    "GRU candidate": (lambda: L.GRU(4, activation=OLD), (5, 3)),
    "SimpleRNN": (lambda: L.SimpleRNN(4, activation=OLD), (5, 3)),
    "Bidirectional": (lambda: L.Bidirectional(L.LSTM(4, recurrent_activation=OLD)), (5, 3)),
    "cells": (lambda: L.RNN([L.LSTMCell(3, recurrent_activation=OLD), L.GRUCell(2, activation=OLD)]), (5, 3)),
    "ConvLSTM2D": (lambda: L.ConvLSTM2D(2, 2, recurrent_activation=OLD), (3, 5, 4, 2)),
    "Dense": (lambda: L.Dense(4, activation=OLD), (3,)),
    "TimeDistributed": (lambda: L.TimeDistributed(L.Dense(4, activation=OLD, use_bias=False)), (5, 3)),
    "Conv1D": (lambda: L.Conv1D(4, 2, activation=OLD), (5, 3)),
    "SeparableConv1D": (lambda: L.SeparableConv1D(4, 2, activation=OLD), (5, 3)),
    "DepthwiseConv2D": (lambda: L.DepthwiseConv2D(2, activation=OLD), (5, 4, 3)),
    "Conv2DTranspose": (lambda: L.Conv2DTranspose(3, 2, activation=OLD), (5, 4, 3)),
    "EinsumDense": (lambda: L.EinsumDense("abc,cd->abd", (None, 4), activation=OLD, bias_axes="d"), (5, 3)),
    "Activation": (lambda: L.Activation(OLD), (5, 3)),
    "Highway": (lambda: L.Highway(activation=OLD), (4,)),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_sigmoid_of_keras2(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    make, shape = HARD[name]
    model = kt.Sequential([kt.Input(shape), make()])
    inputs = [(3 * rng.normal(size=(4, *shape))).astype("float32")]  # some beyond the flat ends
    texts = saved(keras_worker, model, inputs, tmp_path / "m.keras", rng)
    assert any("clip(0.2 x + 0.5, 0, 1)" in text for text in texts)
    assert any("regularizers see" in text for text in texts) == (name == "LSTM with regularizer")


def test_hard_sigmoid_that_no_weight_can_stand_for(tmp_path: Path) -> None:
    model = kt.Sequential([kt.Input((5, 3)), L.LSTM(4, activation=OLD, name="odd")])
    (tmp_path / "m.keras").write_bytes(b"what was there")
    with pytest.raises(SaveError, match=r"LSTM 'odd': activation is clip.*which Keras 3 does not have"):
        kt.save_model(model, tmp_path / "m.keras")
    assert (tmp_path / "m.keras").read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [tmp_path / "m.keras"]


def test_weights_alone_are_written_as_they_are(tmp_path: Path) -> None:
    model = kt.Sequential([kt.Input((5, 3)), L.LSTM(4, recurrent_activation=OLD, name="old"), L.Dense(2)])
    report = kt.save_weights(model, tmp_path / "w.weights.h5")
    assert [(rule.layer, "1.2 times as large" in rule.text) for rule in report.rules] == [("old", True)]
    other = kt.Sequential([kt.Input((5, 3)), L.LSTM(4, recurrent_activation=OLD), L.Dense(2)])
    other.load_weights(tmp_path / "w.weights.h5")
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def decoder(masking: str, states: int = 2) -> kt.Model:
    """A decoder that starts from given states and has masked steps."""
    x = kt.Input((6,) if masking == "Embedding" else (6, 3), name="x")
    given = [kt.Input((4,), name=f"state_{index}") for index in range(states)]
    first = L.Embedding(9, 3, mask_zero=True, name="masks") if masking == "Embedding" else L.Masking(name="masks")
    layer = L.LSTM(4, return_sequences=True, name="decoder") if states == 2 else L.GRU(4, name="decoder")
    dropped = L.Dropout(0.5, name="drop")(first(x))
    return kt.Model([x, *given], L.Dense(2, name="out")(layer(dropped, initial_state=given)))


@pytest.mark.parametrize("states", [1, 2])
@pytest.mark.parametrize("masking", ["Embedding", "Masking"])
def test_a_call_with_states_names_its_mask(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, masking: str, states: int
) -> None:
    x: Any = rng.integers(0, 9, (5, 6)) if masking == "Embedding" else rng.normal(size=(5, 6, 3))
    x = x.astype("float32")
    x[:3, 3:] = 0
    inputs = [x, *(rng.normal(size=(5, 4)).astype("float32") for _ in range(states))]
    for ending in (".keras", ".h5"):
        saved(keras_worker, decoder(masking, states), inputs, tmp_path / f"m{ending}", rng)


def test_a_mask_that_no_operation_computes(tmp_path: Path) -> None:
    a, b = kt.Input((6,), name="a"), kt.Input((6,), name="b")
    embed = L.Embedding(9, 3, mask_zero=True)
    both = L.Add(name="both")([embed(a), embed(b)])
    states = [kt.Input((4,), name=name) for name in "hc"]
    model = kt.Model([a, b, *states], L.LSTM(4, name="decoder")(both, initial_state=states))
    with pytest.raises(SaveError, match=r"LSTM 'decoder' is called with states and uses a mask.*Add 'both' makes it"):
        kt.save_model(model, tmp_path / "m.keras")


def merged(name: str, same: bool) -> kt.Model:
    a, b = kt.Input((6,), name="a"), kt.Input((6,), name="b")
    embed = L.Embedding(9, 3, mask_zero=True, name="words")
    left = embed(a)
    right = L.Dropout(0.1, name="drop")(left) if same else embed(b)
    joined = getattr(L, name)(keras2_masks=True, name="merge")([left, right])
    inputs = [a] if same else [a, b]
    return kt.Model(inputs, L.LSTM(4, name="lstm")(joined))


@pytest.mark.parametrize("name", ["Add", "Subtract", "Average", "Concatenate"])
def test_merged_masks_of_keras2(keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    x = rng.integers(0, 4, (5, 6)).astype("float32")
    saved(keras_worker, merged(name, same=True), [x], tmp_path / "m.keras", rng)
    with pytest.raises(SaveError, match=f"{name} 'merge': its inputs have different masks"):
        kt.save_model(merged(name, same=False), tmp_path / "other.keras")


@pytest.mark.parametrize("name", ["Multiply", "Maximum", "Minimum"])
def test_merges_that_look_at_masks_in_keras3(tmp_path: Path, name: str) -> None:
    with pytest.raises(SaveError, match=f"{name} 'merge': a mask arrives, and Keras 3 leaves masked steps out"):
        kt.save_model(merged(name, same=True), tmp_path / "m.keras")


def test_a_mask_that_would_go_on(tmp_path: Path) -> None:
    x = kt.Input((6, 3))
    model = kt.Model(x, L.LSTM(4, name="lstm")(L.Rescaling(2.0, keras2_masks=True)(L.Masking()(x))))
    with pytest.raises(SaveError, match=r"another way.*'lstm' uses 0 masks here and 1 there"):
        kt.save_model(model, tmp_path / "m.keras")


def test_a_layer_in_two_models_becomes_two(tmp_path: Path) -> None:
    x = kt.Input((5, 3), name="x")
    dense = L.Dense(3, name="shared")
    inner = kt.Model(x, dense(x), name="inner")
    model = kt.Model(x, dense(inner(x)), name="outer")
    report = kt.save_model(model, tmp_path / "m.keras")
    assert [(rule.layer, "several models" in rule.text) for rule in report.rules] == [("shared", True)]
    back = kt.load_model(tmp_path / "m.keras")
    data = torch.randn(2, 5, 3)
    assert_close(back(data), model(data))
    assert len(back.get_weights()) == 2 * len(model.get_weights())


class Own(L.Layer):
    def __init__(self, units: int, **base: Any) -> None:
        super().__init__(**base)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight((self.units,), name="scale")

    def call(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def test_a_class_of_ones_own_needs_custom_objects(tmp_path: Path) -> None:
    model = kt.Sequential([kt.Input((5, 3)), Own(3, name="own")])
    report = kt.save_model(model, tmp_path / "m.keras")
    assert [rule.text for rule in report.rules] == [
        "Own is not a class of Keras: it needs custom_objects to open the file"
    ]
    back = kt.load_model(tmp_path / "m.keras", custom_objects={"Own": Own})
    np.testing.assert_array_equal(back.get_weights()[0], model.get_weights()[0])


def test_what_cannot_be_written(tmp_path: Path) -> None:
    class Mine(kt.Model):
        def __init__(self, dense: L.Dense) -> None:
            super().__init__()
            self.dense = dense

        def call(self, x: torch.Tensor) -> torch.Tensor:
            return self.dense(x)

    mine = Mine(L.Dense(2))
    mine(torch.zeros(1, 3))
    message = r"Mine '\w+' has no config: it was made with what is no plain value: dense \(Dense\)"
    with pytest.raises(SaveError, match=message):
        kt.save_model(mine, tmp_path / "m.keras")
    model = kt.Sequential([kt.Input((3,)), L.Lambda(lambda x: x + 1, name="plus")])
    with pytest.raises(SaveError, match="Lambda 'plus' holds a Python function"):
        kt.save_model(model, tmp_path / "m.keras")
    with pytest.raises(kt.errors.NotBuiltError):
        kt.save_model(kt.Sequential([L.Dense(2)]), tmp_path / "m.keras")
    good = kt.Sequential([kt.Input((3,)), L.Dense(2)])
    for path, message in (("m.txt", "ends in .keras, .h5 or .hdf5"), ("m.weights.h5", "save_weights")):
        with pytest.raises(kt.errors.ArgumentError, match=message):
            good.save(tmp_path / path)
    with pytest.raises(kt.errors.ArgumentError, match="use save_model"):
        good.save_weights(tmp_path / "m.keras")
    with pytest.raises(kt.errors.ArgumentError, match=r"expected a kerastorch model, got 'Linear'.*kt.from_torch"):
        kt.save_model(torch.nn.Linear(2, 2), tmp_path / "m.keras")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
