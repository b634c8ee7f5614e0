"""Files written by older releases of Keras 3, read without them, give the numbers that each of them gave."""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _golden_outputs import golden_differences
from _goldens import read_npz
from make_goldens_versions import FOLDER, MODELS, VERSIONS, expected_files

import kerastorch as kt
from kerastorch.cli import main

FILES = [(version, name, ending) for version in VERSIONS for name, ending in expected_files(version)]


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("versions")
    for version in VERSIONS:
        with zipfile.ZipFile(FOLDER / f"keras-{version}.zip") as archive:
            archive.extractall(to / version)
    return to


def spoiled(path: Path) -> kt.Model:
    """The model of a file with other values in every weight."""
    model = kt.load_model(path)
    model.set_weights([np.full_like(array, 0.01 * number) for number, array in enumerate(model.get_weights())])
    return model


@pytest.mark.parametrize(("version", "name", "ending"), FILES)
def test_golden(goldens: Path, version: str, name: str, ending: str) -> None:
    path = goldens / version / f"{name}{ending}"
    if ending == ".weights.h5":
        model = spoiled(path.with_name(f"{name}.keras"))
        kt.load_weights(model, path)
    else:
        model = kt.load_model(path)
    golden = read_npz(goldens / version / f"{name}.npz")
    assert json.loads(golden["info"].item())["version"] == version
    assert golden_differences(model, golden) == {}


@pytest.mark.parametrize(("version", "name", "ending"), FILES)
def test_every_file_is_a_source_of_weights(goldens: Path, version: str, name: str, ending: str) -> None:
    """Into the model of another release, by order and, where the file says the names, by name."""
    other = next(other for other in VERSIONS if other != version)
    for by_name in (False, True):
        if by_name and ending == ".weights.h5" and version in ("3.0.5", "3.5.0"):
            continue
        model = spoiled(goldens / other / f"{name}.keras")
        report = kt.load_weights(model, goldens / version / f"{name}{ending}", by_name=by_name)
        assert not report.unset
        assert not report.unused
        assert golden_differences(model, read_npz(goldens / version / f"{name}.npz")) == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_optimizer_goes_on(goldens: Path, version: str, caplog: pytest.LogCaptureFixture) -> None:
    for ending in (".keras", ".h5"):
        with caplog.at_level(logging.INFO, logger="kerastorch"):
            model: Any = kt.load_model(goldens / version / f"trained{ending}")
        assert "compiled with Adam, 1 step done" in caplog.text
        caplog.clear()
        optimizer = model.optimizer
        assert type(optimizer) is kt.optimizers.Adam
        assert (optimizer.iterations, optimizer.beta_1) == (1, 0.8)
        assert np.float32(optimizer.learning_rate) == np.float32(0.01)  # which is what Keras keeps


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_not_read_of_an_optimizer_is_named(goldens: Path, version: str) -> None:
    for ending in MODELS["trained"].formats:
        model = kt.load_model(goldens / version / "trained.keras")
        report = kt.load_weights(model, goldens / version / f"trained{ending}")
        notes = [item.what for item in report.skipped if item.what.startswith("optimizer")]
        assert len(notes) == 1
        if ending == ".h5":
            assert notes[0].startswith("optimizer 'Adam' (learning_rate 0.01, ")
            assert "beta_1 0.8" in notes[0]
        # Two moments of each of the seven trained weights, steps and rate; in a tree the inner model's own two.
        assert int(notes[0].rpartition(": ")[2].removesuffix(" arrays")) == (16 if ending == ".h5" else 2)


def test_info_names_the_optimizer(goldens: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ending in (".keras", ".h5"):
        assert main(["info", str(goldens / VERSIONS[-1] / f"trained{ending}")]) == 0
        assert "optimizer 'Adam' (learning_rate 0.01, " in capsys.readouterr().out


@pytest.mark.parametrize("version", VERSIONS)
def test_no_golden_is_missing_or_unused(goldens: Path, version: str) -> None:
    wanted = {f"{name}{ending}" for name, ending in expected_files(version)} | {f"{name}.npz" for name in MODELS}
    assert {path.name for path in (goldens / version).iterdir()} == wanted


def test_the_goldens_are_small() -> None:
    sizes = {path: path.stat().st_size for path in FOLDER.parent.rglob("*.zip")}
    # What some 20,000 calls and configs give, and what Keras answered to hundreds.
    kept = {path for path in sizes if "outcomes" in path.parts or path.name == "layers.zip"}
    assert sum(size for path, size in sizes.items() if path not in kept) < 1_100_000
    assert sum(sizes[path] for path in kept) < 2_000_000
