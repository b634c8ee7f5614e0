from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from _made_files import Maker, shared_files
from _needs import SHARED_FILES, needs
from make_goldens import GOLDENS
from make_goldens_tensorflow import unpack


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shared_file" in metafunc.fixturenames:
        skip = pytest.param(None, marks=needs(False, SHARED_FILES))
        paths = shared_files()
        metafunc.parametrize("shared_file", paths or [skip], ids=["/".join(p.parts[-2:]) for p in paths] or ["none"])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240517)


@pytest.fixture
def make(tmp_path: Path, rng: np.random.Generator) -> Maker:
    return Maker(tmp_path, rng)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden SavedModels and checkpoints, and the files of Keras of the same models."""
    folder = tmp_path_factory.mktemp("tensorflow")
    unpack(folder)
    with zipfile.ZipFile(GOLDENS / "tf_keras.zip") as archive:
        archive.extractall(folder)
    return folder
