"""Sharded weights: the union of all shards or nothing, whatever the index says."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _made_files import SHARED, all_arrays
from _needs import SHARED_FILES, needs

import kerastorch as kt
from kerastorch.errors import CorruptFileError, LoadError, MissingFileError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Limits, TreeWeights, open_archive

INDEX = "model.weights.json"


def write_shards(
    folder: Path, shards: list[dict[str, np.ndarray]], names: dict[str, str] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Shards of arrays by path ("layers/dense/vars/0"), as Keras 3.10 writes them, and their index."""
    shards_of: dict[str, list[str]] = {}
    for number, arrays in enumerate(shards):
        shard = f"model_{number:05}.weights.h5"
        with h5py.File(folder / shard, "w") as file:
            for path, array in arrays.items():
                file[path] = array
                held = shards_of.setdefault("/" + path.rpartition("/")[0], [])
                held += [] if shard in held else [shard]
            for path, name in (names or {}).items() if number == 0 else ():
                file.require_group(path).attrs["name"] = name
    total = float(sum(array.nbytes for arrays in shards for array in arrays.values()))
    index = {
        "metadata": {"total_size": total},
        "weight_map": {key: held[0] if len(held) == 1 else held for key, held in shards_of.items()},
    }
    (folder / INDEX).write_text(json.dumps(index, indent=4))
    return folder / INDEX, index


@pytest.fixture
def arrays(rng: np.random.Generator) -> list[dict[str, np.ndarray]]:
    """Two Dense layers; the second one's bias stands in the second shard, beside the optimizer's state."""
    shapes = {"layers/dense/vars/0": (3, 4), "layers/dense/vars/1": (4,), "layers/dense_1/vars/0": (4, 2)}
    first = {path: rng.normal(size=shape).astype("f4") for path, shape in shapes.items()}
    return [first, {"layers/dense_1/vars/1": rng.normal(size=2).astype("f4"), "optimizer/vars/0": np.array(3)}]


def test_the_variables_of_one_object_stand_in_two_shards(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    names = {"vars": "model", "layers/dense/vars": "a", "layers/dense_1/vars": "b"}
    path, _ = write_shards(tmp_path, arrays, names)
    with open_archive(path) as archive:
        assert archive.format == "Keras v3 sharded weights"
        assert isinstance(archive.weights, TreeWeights)
        assert {key: (item.name, len(item.arrays)) for key, item in archive.weights.objects.items()} == {
            "": ("model", 0),
            "layers/dense": ("a", 2),
            "layers/dense_1": ("b", 2),
        }
        wanted = {**arrays[0], **arrays[1]}
        for array in all_arrays(archive):
            shard, _, place = array.where.partition(": ")
            assert place in arrays[int(shard[len("model_") : -len(".weights.h5")])]
            assert np.array_equal(array.read(), wanted[place])
        assert archive.skipped == ()
        assert archive.optimizer is not None
        assert [int(array.read()) for _, array in archive.optimizer.arrays] == [3]


def test_into_a_model(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    path, _ = write_shards(tmp_path, arrays)
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(4), kt.layers.Dense(2)])
    report = kt.load_weights(model, path)
    wanted = [*arrays[0].values(), arrays[1]["layers/dense_1/vars/1"]]
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(model.get_weights(), wanted, strict=True))
    assert report.assigned[3][1] == "model_00001.weights.h5: layers/dense_1/vars/1"


@needs(SHARED.exists(), SHARED_FILES)
def test_what_keras_wrote() -> None:
    with open_archive(SHARED / "layouts" / "special" / "shard.weights.json") as archive:
        assert sorted(array.shape for array in all_arrays(archive)) == [(3,), (5,), (5, 3), (6, 5)]


def change(function: Callable[[dict[str, Any]], Any]) -> Callable[[Path, dict[str, Any]], None]:
    def apply(folder: Path, index: dict[str, Any]) -> None:
        function(index)
        (folder / INDEX).write_text(json.dumps(index))

    return apply


def remap(names: Any, key: str = "/layers/dense/vars") -> Callable[[Path, dict[str, Any]], None]:
    return change(lambda index: index["weight_map"].update({key: names}))


def twice(folder: Path, index: dict[str, Any]) -> None:
    """The same variable in both shards, and an index that says so."""
    with h5py.File(folder / "model_00001.weights.h5", "r+") as file:
        file["layers/dense/vars/0"] = np.zeros((3, 4), "f4")
    index["weight_map"]["/layers/dense/vars"] = ["model_00000.weights.h5", "model_00001.weights.h5"]
    index["metadata"]["total_size"] += 48.0
    (folder / INDEX).write_text(json.dumps(index))


def gap(folder: Path, index: dict[str, Any]) -> None:
    with h5py.File(folder / "model_00000.weights.h5", "r+") as file:
        file["layers/dense/vars/7"] = file["layers/dense/vars/1"][()]
        del file["layers/dense/vars/1"]


def foreign(folder: Path, index: dict[str, Any]) -> None:
    with h5py.File(folder / "model_00001.weights.h5", "r+") as file:
        file["layers/other/vars/0"] = np.zeros(2, "f4")


def cut(folder: Path, index: dict[str, Any]) -> None:
    path = folder / "model_00001.weights.h5"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda folder, index: (folder / "model_00001.weights.h5").unlink(), MissingFileError, "model_00001.*no such"),
        (lambda folder, index: (folder / "model_00000.weights.h5").unlink(), MissingFileError, "model_00000.*no such"),
        (change(lambda index: index["metadata"].update(total_size=1.0)), CorruptFileError, "have 1 byte,.*hold 112"),
        (change(lambda index: index["metadata"].update(total_size="1")), UnsafeFileError, "does not say which shard"),
        (change(lambda index: index["metadata"].update(total_size=True)), UnsafeFileError, "does not say which shard"),
        (change(lambda index: index.pop("metadata")), UnsafeFileError, "does not say which shard"),
        (change(lambda index: index.update(weight_map=[])), UnsafeFileError, "does not say which shard"),
        (change(lambda index: index["weight_map"].pop("/layers/dense_1/vars")), CorruptFileError, "does not name"),
        (remap("model_00001.weights.h5"), CorruptFileError, "'layers/dense' stand in .*they stand in"),
        (remap([]), UnsafeFileError, "no names of shards"),
        (remap(None), UnsafeFileError, "no names of shards"),
        (remap(3), UnsafeFileError, "no names of shards"),
        (remap(["model_00000.weights.h5", 0]), UnsafeFileError, "no names of shards"),
        (remap(["model_00000.weights.h5"] * 2), UnsafeFileError, "no names of shards"),
        (remap("../model_00000.weights.h5"), UnsafeFileError, "no names of shards"),
        (remap("/etc/passwd"), UnsafeFileError, "no names of shards"),
        (remap("a\\model.weights.h5"), UnsafeFileError, "no names of shards"),
        (remap("a\0.weights.h5"), UnsafeFileError, "no names of shards"),
        (remap(".."), UnsafeFileError, "no names of shards"),
        (remap(""), UnsafeFileError, "no names of shards"),
        (remap("x" * 2000 + ".weights.h5"), UnsafeFileError, "no names of shards"),
        (remap("model_00000.weights.h5", "layers/dense/vars"), UnsafeFileError, "names an object"),
        (remap("model_00000.weights.h5", "/layers/../vars"), UnsafeFileError, "names an object"),
        (remap("model_00000.weights.h5", "/layers/dense"), UnsafeFileError, "names an object"),
        (remap("model_00000.weights.h5", "/layers/more/vars"), CorruptFileError, "'layers/more' stand in"),
        (twice, UnsafeFileError, "'0' stands in two shards"),
        (gap, UnsupportedFileError, "expected 0 to 1"),
        (foreign, CorruptFileError, "'layers/other'.*index does not name"),
        (cut, CorruptFileError, "model_00001.*ends at|model_00001.*says itself"),
        (lambda folder, index: (folder / "model_00001.weights.h5").write_bytes(b""), CorruptFileError, "model_00001"),
    ],
)  # fmt: skip
def test_anything_less_than_all_shards_is_refused(
    tmp_path: Path,
    arrays: list[dict[str, np.ndarray]],
    damage: Callable[[Path, dict[str, Any]], None],
    error: type[LoadError],
    message: str,
) -> None:
    path, index = write_shards(tmp_path, arrays)
    open_archive(path).close()
    damage(tmp_path, index)
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(4), kt.layers.Dense(2)])
    before = model.get_weights()
    with pytest.raises(error, match=f"(?s){message}") as caught:
        kt.load_weights(model, path)
    assert type(caught.value) is error
    assert str(path) in str(caught.value) or "model_0000" in str(caught.value)
    assert all(np.array_equal(mine, old) for mine, old in zip(model.get_weights(), before, strict=True))


def test_an_index_without_its_folder(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    path, _ = write_shards(tmp_path, arrays)
    with pytest.raises(UnsupportedFileError, match="pass its path"):
        open_archive(io.BytesIO(path.read_bytes()))


def test_the_number_of_shards_is_bounded(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    path, _ = write_shards(tmp_path, arrays)
    open_archive(path, Limits(shards=2)).close()
    with pytest.raises(UnsafeFileError, match=r"2 shards, the limit is 1\. .*kt\.Limits\(shards="):
        open_archive(path, Limits(shards=1))


def test_a_link_stays_in_its_folder(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    path, _ = write_shards(inside, arrays)
    shard = inside / "model_00001.weights.h5"
    shard.rename(inside / "renamed.h5")
    shard.symlink_to("renamed.h5")
    open_archive(path).close()
    (inside / "renamed.h5").rename(outside / "renamed.h5")
    shard.unlink()
    shard.symlink_to(outside / "renamed.h5")
    with pytest.raises(UnsafeFileError, match="a link out of its folder"):
        open_archive(path)


def test_the_cache_of_hugging_face(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    snapshot, blobs = tmp_path / "models--x" / "snapshots" / "abc", tmp_path / "models--x" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    path, _ = write_shards(snapshot, arrays)
    for number, item in enumerate(sorted(snapshot.iterdir())):
        shutil.move(item, blobs / f"{number}")
        item.symlink_to(Path("..") / ".." / "blobs" / f"{number}")
    with open_archive(path) as archive:
        assert len(list(all_arrays(archive))) == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_shard_that_is_a_pipe(tmp_path: Path, arrays: list[dict[str, np.ndarray]]) -> None:
    path, _ = write_shards(tmp_path, arrays)
    shard = tmp_path / "model_00001.weights.h5"
    shard.unlink()
    os.mkfifo(shard)
    with pytest.raises(LoadError, match="a pipe or a device"):
        open_archive(path)
