"""The containers of TensorFlow against TensorFlow."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _keras_worker import KerasWorker
from make_goldens import GOLDENS
from make_goldens_tensorflow import NAMES, OPTIMIZERS, unpack
from saving._cases import model_of, randomize
from saving.test_keras2_live import OPENED, OPENED_IDS

import kerastorch as kt
from kerastorch.errors import UnsupportedFileError
from kerastorch.files import open_archive
from kerastorch.files._bytes import OnDisk
from kerastorch.files._limits import Limits
from kerastorch.files.opening import open_file
from kerastorch.files.tensorflow.bundle import Bundle


def bundle_of(prefix: Path) -> Bundle:
    def opened(name: str) -> OnDisk:
        file = open_file(str(prefix.parent / name))
        return OnDisk(file, 0, file.size)

    return Bundle(prefix.name, opened, prefix.name, Limits(), lambda: None)


def test_every_array_is_what_tensorflow_reads(keras_worker: KerasWorker, tmp_path: Path) -> None:
    unpack(tmp_path)
    names = [*NAMES, *(f"trained_{optimizer}" for optimizer in OPTIMIZERS)]
    prefixes = [tmp_path / name / "variables" / "variables" for name in names]
    prefixes += [tmp_path / f"{name}.ckpt" for name in names]
    counted = 0
    read_there = keras_worker.call("keras2", "tensorflow_files:arrays", [*map(str, prefixes)])
    for prefix, theirs in zip(prefixes, read_there, strict=True):
        ours = bundle_of(prefix)
        assert sorted(ours.names) == sorted(theirs)
        for name, array in theirs.items():
            read = ours.array(name).read()
            assert read.dtype == array.dtype
            assert read.shape == array.shape
            assert read.tobytes() == array.tobytes()
            counted += 1
    assert counted > 250


@pytest.mark.parametrize("name", ["nested"])
def test_a_model_with_its_functions(keras_worker: KerasWorker, tmp_path: Path, name: str) -> None:
    weights = keras_worker.call("keras2", "tensorflow_files:with_functions", name, str(tmp_path / "model"))
    model = kt.load_model(tmp_path / "model")
    assert len(model.get_weights()) == len(weights)
    for mine, theirs in zip(model.get_weights(), weights, strict=True):
        assert np.array_equal(mine, theirs)


def test_names_alone(keras_worker: KerasWorker, tmp_path: Path) -> None:
    prefix = tmp_path / "old"
    values = keras_worker.call("keras2", "tensorflow_files:by_names", str(prefix), 1)
    with open_archive(prefix) as archive:
        assert archive.weights is not None
        found = {array.where: array.read() for array in archive.weights.arrays}
    assert sorted(found) == sorted(values)
    for name, array in values.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    with pytest.raises(UnsupportedFileError, match=r"TensorFlow checkpoint\), no model. Its arrays: .*basic_lstm_cell"):
        kt.load_model(prefix)


def test_the_variables_of_every_layer_stand_in_their_order(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator
) -> None:
    models: dict[Path, str] = {}
    cases: list[tuple[Any, Any]] = [*OPENED]
    for (cls, example), name in zip(cases, OPENED_IDS, strict=True):
        model, _ = model_of(cls, example, rng)
        if model.weights:
            path = tmp_path / f"{len(models)}.h5"
            kt.save_model(model, path, dialect="keras2")
            models[path] = name
            kt.save_weights(kt.load_model(path), f"{path}.written", dialect="keras2")
    keras_worker.call("keras2", "tensorflow_files:checkpoints_of", [*map(str, models)])
    taken = keras_worker.call("keras2", "tensorflow_files:restored", [*map(str, models)])
    for (path, name), (read_there, _, _) in zip(models.items(), taken, strict=True):
        model = kt.load_model(path)  # what tf-keras does not have stands there in its place
        wanted = [array.copy() for array in model.get_weights()]
        for mine, theirs in zip(wanted, read_there, strict=True):
            assert mine.dtype == theirs.dtype, name
            assert np.array_equal(mine, theirs), name
        randomize(model, rng)
        kt.load_weights(model, f"{path}.ckpt")
        for mine, theirs in zip(model.get_weights(), wanted, strict=True):
            assert np.array_equal(mine, theirs), name
    assert len(models) > 60


def test_tf_keras_takes_weights_and_optimizer_from_what_is_written_here(
    keras_worker: KerasWorker, tmp_path: Path
) -> None:
    unpack(tmp_path)
    with zipfile.ZipFile(GOLDENS / "tf_keras.zip") as archive:
        archive.extractall(tmp_path)
    files = [tmp_path / f"{name}.keras" for name in NAMES]
    files += [tmp_path / f"trained_{optimizer}.h5" for optimizer in OPTIMIZERS]
    models = [kt.load_model(file) for file in files]
    for model, file in zip(models, files, strict=True):
        model.save_weights(f"{file}.written", dialect="keras2")
    taken = keras_worker.call("keras2", "tensorflow_files:restored", [*map(str, files)])
    for model, file, (weights, steps, state) in zip(models, files, taken, strict=True):
        for mine, theirs in zip(model.get_weights(), weights, strict=True):
            assert np.array_equal(mine, theirs)
        if file.suffix == ".h5":
            with open_archive(file) as archive:
                assert archive.optimizer is not None
                wanted = [array.read() for _, array in archive.optimizer.arrays]
            assert steps == 2
            kept = [array for array in state if array.ndim or array.dtype == "int64"]
            assert len(kept) == len(wanted)
            for mine, theirs in zip(wanted, kept, strict=True):
                assert np.array_equal(mine, theirs)
    read_there = keras_worker.call("keras2", "tensorflow_files:arrays", [f"{file}.written" for file in files])
    for file, theirs in zip(files, read_there, strict=True):
        ours = bundle_of(Path(f"{file}.written"))
        assert sorted(ours.names) == sorted(theirs)
        for name, array in theirs.items():
            assert ours.array(name).read().tobytes() == array.tobytes()
