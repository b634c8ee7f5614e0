"""File -> model -> file -> model: the same arrays bit for bit, the same config, the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from _goldens import expected_files, unpack
from _needs import SHARED_FILES, needs

import kerastorch as kt
from kerastorch.load import load_model_reported

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
MANIFEST = json.loads((CORPUS / "manifest.json").read_text()) if CORPUS.exists() else []
FILES = [(packed, f"{name}{ending}") for packed, name, ending in expected_files() if ending != ".weights.h5"]
REAL = [entry["file"] for entry in MANIFEST if entry["npz"]]
# Its LSTM is called with training=True, which Keras 3 overrules: read again, it is another model.
STOCHASTIC = "appeler__ethnicolr__fl_all_ln_lstm_uncrtn.k224tf.h5"


@pytest.fixture(scope="session")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("goldens"))


def same(first: kt.Model, other: kt.Model) -> None:
    assert other.get_config() == first.get_config()
    assert (other.training_config and other.training_config.config) == (
        first.training_config and first.training_config.config
    )
    mine, theirs = first.get_weights(), other.get_weights()
    assert len(mine) == len(theirs)
    for one, two in zip(mine, theirs, strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


def round_trip(model: kt.Model, tmp_path: Path, ending: str, *, as_it_was: bool) -> None:
    paths = [tmp_path / f"{name}{ending}" for name in "abcd"]
    kt.save_model(model, paths[0])
    kt.save_model(model, paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    second = kt.load_model(paths[0])
    if as_it_was:
        same(model, second)
    kt.save_model(second, paths[2])
    third = kt.load_model(paths[2])
    same(second, third)
    kt.save_model(third, paths[3])
    assert paths[2].read_bytes() == paths[3].read_bytes()


@pytest.mark.parametrize(("packed", "file"), FILES)
def test_goldens(goldens: Path, tmp_path: Path, packed: str, file: str) -> None:
    path = goldens / packed / file
    # What Keras 2 meant otherwise is written in another way for Keras 3, and read so.
    round_trip(kt.load_model(path), tmp_path, path.suffix, as_it_was=packed == "keras3")


@needs(MANIFEST, SHARED_FILES)
@pytest.mark.parametrize("file", REAL)
def test_the_corpus(tmp_path: Path, file: str) -> None:
    path, architecture = CORPUS / "files" / file, CORPUS / "files" / f"{file}.arch.json"
    if file == STOCHASTIC:
        pytest.skip("Keras 3 overrules training=True")
    if architecture.exists():
        model = kt.model_from_json(architecture.read_text())
        kt.load_weights(model, path)
    else:
        model, _ = load_model_reported(path)
    is_keras3 = model.training_config is not None and model.training_config.writer.era == "keras3"
    for ending in (".keras", ".h5"):
        round_trip(model, tmp_path, ending, as_it_was=is_keras3 and file.endswith(ending))
