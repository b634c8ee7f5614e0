"""Trainings beside real Keras's, by `check_parity` itself: 20 steps of every recurrent family."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import _close
import numpy as np
import pytest
from _recordings import Recordings

import kerastorch as kt
from kerastorch import layers, optimizers
from kerastorch.parity import compare

STEPS = 20


def chain(*listed: Any, shape: tuple[Any, ...] = (6, 3), dtype: str = "float32") -> kt.Model:
    return kt.Sequential([kt.Input(shape, dtype=dtype), *listed])


def seq2seq() -> kt.Model:
    source, target = kt.Input((5, 3), name="source"), kt.Input((4, 2), name="target")
    _, h, c = layers.LSTM(4, return_state=True, name="encoder")(source)
    decoded = layers.LSTM(4, return_sequences=True, name="decoder")(target, initial_state=[h, c])
    return kt.Model([source, target], layers.Dense(3, activation="softmax", name="token")(decoded))


MODELS: dict[str, tuple[Callable[[], kt.Model], Any, str]] = {
    "LSTM": (lambda: chain(layers.LSTM(4, dropout=0.3), layers.Dense(2)), optimizers.Adam(0.01), "mse"),
    "GRU": (lambda: chain(layers.GRU(4), layers.Dense(1, "sigmoid")), optimizers.RMSprop(0.01), "binary_crossentropy"),
    "SimpleRNN": (lambda: chain(layers.SimpleRNN(4)), optimizers.SGD(0.05, momentum=0.9, nesterov=True), "mae"),
    "Bidirectional": (
        lambda: chain(layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.BatchNormalization()),
        optimizers.Nadam(0.01, clipnorm=0.1),
        "mse",
    ),
    "masked Embedding": (
        lambda: chain(
            layers.Embedding(9, 4, mask_zero=True), layers.GRU(4), layers.Dense(3, "softmax"), shape=(6,), dtype="int32"
        ),
        optimizers.AdamW(0.01),
        "sparse_categorical_crossentropy",
    ),
    "ConvLSTM": (
        lambda: chain(layers.ConvLSTM1D(2, 3), layers.Flatten(), layers.Dense(2), shape=(4, 5, 2)),
        optimizers.Adagrad(0.05),
        "mse",
    ),
    "seq2seq": (seq2seq, optimizers.Adam(0.01, amsgrad=True), "categorical_crossentropy"),
}


def made(name: str, path: Path) -> Path:
    """The file of a compiled model with random weights, as we write it."""
    build, optimizer, loss = MODELS[name]
    model = build()
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, size=array.shape) for array in model.get_weights()])
    model.compile(type(optimizer).from_config(optimizer.get_config()), loss)
    kt.save_model(model, path)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_twenty_steps_agree(recordings: Recordings, tmp_path: Path, name: str) -> None:
    path = made(name, tmp_path / f"{name.replace(' ', '_')}.keras")
    recording = recordings.of_file("keras3", path, steps=STEPS, gradients=False, layers=False)
    report = compare(recording, kt.load_model(path), layers=False, states=False, gradients=False)
    assert report.passed, str(report)
    training = report.training
    assert training is not None
    assert training.chosen_by == "the file"
    assert training.optimizer == type(MODELS[name][1]).__name__
    assert len(training.reference) == STEPS
    rows = [row for row in report.trained if row.step == STEPS]
    assert {row.where for row in rows} == {"loss", "training gradient", "weight", "slot", "update"}
    far = [row.measured.difference / row.measured.largest for row in rows if row.where == "weight"]
    assert max(far) <= _close.MARGIN * _close.TRAINED
    assert np.ptp(training.reference) > 0


# Of tf-keras, whose averages begin with the weights before the first step.
OF_TF_KERAS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2}),
    ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_momentum": 0.75}),
    ("Adam", {"learning_rate": 0.01, "clipnorm": 0.1}),
    ("AdamW", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "centered": True}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adagrad", {"learning_rate": 0.05}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Ftrl", {"learning_rate": 0.05}),
    ("Lion", {"learning_rate": 0.01}),
]


@pytest.mark.parametrize(("optimizer", "settings"), OF_TF_KERAS)
def test_optimizers_of_tf_keras(
    recordings: Recordings, tmp_path: Path, optimizer: str, settings: dict[str, Any]
) -> None:
    path = tmp_path / f"{optimizer}_{len(settings)}.keras"
    recordings.worker.call("keras2", "parity:compiled", str(path), optimizer, **settings)
    recording = recordings.of_file("keras2", path, steps=4, gradients=False, layers=False)
    report = compare(recording, kt.load_model(path), layers=False, states=False, gradients=False, self_check=False)
    assert report.passed, str(report)
    kinds = {row.where for row in report.trained}
    # Without momentum SGD keeps its last step, which no step reads.
    assert kinds == {"loss", "training gradient", "weight", "slot", "update"}
    slots = {row.array for row in report.trained if row.where == "slot"}
    assert any(name.startswith("average/") for name in slots) == ("use_ema" in settings)
    assert not any(name.startswith("m/") for name in slots if optimizer == "SGD")


@pytest.mark.parametrize(("ending", "lost"), [("h5", True), ("keras", False)])
def test_state_that_keras_leaves_out_is_no_difference(
    recordings: Recordings, tmp_path: Path, ending: str, lost: bool
) -> None:
    """Keras 3 reads the number of steps from an .h5 file, and not the momenta."""
    model = chain(layers.LSTM(3), layers.Dense(1))
    model.compile(optimizers.Adam(0.01), "mse")
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(8, 6, 3)).astype("float32"), rng.normal(size=(8, 1)).astype("float32"), verbose=0)
    path = tmp_path / f"trained.{ending}"
    model.save(path)
    recording = recordings.of_file("keras3", path, steps=3, gradients=False, layers=False)
    report = compare(recording, kt.load_model(path), layers=False, states=False, gradients=False, self_check=False)
    assert report.passed, str(report)
    assert ("what the optimizer had gathered" in report.gaps) == lost
    counts = [row for row in report.trained if row.where == "slot" and "iter" in row.array and row.step == 1]
    assert len(counts) == 1
    held = kt.load_model(path).optimizer.iterations
    assert held == 1
