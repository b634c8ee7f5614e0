"""Files written by real Keras, read without it, give the numbers that Keras gave."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from _golden_outputs import golden_differences
from _goldens import WRITERS, expected_files, read_npz, unpack
from make_goldens import CASES, ROOT

import kerastorch as kt


@pytest.fixture(scope="session")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("goldens"))


@pytest.mark.parametrize(("packed", "name", "ending"), expected_files())
def test_golden(goldens: Path, packed: str, name: str, ending: str) -> None:
    folder = goldens / packed
    if ending == ".weights.h5":
        model = kt.load_model(folder / f"{name}.keras")
        with torch.no_grad():
            for number, parameter in enumerate(model.parameters()):
                parameter.fill_(0.01 * number)  # whatever comes out now comes from the file of weights
        kt.load_weights(model, folder / f"{name}.weights.h5")
    else:
        model = kt.load_model(folder / f"{name}{ending}")
    assert golden_differences(model, read_npz(folder / f"{name}.npz")) == {}


def test_the_demonstration() -> None:
    golden = read_npz(ROOT / "demo" / "tagger.npz")
    assert golden_differences(kt.load_model(ROOT / "demo" / "tagger.keras"), golden) == {}


@pytest.mark.parametrize("packed", WRITERS)
def test_no_golden_is_missing_or_unused(goldens: Path, packed: str) -> None:
    wanted = {f"{name}{ending}" for where, name, ending in expected_files() if where == packed}
    wanted |= {f"{name}.npz" for where, name, _ in expected_files() if where == packed}
    assert {path.name for path in (goldens / packed).iterdir()} == wanted


@pytest.mark.parametrize("packed", WRITERS)
def test_goldens_say_what_wrote_them(goldens: Path, packed: str) -> None:
    for path in (goldens / packed).glob("*.npz"):
        info = json.loads(read_npz(path)["info"].item())
        assert info["writer"] == WRITERS[packed], path.name
        assert info["version"].startswith("3." if packed == "keras3" else "2."), path.name


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.folder is None])
def test_a_wrong_array_is_noticed(goldens: Path, name: str) -> None:
    """Each array of each model matters to its golden: with its values moved by one place, an output differs."""
    golden = read_npz(goldens / "keras3" / f"{name}.npz")
    model = kt.load_model(goldens / "keras3" / f"{name}.keras")
    weights = model.get_weights()
    names = [variable.name for variable in model.weights]
    unnoticed = []
    for number, array in enumerate(weights):
        moved = np.roll(array.ravel(), 1).reshape(array.shape)
        model.set_weights([*weights[:number], moved, *weights[number + 1 :]])
        model.reset_states()
        if not golden_differences(model, golden):
            unnoticed.append(names[number])
    # What batch renormalisation keeps for training alone is read back from the file, and no output shows it.
    for_training = ["moving_stddev", "renorm_mean", "renorm_stddev"] if name == "keras3_layers" else []
    assert unnoticed == for_training
    if for_training:
        with h5py.File(goldens / "keras3" / f"{name}.h5") as file:
            group = file["model_weights/renormalised/renormalised"]
            recorded = {key: group[key][()] for key in for_training}
        layer = kt.load_model(goldens / "keras3" / f"{name}.h5").get_layer("renormalised")
        for variable in layer.weights:
            if variable.name in recorded:
                assert (variable.numpy() == recorded[variable.name]).all()
