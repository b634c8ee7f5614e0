"""Real files that people saved, against the outputs that Keras gave for them. Skipped where the files are not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _needs import SHARED_FILES, needs

import kerastorch as kt

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
MANIFEST = json.loads((CORPUS / "manifest.json").read_text()) if CORPUS.exists() else []

# The layers of the first slice; what else a file holds is refused by name.
SUPPORTED = set(
    """
    LSTM GRU SimpleRNN CuDNNLSTM CuDNNGRU Bidirectional TimeDistributed Embedding Masking Dense Dropout SpatialDropout1D
    Activation RepeatVector Flatten Reshape Permute Concatenate Add Subtract Multiply Average Maximum Minimum Dot
    BatchNormalization LayerNormalization InputLayer ConvLSTM2D TimeDistributedDense Conv1D MaxPooling1D
    """.split()  # noqa: SIM905
)


def _expected_right(entry: dict[str, Any]) -> bool:
    return bool(entry["npz"] and set(entry["classes"]) <= SUPPORTED)


# This model calls its LSTM with training=True: dropout acts in inference too, and every run gives other numbers.
STOCHASTIC = "appeler__ethnicolr__fl_all_ln_lstm_uncrtn.k224tf.h5"

pytestmark = needs(MANIFEST, SHARED_FILES)
RIGHT = [entry["file"] for entry in MANIFEST if _expected_right(entry)]
REFUSED = [entry["file"] for entry in MANIFEST if not _expected_right(entry)]


def load(file: str) -> kt.Model:
    """The model of a file; a weights file goes into the architecture beside it."""
    path, architecture = CORPUS / "files" / file, CORPUS / "files" / f"{file}.arch.json"
    if not architecture.exists():
        return kt.load_model(path)
    model = kt.model_from_json(architecture.read_text())
    kt.load_weights(model, path)
    return model


def deviations(model: kt.Model, golden: dict[str, np.ndarray], prefix: str) -> list[tuple[str, float]]:
    """max|ours - golden| / max(1, max|golden|) for every recorded output."""
    found = []
    for inputs, outputs, again in (("x", "y", False), ("mx", "my", False), ("x", "second_y", True)):
        names = sorted(
            name for name in golden if name.startswith(prefix + outputs) and name[len(prefix + outputs) :].isdigit()
        )
        if not names:
            continue
        if not again and model.stateful:
            model.reset_states()
        arrays = [
            golden[f"{inputs}{index}"]
            for index in range(sum(name[: len(inputs)] == inputs and name[len(inputs) :].isdigit() for name in golden))
        ]
        ours = model.predict(arrays if len(arrays) > 1 else arrays[0])
        ours = list(ours) if isinstance(ours, (list, tuple)) else [ours]
        assert len(ours) == len(names)
        for name, mine in zip(names, ours, strict=True):
            theirs = golden[name]
            assert mine.shape == theirs.shape
            found.append((name, float(np.abs(mine - theirs).max() / max(1.0, np.abs(theirs).max()))))
    return found


def test_the_corpus_is_the_one_that_was_counted() -> None:
    assert len(MANIFEST) == 76
    assert len(RIGHT) == 69


@pytest.mark.parametrize("file", [file for file in RIGHT if file != STOCHASTIC])
def test_computes_what_keras_computed(file: str) -> None:
    with np.load(CORPUS / "files" / f"{file}.npz", allow_pickle=False) as stored:
        golden = {name: stored[name] for name in stored.files if name != "info"}
    entry = next(entry for entry in MANIFEST if entry["file"] == file)
    prefix = "keras3_" if (entry["keras_version"] or "1").startswith("3") else "tf_keras_"
    found = deviations(load(file), golden, prefix)
    assert found
    # 1e-5 of the output's size: the corpus's own definition of a file that is read right.
    assert all(value <= 1e-5 for _, value in found), found


def test_a_model_with_dropout_in_inference_has_keras_distribution() -> None:
    kt.set_seed(0)
    with np.load(CORPUS / "files" / f"{STOCHASTIC}.npz", allow_pickle=False) as stored:
        x = stored["x0"]
    draws = load(STOCHASTIC).predict(np.repeat(x, 2000, axis=0), batch_size=6000).reshape(3, 2000, 4)
    # Measured: mean and standard deviation over 4,000 draws of tf_keras 2.21, called eagerly, for the same three rows.
    # (Its `predict` draws new masks at every time step instead of one for the sequence: the loop's body is a graph of
    # its own that does not see the cached masks. Keras documents one mask for the sequence.)
    mean = [
        [0.00677228, 0.21755247, 0.16335377, 0.6123211],
        [0.0210173, 0.03329507, 0.17159225, 0.77409464],
        [0.00564377, 0.06310424, 0.01931865, 0.9119332],
    ]
    std = [
        [0.00739627, 0.1905498, 0.15308787, 0.20821907],
        [0.03640481, 0.021332, 0.11457966, 0.12144977],
        [0.00717116, 0.02525113, 0.03160268, 0.04342809],
    ]
    error = np.array(std) * np.sqrt(1 / 2000 + 1 / 4000)
    assert (np.abs(draws.mean(axis=1) - mean) < 4.5 * error).all()  # 12 normal deviates: one in 10,000 runs exceeds it


@pytest.mark.parametrize("file", REFUSED)
def test_anything_else_is_refused_with_the_reason(file: str) -> None:
    with pytest.raises(kt.KerasTorchError) as caught:
        load(file)
    message = str(caught.value)
    assert len(message) > 40
    assert "fault of kerastorch" not in message


def test_the_page_says_what_becomes_of_the_files() -> None:
    """docs/corpus.md is what `make corpus-page` writes; which of the files are right, the tests above hold."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "corpus.md").read_text(encoding="utf-8")
    assert f"| **all** | {len(MANIFEST)} | {len(RIGHT) - 1} | 1 | {len(REFUSED)} |  |" in page
    for file in REFUSED:
        with pytest.raises(kt.KerasTorchError) as caught:
            load(file)
        said = str(caught.value).splitlines()[0].rpartition(f"{file}: ")[2].replace("|", "\\|")
        assert f"- `{file}`: {said[:200]}" in page
