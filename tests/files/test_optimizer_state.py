"""The arrays of the optimizer in each kind of file: in Keras's order, and what is said where they cannot be read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from _made_files import Maker

from kerastorch.files import OptimizerState, open_archive
from kerastorch.files.write import write_archive

NAMES = ["adam/iteration", "adam/learning_rate", "adam/dense_kernel_momentum", "adam/b"]


def _arrays(rng: np.random.Generator) -> list[np.ndarray]:
    return [np.int64(7), np.float32(0.25), rng.normal(size=(3, 2)).astype("f4"), rng.normal(size=12).astype("f4")]


def _check(state: OptimizerState | None, arrays: list[np.ndarray]) -> None:
    assert state is not None
    assert len(state.arrays) == len(arrays)
    for (_, found), expected in zip(state.arrays, arrays, strict=True):
        assert found.shape == expected.shape
        assert np.array_equal(found.read(), expected)


def _legacy(path: Path, arrays: list[np.ndarray]) -> None:
    with h5py.File(path, "a") as file:
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = NAMES
        for name, array in zip(NAMES, arrays, strict=True):
            group[name] = array


def test_legacy(make: Maker, rng: np.random.Generator, tmp_path: Path) -> None:
    (path, _), arrays = make.legacy(), _arrays(rng)
    _legacy(path, arrays)
    with open_archive(path) as archive:
        _check(archive.optimizer, arrays)
        assert archive.optimizer is not None
        assert archive.optimizer.what == "optimizer: 4 arrays"
        assert [name for name, _ in archive.optimizer.arrays] == NAMES
        write_archive(archive, tmp_path / "again.h5")
    with open_archive(tmp_path / "again.h5") as archive:
        _check(archive.optimizer, arrays)


def test_tree(tmp_path: Path, rng: np.random.Generator) -> None:
    path, arrays = tmp_path / "w.weights.h5", [*_arrays(rng), *(np.float32(at) for at in range(10))]
    with h5py.File(path, "w") as file:
        file.create_group("vars")
        for at, array in enumerate(arrays):  # as text "10" stands before "2"
            file[f"optimizer/vars/{at}"] = array
        file["optimizer/vars"].attrs["name"] = "adam"
        file["optimizer/inner_optimizer/vars/0"] = np.int64(3)
    with open_archive(path) as archive:
        _check(archive.optimizer, arrays)
        assert archive.optimizer is not None
        assert (archive.optimizer.name, archive.optimizer.what) == ("adam", "optimizer 'adam': 14 arrays")
        assert archive.skipped == ()
        write_archive(archive, tmp_path / "again.weights.h5")
    with open_archive(tmp_path / "again.weights.h5") as archive:
        _check(archive.optimizer, arrays)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("no list", "no list of its arrays"),
        ("not there", "'adam/b' is listed but is not there"),
        ("a group", "'adam' is listed but is not there"),
        ("twice", "the name 'adam/b' stands twice"),
        ("upwards", "'../model_weights' is not a plain name"),
        ("one array for two", "it is the same array as"),
    ],
)
def test_legacy_that_cannot_be_read(make: Maker, rng: np.random.Generator, fault: str, said: str) -> None:
    path, _ = make.legacy()
    _legacy(path, _arrays(rng))
    with h5py.File(path, "a") as file:
        group = file["optimizer_weights"]
        if fault == "no list":
            del group.attrs["weight_names"]
        elif fault == "not there":
            del group["adam/b"]
        elif fault == "one array for two":
            del group["adam/b"]
            group["adam/b"] = group["adam/dense_kernel_momentum"]
        else:
            added = {"a group": "adam", "twice": "adam/b", "upwards": "../model_weights"}[fault]
            group.attrs["weight_names"] = [*NAMES, added]
    with open_archive(path) as archive:
        assert archive.weights is not None
        assert archive.optimizer is None
        (note,) = archive.skipped
        assert note.what == "optimizer"
        assert note.reason.startswith("its state cannot be read: ")
        assert said in note.reason


@pytest.mark.parametrize(
    ("key", "said"), [("7", "expected 0 to 4"), ("x", "expected 0 to 4"), ("4", "'4' is a group"), ("3", "same array")]
)
def test_a_tree_that_cannot_be_read(tmp_path: Path, rng: np.random.Generator, key: str, said: str) -> None:
    path, arrays = tmp_path / "w.weights.h5", _arrays(rng)
    with h5py.File(path, "w") as file:
        file.create_group("vars")
        for at, array in enumerate(arrays):
            file[f"optimizer/vars/{at}"] = array
        if key == "3":
            del file["optimizer/vars/3"]
            file["optimizer/vars/3"] = file["optimizer/vars/2"]
        elif key == "4":
            file.create_group("optimizer/vars/4")
        else:
            file[f"optimizer/vars/{key}"] = np.float32(1)
    with open_archive(path) as archive:
        assert archive.optimizer is None
        (note,) = archive.skipped
        assert note.what == "optimizer"
        assert said in note.reason
