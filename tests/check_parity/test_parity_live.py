"""check_parity against real Keras: no false alarm over goldens and real files, and references of every kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from _goldens import expected_files
from _keras_worker import KerasWorkerError
from _needs import SHARED_FILES, needs
from _recordings import Recordings
from corpus import by_golden
from make_goldens import ROOT

import kerastorch as kt
from kerastorch.parity import compare, read_recording
from kerastorch.parity.safety import load_checked

CORPUS = ROOT.parent / "shared" / "corpus"
# Keras 3 writes this file and cannot read it again: "Unknown layer: 'NotEqual'".
UNREADABLE = {("keras3", "embedded.h5")}
FILES = [(packed, f"{name}{end}") for packed, name, end in expected_files() if end in (".keras", ".h5")]
OF_MASKS = {"NotEqual", "Any"}  # Keras 3 lists the operations that compute a mask among the layers
# The largest multiple over all goldens, both frameworks, all probes: 4.0 (the gradient of a bias, alone).
SEEN = 8.0

# ---------------------------------------------------------------------------- no false alarm


@pytest.mark.parametrize(("packed", "name"), [item for item in FILES if item not in UNREADABLE])
def test_goldens_pass(recordings: Recordings, packed: str, name: str) -> None:
    report = recordings.report(packed, name)
    assert report.passed, str(report)
    assert report.first is None
    assert report.weights == {}
    assert report.worst is not None
    assert report.worst.measured.multiple < SEEN, report.worst
    assert [probe for probe in report.probes if "not_compared" in probe] == []
    assert all(row.judged for row in report.rows)
    known = ("states, kept from the batch before", "Keras 3 on TensorFlow squares the gradient of each by itself")
    assert {what: why for what, why in report.gaps.items() if not any(told in why for told in known)} == {}
    # Gradients and a training, of all weights that are trained.
    trained = {variable.path for variable in recordings.model(packed, name).trainable_weights}
    assert {row.array for row in report.gradients if row.where == "gradient" and row.layer} == trained
    assert {row.array for row in report.trained if row.where == "update"} == trained
    assert report.training is not None
    assert len(report.training.ours) == len(report.training.reference) == 2
    assert {row.step for row in report.trained} == {1, 2}
    # Each layer was compared as the chain runs, and all but models alone.
    paths = {path for path, kind in recordings.of(packed, name).layers if kind not in OF_MASKS}
    assert {row.layer for row in report.rows if row.where == "layer"} == paths
    inner = {path for path, kind in recordings.of(packed, name).layers if kind in ("Functional", "Sequential")}
    assert {row.layer for row in report.rows if row.where == "alone"} == paths - inner


@pytest.mark.parametrize("packed", ["keras3", "tf_keras"])
def test_probes_have_masks_of_every_kind(recordings: Recordings, packed: str) -> None:
    report = recordings.report(packed, "masking.keras", gradients=False, training=False)
    masked = {row.probe for row in report.rows if row.where == "mask"}
    assert {"right", "left", "holes", "none", "random weights, masked"} <= masked
    assert {probe["name"] for probe in report.probes} >= masked | {"normal", "small", "large", "random weights"}


# ---------------------------------------------------------------------------- references of every kind


def test_a_function_is_a_reference(recordings: Recordings) -> None:
    model = recordings.model("keras3", "embedded.keras")
    twin = recordings.model("keras3", "embedded.keras")
    report = kt.check_parity(lambda x: twin.predict(x), model)
    assert report.passed, str(report)
    assert {"normal", "right", "left", "holes", "none", "one step"} <= {probe["name"] for probe in report.probes}
    model.get_layer("embedding").mask_zero = False
    assert not kt.check_parity(lambda x: twin.predict(x), model).passed


def test_a_module_of_plain_torch(recordings: Recordings) -> None:
    recording = recordings.of("keras3", "encoder_decoder.keras")
    model = recordings.model("keras3", "encoder_decoder.keras")

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)

    report = kt.check_parity(recording, Plain())
    assert report.passed, str(report)
    assert {row.where for row in report.rows} == {"output", "predict", "gradient"}
    assert {row.array for row in report.gradients} == {"input 0"}
    assert "a module of plain torch" in report.gaps["training"]
    assert any("plain torch" in probe.get("not_compared", "") for probe in report.probes)


LIVE = """
import os, sys
sys.path.insert(0, {root!r})
import {package} as keras
import numpy as np
import kerastorch as kt
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(4), keras.layers.Dense(2)])
before = model.get_weights()
report = kt.check_parity(model)
print(report)
assert report.passed
assert all((a == b).all() for a, b in zip(before, model.get_weights()))
ours = kt.Sequential([kt.Input((None, 3)), kt.layers.LSTM(4), kt.layers.Dense(2)])
ours.set_weights([array * 1.01 for array in before])
for mine, theirs in zip(ours.layers, model.layers):
    mine.name = theirs.name
report = kt.check_parity(model, ours, inputs=np.ones((2, 5, 3), "float32"), what=("outputs", "layers"))
assert not report.passed and report.first.layer == model.layers[0].name, str(report)
assert [probe["name"] for probe in report.probes] == ["given"]
"""


def test_live_models_are_references(recordings: Recordings) -> None:
    """In a process of their own: TensorFlow and torch do not share that of the tests."""
    environment = recordings.worker.environment
    code = "".join(LIVE.format(root=str(ROOT), package=package) for package in ("keras", "tf_keras"))
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert len(re.findall("^PARITY: ", run.stdout, flags=re.MULTILINE)) == 2


# ---------------------------------------------------------------------------- TensorFlow's graphs of old

GRAPHS = """
import sys, runpy
import tensorflow as tf
tf.compat.v1.disable_eager_execution()
for path in sys.argv[2:]:
    sys.argv = ["recorder.py", path, path + ".npz", "--keras", "tf_keras"]
    try:
        runpy.run_path({script!r}, run_name="__main__")
    except SystemExit as stop:
        assert stop.code == 0, stop.code
    tf.compat.v1.keras.backend.clear_session()
"""


def test_a_keras_whose_layers_are_not_eager(recordings: Recordings, tmp_path: Path) -> None:
    """tf-keras in the graphs of TensorFlow 1: what Keras 1 and 2 had before TensorFlow 2, by the same calls."""
    names = ["embedded.h5", "seq2seq.h5", "stateful.h5", "nested.h5"]
    for name in names:
        (tmp_path / name).write_bytes((recordings.files / "tf_keras" / name).read_bytes())
    code = GRAPHS.format(script=str(recordings.script))
    command = [sys.executable, "-c", code, "", *(str(tmp_path / name) for name in names)]
    run = subprocess.run(
        command, env=recordings.worker.environment, capture_output=True, text=True, timeout=600, cwd=tmp_path
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for name in names:
        recording = read_recording(tmp_path / f"{name}.npz")
        assert recording.writer["eager"] is False
        report = compare(recording, recordings.model("tf_keras", name))
        assert report.passed, str(report)
        assert [row for row in report.rows if row.where == "alone"]


# ---------------------------------------------------------------------------- real files

DL4J = "KonduitAI__dl4j-test-resources__"
WEIGHTS = "_tf_keras_2_weights.h5"
# Small ones: what takes seconds is that TensorFlow goes through the steps of an LSTM one by one, in 12 probes.
REAL = [
    *(f"{DL4J}rnn_{number}.h5" for number in (0, 2, 4, 6, 8, 10, 12, 14, 25, 30, 32, 34, 36, 38, 45)),
    f"{DL4J}masking_two_lstm.h5",
    *(f"{DL4J}{name}{WEIGHTS}" for name in ("simple_rnn", "simple_flatten_rnn", "simple_lstm", "simple_flatten_lstm")),
    "CDT406__CDT406-EMG-2__model.30ms.keras",
    "CDT406__CDT406-EMG-2__model.120ms.keras",
]
# Files that kerastorch reads and tf-keras 2.21 does not: nothing can be recorded by it.
NOT_BY_TF_KERAS = {
    "missing 1 required positional argument: 'units'": [  # layers of Keras 1, which called it output_dim
        *(f"{DL4J}{name}_{by}_1.h5" for name in ("simple_rnn", "lstm") for by in ("tensorflow", "theano")),
        *(
            f"{DL4J}bidirectional_lstm{no}_{by}_1.h5"
            for no in ("", "_no_return_sequences")
            for by in ("tensorflow", "theano")
        ),
        f"{DL4J}lstm_tf_model.h5",
        f"{DL4J}simple_lstm_th_keras_1_weights.h5",
        f"{DL4J}simple_lstm_tf_keras_1_weights.h5",
    ],
    "'Keyword argument not understood:', 'input_dtype'": [
        f"{DL4J}embedding_lstm_{by}_1.h5" for by in ("tensorflow", "theano")
    ],
    "expected 3 variables, but received 0 variables": [  # tf-keras 2.15 kept the cell's weights elsewhere
        f"olegmak02__Weather-Prediction__{name}.keras"
        for name in ("cloud", "gru_dropout", "lstm", "bidirectional_lstm")
    ],
    "Cannot convert -0.05 to EagerTensor of dtype int32": [  # Keras 2.0.2 gave an Embedding the dtype of its words
        "appeler__ethnicolr__census2000_ln_lstm.k202.h5"
    ],
}


@needs(CORPUS.exists(), SHARED_FILES)
def test_files_that_people_saved(recordings: Recordings) -> None:
    """More than 20 of 76, no false alarm, every probe and every layer."""
    versions = {
        entry["file"]: str(entry["keras_version"]) for entry in json.loads((CORPUS / "manifest.json").read_text())
    }
    wrong = {}
    for name in REAL:
        path, arch = CORPUS / "files" / name, CORPUS / "files" / f"{name}.arch.json"
        framework = "keras3" if versions[name].startswith("3") else "keras2"
        options = {"gradients": False, "steps": 0, **({"arch": str(arch)} if arch.exists() else {})}
        recording = recordings.of_file(framework, path, **options)
        model = load_checked(path, arch if arch.exists() else None, trust=False)
        report = compare(recording, model, gradients=False, training=False, self_check=False)
        left_out = [probe for probe in report.probes if "not_compared" in probe]
        assert report.worst is not None
        if not report.passed or left_out or report.gaps or not report.worst.measured.multiple < SEEN:
            wrong[name] = str(report)
    assert not wrong, "\n\n".join(wrong.values())
    assert len(REAL) > 20


@needs(CORPUS.exists(), SHARED_FILES)
@pytest.mark.parametrize("reason", NOT_BY_TF_KERAS)
def test_files_that_tf_keras_cannot_read(recordings: Recordings, reason: str) -> None:
    """By name, with its own words: a file that can be recorded one day belongs to those above.

    Each is judged by outputs that were recorded after its config was put into words of today.
    """
    for name in NOT_BY_TF_KERAS[reason]:
        path, arch = CORPUS / "files" / name, CORPUS / "files" / f"{name}.arch.json"
        with pytest.raises(KerasWorkerError, match=re.escape(reason)):
            recordings.of_file("keras2", path, **({"arch": str(arch)} if arch.exists() else {}))
        model = load_checked(path, arch if arch.exists() else None, trust=False)
        assert by_golden(model, path.with_name(f"{name}.npz"), "keras2", reason).startswith("passed")
