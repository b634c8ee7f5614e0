"""Loading is all or nothing: every array used, every variable set, or one error that lists everything."""

from __future__ import annotations

import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _close import apart
from _goldens import unpack

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.errors import ArgumentError, LoadError, MismatchError, NotBuiltError, UnsupportedFileError


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("goldens"))


def write_legacy(path: Path, stored: dict[str, dict[str, np.ndarray]], config: dict[str, Any] | None = None) -> Path:
    """A legacy weights file, or a full model with a config: layer -> weight name -> array."""
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["keras_version"] = "2.2.4"
            file.attrs["backend"] = "tensorflow"
        root = file.create_group("model_weights") if config is not None else file
        root.attrs["layer_names"] = [name.encode() for name in stored]
        for layer, weights in stored.items():
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in weights]
            for name, array in weights.items():
                group[name] = array
    return path


def lstm_arrays(features: int = 3, units: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"kernel": (features, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}
    return {f"lstm/{name}:0": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def small_model() -> Sequential:
    return Sequential([Input((5, 3)), layers.LSTM(2, name="lstm"), layers.Dense(1, name="dense")])


def dense_arrays(units: int = 1) -> dict[str, np.ndarray]:
    return {"dense/kernel:0": np.full((2, units), 0.5, np.float32), "dense/bias:0": np.full(units, 0.25, np.float32)}


def assert_unchanged_by(model: kt.Model, path: Path) -> str:
    """Loading raises a MismatchError and leaves every weight as it was; returns the message."""
    before = model.get_weights()
    with pytest.raises(MismatchError) as caught:
        kt.load_weights(model, path)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert "nothing was changed" in str(caught.value)
    return str(caught.value)


def test_every_array_arrives_and_the_report_says_so(tmp_path: Path) -> None:
    stored = {"input_1": {}, "lstm": lstm_arrays(), "dropout": {}, "dense": dense_arrays()}
    model = small_model()
    report = kt.load_weights(model, write_legacy(tmp_path / "w.h5", stored))
    arrays = [*stored["lstm"].values(), *stored["dense"].values()]
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(model.get_weights(), arrays, strict=True))
    assert [label for label, _ in report.assigned] == [
        "layer 'lstm': kernel",
        "layer 'lstm': recurrent_kernel",
        "layer 'lstm': bias",
        "layer 'dense': kernel",
        "layer 'dense': bias",
    ]
    assert report.values == 51
    assert report.assigned[0][1].endswith("lstm/lstm/kernel:0")


def test_all_problems_are_in_one_message(tmp_path: Path) -> None:
    stored = {"lstm": lstm_arrays(features=4), "dense": dense_arrays(units=3)}
    message = assert_unchanged_by(small_model(), write_legacy(tmp_path / "w.h5", stored))
    assert "3 problems" in message
    assert "wrong shape: layer 'lstm': kernel: expected (3, 8), the file has (4, 8)" in message
    assert "wrong shape: layer 'dense': kernel: expected (2, 1), the file has (2, 3)" in message
    assert "wrong shape: layer 'dense': bias: expected (1,), the file has (3,)" in message


def test_missing_and_left_over_layers(tmp_path: Path) -> None:
    message = assert_unchanged_by(small_model(), write_legacy(tmp_path / "a.h5", {"lstm": lstm_arrays()}))
    assert "missing in the file: layer 'dense': kernel (2, 1)" in message
    stored = {"lstm": lstm_arrays(), "dense": dense_arrays(), "more": {"more/kernel:0": np.zeros((3, 3), np.float32)}}
    message = assert_unchanged_by(small_model(), write_legacy(tmp_path / "b.h5", stored))
    assert "left over in the file: more/more/kernel:0 (3, 3)" in message


def test_arrays_in_another_place_are_refused_even_if_the_shapes_agree(tmp_path: Path) -> None:
    arrays = lstm_arrays(features=2)
    swapped = dict(
        zip(arrays, [arrays["lstm/recurrent_kernel:0"], arrays["lstm/kernel:0"], arrays["lstm/bias:0"]], strict=True)
    )
    renamed = {
        "lstm/recurrent_kernel:0": swapped["lstm/kernel:0"],
        "lstm/kernel:0": arrays["lstm/kernel:0"],
        "lstm/bias:0": arrays["lstm/bias:0"],
    }
    model = Sequential([Input((5, 2)), layers.LSTM(2, name="lstm")])
    message = assert_unchanged_by(model, write_legacy(tmp_path / "w.h5", {"lstm": renamed}))
    assert "expected kernel (2, 8), the file has 'lstm/recurrent_kernel:0' in its place" in message


def test_a_full_models_layer_names_must_agree_in_order(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Dense", "config": {"name": name, "units": 2, "batch_input_shape": [None, 2]}}
            for name in ("a", "b")
        ],
    }
    rng = np.random.default_rng(0)
    arrays = {
        name: {f"{name}/kernel:0": rng.normal(size=(2, 2)).astype(np.float32), f"{name}/bias:0": np.ones(2, np.float32)}
        for name in "ab"
    }
    assert kt.load_model(write_legacy(tmp_path / "good.h5", arrays, config)).count_params() == 12
    with pytest.raises(MismatchError, match="another order than the config"):
        kt.load_model(write_legacy(tmp_path / "bad.h5", {"b": arrays["b"], "a": arrays["a"]}, config))


def test_narrowing_must_be_exact(tmp_path: Path) -> None:
    exact = {name: array.astype(np.float64) for name, array in lstm_arrays().items()}
    stored = {"lstm": exact, "dense": dense_arrays()}
    kt.load_weights(small_model(), write_legacy(tmp_path / "exact.h5", stored))
    stored["lstm"]["lstm/bias:0"] = np.full(8, 0.1)
    message = assert_unchanged_by(small_model(), write_legacy(tmp_path / "inexact.h5", stored))
    assert "layer 'lstm': bias is float64 in the file and its values are not exact in torch.float32" in message
    kt.load_weights(small_model().double(), tmp_path / "inexact.h5")
    stored["dense"]["dense/bias:0"] = np.array([1], np.int64)
    message = assert_unchanged_by(small_model().double(), write_legacy(tmp_path / "integer.h5", stored))
    assert "wrong dtype: layer 'dense': bias: expected floating point, the file has int64" in message


def test_v3_weights_of_another_model(goldens: Path) -> None:
    message = assert_unchanged_by(small_model(), goldens / "keras3" / "recurrent.weights.h5")
    assert "left over in the file: " in message


def test_a_v3_array_that_is_cut_out_is_missing(goldens: Path, tmp_path: Path) -> None:
    model = kt.load_model(goldens / "keras3" / "recurrent.keras")
    path = tmp_path / "cut.weights.h5"
    path.write_bytes((goldens / "keras3" / "recurrent.weights.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(lambda name: found.append(name) if name.endswith("cell/vars/2") else None)
        del file[found[0]]
    assert "missing in the file: layer" in assert_unchanged_by(model, path)


def test_weights_need_a_built_model(goldens: Path) -> None:
    with pytest.raises(NotBuiltError, match="is not built"):
        kt.load_weights(Sequential([layers.LSTM(3)]), goldens / "keras3" / "recurrent.weights.h5")


def test_wrong_way_round(goldens: Path) -> None:
    with pytest.raises(ArgumentError, match=r"load_weights\(model, path\)"):
        kt.load_weights(str(goldens / "keras3" / "recurrent.weights.h5"), small_model())  # type: ignore[arg-type]


def test_a_weights_file_is_no_model(goldens: Path) -> None:
    with pytest.raises(UnsupportedFileError, match=r"holds weights only .* load_weights\(model, path\)"):
        kt.load_model(goldens / "keras3" / "recurrent.weights.h5")


def test_the_content_decides_and_not_the_name(goldens: Path, tmp_path: Path) -> None:
    for source, name in (("recurrent.h5", "a.keras"), ("recurrent.keras", "b.h5")):
        path = tmp_path / name
        path.write_bytes((goldens / "keras3" / source).read_bytes())
        expected = kt.load_model(goldens / "keras3" / source).get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(kt.load_model(path).get_weights(), expected, strict=True))


def test_loaded_weights_do_not_depend_on_the_file(goldens: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes((goldens / "keras3" / "recurrent.keras").read_bytes())
    model = kt.load_model(path)
    before = model.get_weights()
    path.write_bytes(b"\0" * path.stat().st_size)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()


def test_the_report_is_logged(goldens: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="kerastorch"):
        kt.load_model(goldens / "tf_keras" / "recurrent.h5")
    assert "legacy HDF5 model" in caplog.text
    assert "arrays" in caplog.text


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": "s",
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "InputLayer",
                    "config": {"batch_shape": [None, 2], "name": "i"},
                },
                {
                    "module": "keras.layers",
                    "class_name": "Lambda",
                    "config": {
                        "name": "evil",
                        "function": {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None}},
                    },
                },
                {"module": "os", "class_name": "system", "config": {"name": "worse", "command": "echo"}},
            ],
        },
    }
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file.create_group("layers")
        archive.write(tmp_path / "w.h5", "model.weights.h5")
    with pytest.raises(UnsupportedFileError) as caught:
        kt.load_model(path)
    assert "'Lambda' 'evil'" in str(caught.value)
    assert "'system' (a class of one's own) 'worse'" in str(caught.value)
    assert "never run" in str(caught.value)


def test_model_from_json_of_several_versions() -> None:
    keras2 = {
        "class_name": "Sequential",
        "config": [
            {
                "class_name": "LSTM",
                "config": {
                    "units": 2,
                    "recurrent_activation": "hard_sigmoid",
                    "batch_input_shape": [None, 4, 3],
                    "name": "l",
                },
            }
        ],
        "keras_version": "2.1.0",
        "backend": "tensorflow",
    }
    old = kt.model_from_json(json.dumps(keras2))
    new = kt.model_from_json(json.dumps({**keras2, "keras_version": "3.5.0"}))
    weights = [array * 4 for array in old.get_weights()]
    old.set_weights(weights)
    new.set_weights(weights)
    x = torch.randn(2, 4, 3)
    assert apart(old(x), new(x))  # hard_sigmoid was redefined
    with pytest.raises(LoadError, match="model_from_json"):
        kt.model_from_json("[1, 2]")
    with pytest.raises(ArgumentError, match="expected JSON text"):
        kt.model_from_json(keras2)  # type: ignore[arg-type]
