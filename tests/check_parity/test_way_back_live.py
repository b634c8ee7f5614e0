"""The way back: what `save_model` and `from_torch` write is compared in real Keras by the same command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from _recordings import Recordings
from _terminal import Terminal

import kerastorch as kt
from kerastorch import layers as L
from kerastorch.errors import MissingLayersError
from kerastorch.parity import compare
from kerastorch.parity.safety import load_checked

THEIRS = """
import keras

class Scale(keras.layers.Layer):
    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
"""
OURS = """
import kerastorch as kt

class Scale(kt.Layer):
    def __init__(self, factor, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


def randomized(model: kt.Model) -> kt.Model:
    rng = np.random.default_rng(5)
    model.set_weights([rng.uniform(-0.6, 0.6, array.shape) for array in model.get_weights()])
    return model


def tagger() -> kt.Model:
    words = kt.Input((4,), dtype="int32", name="words")
    x = L.Embedding(30, 6, mask_zero=True, name="embedding")(words)
    x = L.Bidirectional(L.LSTM(5, return_sequences=True), name="both")(x)
    tags = L.TimeDistributed(L.Dense(3, activation="softmax"), name="tags")(x)
    score = L.Dense(1, activation="sigmoid", name="score")(L.GRU(4, reset_after=False, name="gru")(x))
    return randomized(kt.Model(words, [tags, score], name="tagger"))


def classifier() -> kt.Model:
    x = kt.Input((8, 4), name="steps")
    made = L.Conv1D(5, 3, padding="causal", activation="relu", name="conv")(x)
    made = L.LayerNormalization(name="norm")(made)
    made = L.SimpleRNN(4, return_sequences=True, go_backwards=True, name="rnn")(made)
    return randomized(kt.Model(x, L.Dense(2, name="out")(L.Flatten(name="flat")(made)), name="classifier"))


@pytest.mark.parametrize(
    ("make", "dialect", "ending"),
    [(tagger, "keras3", ".keras"), (classifier, "keras3", ".h5"), (tagger, "keras2", ".h5")],
)
def test_what_save_model_writes(
    recordings: Recordings, run: Terminal, tmp_path: Path, make: Callable[[], kt.Model], dialect: str, ending: str
) -> None:
    model = make()
    path = tmp_path / f"{model.name}-{dialect}{ending}"
    kt.save_model(model, path, dialect=dialect)
    trained = ending == ".keras"  # once is enough, and takes longest
    recording = recordings.of_file(dialect, path, gradients=trained, steps=int(trained))
    assert run("verify", path, "--recording", recording.path).startswith("PARITY: ")
    report = compare(recording, model)  # not the file that is read again, but what it was written from
    assert report.passed, str(report)
    weights = model.get_weights()
    model.set_weights([*weights[:-1], weights[-1] + np.float32(1e-3)])
    assert not compare(recording, model).passed


def test_weights_that_a_layer_has_taken_in_before(recordings: Recordings, tmp_path: Path) -> None:
    """Keras's Normalization goes on with the mean that it has read until it is told: also in the random weights."""
    x = kt.Input((3,))
    made = L.Dense(2, name="out")(L.ELU(name="elu")(L.Normalization(name="norm")(x)))
    model = randomized(kt.Model(x, made, name="normalized"))
    model.get_layer("norm").set_weights([np.float32([1, 2, 3]), np.float32([0.5, 2, 4]), np.int64(0)])
    path = tmp_path / "normalized.keras"
    kt.save_model(model, path)
    report = compare(recordings.of_file("keras3", path, steps=0), model)
    assert report.passed, str(report)
    assert {"random weights", "small"} <= {row.probe for row in report.rows}


class Reader(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.head = torch.nn.Linear(12, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.head(self.lstm(x)[0][:, -1]))


def test_what_from_torch_makes(recordings: Recordings, run: Terminal, tmp_path: Path) -> None:
    """A module of plain torch, the model that is made of it, and Keras that runs its file: all three agree."""
    module = Reader().eval()
    model = kt.from_torch(module, torch.randn(2, 4, 3))
    path = tmp_path / "reader.keras"
    kt.save_model(model, path)
    recording = recordings.of_file("keras3", path, steps=0)
    assert run("verify", path, "--recording", recording.path).startswith("PARITY: ")
    report = compare(recording, module)
    assert report.passed, str(report)
    assert len([row for row in report.rows if row.where == "output"]) >= 4
    with torch.no_grad():
        module.lstm.weight_hh_l1[3, 2] += 0.01
    assert not compare(recording, module).passed


def test_the_command_with_classes_of_ones_own(
    recordings: Recordings, run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From here to Keras and back by one command: a class that stands here and there, in files of their own."""
    theirs, ours = tmp_path / "theirs.py", tmp_path / "ours.py"
    theirs.write_text(THEIRS)
    ours.write_text(OURS)
    namespace: dict[str, type[kt.Layer]] = {}
    exec(OURS, namespace)
    x = kt.Input((None, 3), name="steps")
    model = randomized(kt.Model(x, L.LSTM(4, name="lstm")(namespace["Scale"](0.5, name="scale")(x))))
    path = tmp_path / "own.keras"
    kt.save_model(model, path)
    assert "--trust" in run("verify", path, status=2)
    command = ("verify", path, "--backend", "torch", "--custom", theirs, "--custom-here", ours, "--trust")
    text = run(*command, "--json", tmp_path / "r.json")
    assert text.startswith("PARITY: ")
    assert "scale  Scale" in text
    said = json.loads((tmp_path / "r.json").read_text())
    assert said["gradients"]
    assert len(said["training"]["losses_reference"]) > 1, "the backend torch trains, too"
    assert "keras 3." in text
    with pytest.raises(MissingLayersError, match="Scale"):
        load_checked(path, None, trust=True)
    broken = tmp_path / "broken.py"
    broken.write_text("def (")
    assert "--custom-here" in run(*command, "--custom-here", broken, status=2)
    assert "cannot be run: " in run(*command, "--custom-here", tmp_path / "missing.py", status=2)
