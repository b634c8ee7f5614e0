"""What `open_archive` finds in an HDF5 file: layers, arrays and their order, of the old form and of the tree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _made_files import Maker, all_arrays, check

from kerastorch.errors import CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import LegacyWeights, Skipped, TreeWeights, open_archive


def test_legacy_model(make: Maker) -> None:
    path, arrays = make.legacy(config={"class_name": "Sequential", "config": {"name": "s"}})
    with open_archive(path) as archive:
        check(archive, arrays)
        assert (archive.path, archive.format) == (str(path), "legacy HDF5 model")
        assert (archive.keras_version, archive.backend) == ("2.4.0", "tensorflow")
        assert archive.config == {"class_name": "Sequential", "config": {"name": "s"}}
        assert archive.training_config is None
        assert archive.skipped == ()
        assert isinstance(archive.weights, LegacyWeights)
        assert [layer.name for layer in archive.weights.layers] == ["lstm", "dense"]
        assert [name for name, _ in archive.weights.layers[0].weights] == ["lstm/kernel:0", "lstm/bias:0"]
        assert archive.weights.top_level == ()


def test_the_order_is_that_of_the_lists(make: Maker) -> None:
    path, _ = make.legacy()
    with h5py.File(path, "a") as file:
        file["model_weights"].attrs["layer_names"] = [b"dense", b"lstm"]
        file["model_weights/lstm"].attrs["weight_names"] = [b"lstm/bias:0", b"lstm/kernel:0"]
    archive = open_archive(path)
    assert isinstance(archive.weights, LegacyWeights)
    assert [layer.name for layer in archive.weights.layers] == ["dense", "lstm"]
    assert [array.shape for _, array in archive.weights.layers[1].weights] == [(5, 4), (5, 3)]


def test_legacy_parts_beside_the_weights(make: Maker, rng: np.random.Generator) -> None:
    path, _ = make.legacy()
    with h5py.File(path, "a") as file:
        file.attrs["training_config"] = json.dumps({"loss": "mse"})
        file["meta/samples"] = np.array([b"text"])
        file["model_weights/dense/left_over"] = np.zeros(2)
        file["model_weights/other"] = np.zeros(2)
        top = file.create_group("model_weights/top_level_model_weights")
        top.attrs["weight_names"] = ["scale"]
        top["scale"] = np.float32(1.5)
    archive = open_archive(path)
    assert archive.training_config == {"loss": "mse"}
    assert isinstance(archive.weights, LegacyWeights)
    assert [(name, float(array.read())) for name, array in archive.weights.top_level] == [("scale", 1.5)]
    assert set(archive.skipped) == {
        Skipped("group 'meta'", "not part of a Keras model"),
        Skipped("group 'other'", "not part of a Keras model"),
        Skipped(
            "1 array in group 'dense', the first 'model_weights/dense/left_over'",
            "not listed as weights of a layer",
        ),
    }


def test_a_broken_training_config_is_reported(make: Maker) -> None:
    path, arrays = make.legacy()
    with h5py.File(path, "a") as file:
        file.attrs["training_config"] = '{"loss": NaN, "loss": NaN}'
    archive = open_archive(path)
    check(archive, arrays)
    assert archive.training_config is None
    assert [skipped.what for skipped in archive.skipped] == ["training_config"]
    assert "has the key 'loss' twice" in archive.skipped[0].reason
    assert archive.skipped[0].warns


def test_legacy_weights_at_the_root(make: Maker, tmp_path: Path) -> None:
    path, arrays = make.legacy()
    bare = tmp_path / "weights.hdf5"
    with h5py.File(path) as source, h5py.File(bare, "w") as target:
        for name in source["model_weights"]:
            source.copy(f"model_weights/{name}", target)
        target.attrs["layer_names"] = source["model_weights"].attrs["layer_names"]
        target.attrs["keras_version"] = "2.1.5"
    archive = open_archive(bare)
    check(archive, {where.removeprefix("model_weights/"): data for where, data in arrays.items()})
    assert (archive.format, archive.keras_version, archive.backend) == ("legacy HDF5 weights", "2.1.5", None)
    assert archive.config is None
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    archive = open_archive(path)
    check(archive, arrays)
    assert archive.format == "legacy HDF5 weights"


def test_layers_whose_names_hold_slashes_or_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["input", "conv1/7x7", "conv1/bn"]
        for name, weights in (("input", []), ("conv1/7x7", ["conv1/7x7/k:0"]), ("conv1/bn", ["k:0"])):
            group = file.create_group(name)
            group.attrs["weight_names"] = weights
            for weight in weights:
                group[weight] = np.float32(len(name))
    archive = open_archive(path)
    assert isinstance(archive.weights, LegacyWeights)
    assert [(layer.name, [float(a.read()) for _, a in layer.weights]) for layer in archive.weights.layers] == [
        ("input", []),
        ("conv1/7x7", [9.0]),
        ("conv1/bn", [8.0]),
    ]
    assert archive.skipped == ()


def cut_names(path: Path, numbers: list[int], both: bool = False) -> None:
    """Spread three layer names over numbered attributes."""
    with h5py.File(path, "w") as file:
        names = ["a", "b", "c"]
        for number, name in zip(numbers, names, strict=True):
            file.attrs[f"layer_names{number}"] = [name]
            file.create_group(name).attrs["weight_names"] = []
        if both:
            file.attrs["layer_names"] = names


def test_long_lists_of_names_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    cut_names(path, [0, 1, 2])
    archive = open_archive(path)
    assert isinstance(archive.weights, LegacyWeights)
    assert [layer.name for layer in archive.weights.layers] == ["a", "b", "c"]
    cut_names(path, [0, 1, 3])
    with pytest.raises(CorruptFileError, match="numbered pieces, and one of them is missing"):
        open_archive(path)
    cut_names(path, [0, 1, 2], both=True)
    with pytest.raises(UnsafeFileError, match="in one piece and in numbered pieces"):
        open_archive(path)


@pytest.mark.parametrize(
    ("where", "key", "value", "error", "message"),
    [
        ("model_weights", "layer_names", ["lstm", "lstm"], UnsafeFileError, "the name 'lstm' stands twice"),
        ("model_weights", "layer_names", ["../x"], UnsafeFileError, "'../x' is not a plain name"),
        ("model_weights", "layer_names", ["/lstm"], UnsafeFileError, "'/lstm' is not a plain name"),
        ("model_weights", "layer_names", [""], UnsafeFileError, "'' is not a plain name"),
        ("model_weights", "layer_names", ["gone"], CorruptFileError, "the layer 'gone' is listed but is not there"),
        ("model_weights", "layer_names", "lstm", CorruptFileError, "holds str, expected a list of names"),
        ("model_weights", "layer_names", 3, CorruptFileError, "holds int, expected a list of names"),
        ("model_weights", "layer_names", [1.0], CorruptFileError, "holds ndarray, expected a list of names"),
        ("model_weights", "layer_names", None, CorruptFileError, "has no list of layers"),
        ("model_weights/lstm", "weight_names", None, CorruptFileError, "has no list of its weights"),
        ("model_weights/lstm", "weight_names", ["x"], CorruptFileError, "the array 'x' is listed but is not there"),
        ("model_weights/lstm", "weight_names", ["lstm"], CorruptFileError, "the array 'lstm' is listed but is not"),
        ("/", "model_config", 3, CorruptFileError, "expected JSON text"),
        ("/", "model_config", "[]", CorruptFileError, "expected an object"),
        ("/", "model_config", '{"a": 1, "a": 2}', UnsafeFileError, "twice"),
    ],
)
def test_legacy_lists_that_lie(
    make: Maker, where: str, key: str, value: Any, error: type[LoadError], message: str
) -> None:
    path, _ = make.legacy()
    with h5py.File(path, "a") as file:
        del file[where].attrs[key]
        if value is not None:
            file[where].attrs[key] = value
    with pytest.raises(error, match=message) as caught:
        open_archive(path)
    assert type(caught.value) is error
    assert str(caught.value).startswith(f"{path}: ")


def test_one_array_under_two_names(make: Maker) -> None:
    path, _ = make.legacy()
    with h5py.File(path, "a") as file:
        group = file["model_weights/lstm"]
        del group["lstm/bias:0"]
        group["lstm/bias:0"] = group["lstm/kernel:0"]
    with pytest.raises(UnsafeFileError, match="the same array as 'model_weights/lstm/lstm/kernel:0'"):
        open_archive(path)


def test_arrays_that_share_bytes(make: Maker) -> None:
    for path, one, two in (
        (make.legacy()[0], "model_weights/lstm/lstm/kernel:0", "model_weights/lstm/lstm/bias:0"),
        (make.tree()[0], "layers/dense/vars/7", "layers/lstm/cell/vars/2"),
    ):
        content = path.read_bytes()
        with h5py.File(path) as file:
            first, second = (file[name].id.get_offset() for name in (one, two))
        old, new = (b"\3\1" + at.to_bytes(8, "little") for at in (second, first + 4))  # the layout messages
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, new))
        with pytest.raises(UnsafeFileError, match=f"object '{two}': it shares bytes with '{one}'"):
            open_archive(path)


def test_weights_tree(make: Maker) -> None:
    path, arrays = make.tree()
    with open_archive(path) as archive:
        check(archive, arrays)
        assert (archive.format, archive.keras_version, archive.config) == ("Keras v3 .weights.h5", None, None)
        assert isinstance(archive.weights, TreeWeights)
        objects = archive.weights.objects
        assert {path: (found.name, len(found.arrays)) for path, found in objects.items()} == {
            "": ("model", 0),
            "layers/lstm/cell": ("cell", 3),
            "layers/dense": ("dense", 12),
        }
        assert [array.shape[1] for array in objects["layers/dense"].arrays] == list(range(1, 13))
        assert archive.skipped == (Skipped("metrics: 1 array", "metric state is not read"),)
        assert archive.optimizer is not None
        assert archive.optimizer.what == "optimizer: 1 array"


def test_names_written_on_windows(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers\\lstm\\cell/vars/0"] = np.float32(4)
        file["layers\\dense/vars/0"] = np.float32(5)
        file["optimizer\\x/vars/0"] = np.float32(6)
    archive = open_archive(path)
    assert isinstance(archive.weights, TreeWeights)
    found = {where: [float(a.read()) for a in item.arrays] for where, item in archive.weights.objects.items()}
    assert found == {"layers/lstm/cell": [4.0], "layers/dense": [5.0]}
    with h5py.File(path, "a") as file:
        file["layers/dense/vars/0"] = np.float32(7)
    with pytest.raises(UnsafeFileError, match="two objects have the path 'layers/dense'"):
        open_archive(path)
    with h5py.File(path, "w") as file:
        file["layers\\..\\x/vars/0"] = np.float32(4)
    with pytest.raises(UnsafeFileError, match="not a plain name"):
        open_archive(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["2", "0"], "arrays are called '0, 2', expected 0 to 1"),
        (["00"], "expected 0 to 0"),
        (["idf_weights"], "lookup layer"),
    ],
)
def test_variables_that_no_built_in_layer_reads(tmp_path: Path, keys: list[str], message: str) -> None:
    """They may be those of a class of somebody's own; the file says under which names."""
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        for key in keys:
            file[f"layers/x/vars/{key}"] = np.float32(len(key) + float(key == "2"))
    archive = open_archive(path)
    assert isinstance(archive.weights, TreeWeights)
    found = archive.weights.objects["layers/x"]
    assert found.keys == tuple(sorted(keys))
    assert [float(array.read()) for array in found.arrays] == [len(key) + float(key == "2") for key in found.keys]
    assert isinstance(found.strange, UnsupportedFileError)
    assert re.search(message, str(found.strange))


def test_variables_are_no_groups(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/x/vars/0/x"] = np.float32(1)
    with pytest.raises(CorruptFileError, match="'0' is a group, expected an array"):
        open_archive(path)


def test_tree_that_is_no_tree(tmp_path: Path) -> None:
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/x/vars/0"] = np.float32(1)
        file["layers/y"] = file["layers/x"]
    with pytest.raises(UnsafeFileError, match="the same object stands at two places"):
        open_archive(path)
    with h5py.File(path, "w") as file:
        file["layers/x/vars/0"] = np.float32(1)
        file["layers/x/loop"] = file["layers"]
    with pytest.raises(UnsafeFileError, match="the same object stands at two places"):
        open_archive(path)
    with h5py.File(path, "w") as file:
        file["layers/x/array"] = np.float32(1)
    with pytest.raises(UnsupportedFileError, match="array outside every group `vars`"):
        open_archive(path)
    with h5py.File(path, "w") as file:
        file["layers/" + "x/" * 70 + "vars/0"] = np.float32(1)
    with pytest.raises(UnsafeFileError, match="too deep"):
        open_archive(path)


def test_bfloat16(tmp_path: Path, make: Maker) -> None:
    bits = np.array([0x3F80, 0xC049, 0x7FC0], np.uint16)
    path = tmp_path / "w.weights.h5"
    for stated in ("bfloat16", "float8", None):
        with h5py.File(path, "w") as file:
            file["layers/x/vars/0"] = bits.view("V2")
            if stated:
                file["layers/x/vars/0"].attrs["dtype"] = stated
        if stated != "bfloat16":
            with pytest.raises(UnsupportedFileError, match=r"holds opaque bytes.*expected bfloat16"):
                open_archive(path)
            continue
        (array,) = all_arrays(open_archive(path))
        assert (array.dtype, array.shape) == ("bfloat16", (3,))
        np.testing.assert_array_equal(array.read(), bits)
    legacy, _ = make.legacy()
    with h5py.File(legacy, "a") as file:
        del file["model_weights/dense/dense/kernel:0"]
        file["model_weights/dense/dense/kernel:0"] = bits.view("V2")
    array = list(all_arrays(open_archive(legacy)))[-1]
    assert array.dtype == "opaque2"
    np.testing.assert_array_equal(array.read(), bits)


@pytest.mark.parametrize("stated", [np.arange(3), np.arange(0), np.float32(2), ["float32", "x"], [b"bfloat16"]])
@pytest.mark.parametrize("key", ["name", "dtype"])
@pytest.mark.parametrize("bits", [False, True])
def test_what_an_object_says_of_itself_is_text(tmp_path: Path, bits: bool, key: str, stated: Any) -> None:
    """An array was compared as text is: numpy's ValueError came out, or a list of one word passed for the word."""
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/x/vars/0"] = np.zeros(2, "V2" if bits else "float32")
        if bits:
            file["layers/x/vars/0"].attrs["dtype"] = "bfloat16"
        file["layers/x/vars" if key == "name" else "layers/x/vars/0"].attrs[key] = stated
    with pytest.raises(CorruptFileError, match=f"its attribute `{key}` is .*, expected text"):
        open_archive(path)
