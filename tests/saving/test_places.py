"""Where save_model writes, and what it says of Keras's other arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import ArgumentError, KerasTorchError, SaveError, UnsupportedError
from kerastorch.spec import TrainingConfig, Writer


def model() -> Sequential:
    return Sequential([Input((3,)), layers.Dense(2)])


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5"])
def test_a_file_is_not_replaced_where_that_is_not_wanted(tmp_path: Path, name: str) -> None:
    path, net = tmp_path / name, model()
    save = net.save_weights if "weights" in name else net.save
    save(path, overwrite=False)
    before = path.read_bytes()
    net.set_weights([array + 1 for array in net.get_weights()])
    with pytest.raises(SaveError, match=r"there is a file '.*', and overwrite is False; give another path"):
        save(path, overwrite=False)
    assert path.read_bytes() == before
    save(path)
    assert path.read_bytes() != before


def test_the_format_is_named_or_follows_from_the_path(tmp_path: Path) -> None:
    net = model()
    assert net.save(tmp_path / "m.hdf5", save_format="h5").format == "legacy HDF5 model"
    assert net.save(tmp_path / "m.keras", save_format="keras").format == "Keras v3 .keras zip"
    net.save(tmp_path / "without_end", save_format="h5")
    assert kt.load_model(tmp_path / "without_end").name == net.name


def test_how_it_was_compiled_is_left_out_of_the_older_format(tmp_path: Path) -> None:
    net, path = model(), tmp_path / "m.h5"
    config = {
        "loss": "mse",
        "metrics": None,
        "optimizer_config": {"class_name": "SGD", "config": {"learning_rate": 0.1}},
    }
    net.training_config = TrainingConfig(json.dumps(config), "h5", Writer("keras3", "3.15.1"))
    for include in (True, False):
        net.save(path, include_optimizer=include)
        with h5py.File(path) as file:
            assert ("training_config" in file.attrs) is include


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_format": "tf"}, UnsupportedError, "a SavedModel holds TensorFlow code, .* leave save_format out"),
        ({"save_format": "pb"}, ArgumentError, r"save_format: expected one of \['keras', 'h5', 'tf'\], got 'pb'"),
        ({"save_format": "h5"}, ArgumentError, r"save_format='h5', but the path ends in \.keras"),
        ({"zipped": False}, UnsupportedError, "zipped=False: a model is written into one file"),
        ({"overwrite": 2}, ArgumentError, "overwrite: expected True or False, got 2"),
        ({"include_optimizer": "no"}, ArgumentError, "include_optimizer: expected True or False, got 'no'"),
        ({"signatures": {}}, UnsupportedError, "save: got 'dict', which is TensorFlow's own for a SavedModel"),
    ],
)
def test_what_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], error: type[KerasTorchError], message: str
) -> None:
    with pytest.raises(error, match=message):
        model().save(tmp_path / "m.keras", **options)
    assert not list(tmp_path.iterdir())


def test_loading_takes_what_keras_takes(tmp_path: Path) -> None:
    path, net = tmp_path / "m.keras", model()
    net.save(path)
    with pytest.raises(ArgumentError, match="load_model: safe_mode: expected True or False, got None"):
        kt.load_model(path, safe_mode=None)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="max_shard_size=1: weights are written into one file"):
        net.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)
    with pytest.raises(UnsupportedError, match="load_weights: got 'int', which is TensorFlow's own"):
        net.load_weights(path, options=1)  # type: ignore[arg-type]
