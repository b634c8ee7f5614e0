"""Writing archives: what was read comes back, the same bytes each time, and never half a file."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _goldens import expected_files, unpack

from kerastorch.errors import SaveError
from kerastorch.files import Archive, LegacyWeights, TreeWeights, open_archive
from kerastorch.files._values import Array, LegacyLayer, TreeObject
from kerastorch.files.write import in_memory, write_archive

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("goldens"))


def content(weights: Any) -> Any:
    """The whole content as plain values, every array as its dtype, shape and bytes."""

    def plain(array: Array) -> tuple[Any, ...]:
        return array.dtype, array.shape, array.read().tobytes()

    if isinstance(weights, TreeWeights):
        return {path: (item.name, [plain(array) for array in item.arrays]) for path, item in weights.objects.items()}
    assert isinstance(weights, LegacyWeights)
    layers = [(layer.name, [(name, plain(array)) for name, array in layer.weights]) for layer in weights.layers]
    return layers, [(name, plain(array)) for name, array in weights.top_level]


@pytest.mark.parametrize(("packed", "case", "ending"), expected_files())
def test_what_was_read_comes_back(goldens: Path, tmp_path: Path, packed: str, case: str, ending: str) -> None:
    with open_archive(goldens / packed / f"{case}{ending}") as archive:
        write_archive(archive, tmp_path / "first")
        write_archive(archive, tmp_path / "second")
        with open_archive(tmp_path / "first") as back:
            for field in ("format", "keras_version", "config", "training_config"):
                assert getattr(back, field) == getattr(archive, field)
            assert content(back.weights) == content(archive.weights)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def memory_array(where: str, values: np.ndarray, dtype: str | None = None) -> Array:
    return Array(where, tuple(values.shape), dtype or values.dtype.name, lambda: values)


def tree(**objects: np.ndarray) -> Archive:
    stored = {path: TreeObject((memory_array(path, values),), path) for path, values in objects.items()}
    return in_memory(
        "<model>", "Keras v3 .weights.h5", keras_version="3", backend="torch", config=None, weights=TreeWeights(stored)
    )


def legacy(*layers: tuple[str, list[str]]) -> Archive:
    rng = np.random.default_rng(0)
    made = [
        LegacyLayer(name, tuple((key, memory_array(key, rng.normal(size=3).astype("float32"))) for key in keys))
        for name, keys in layers
    ]
    weights = LegacyWeights(tuple(made), ())
    return in_memory(
        "<model>", "legacy HDF5 weights", keras_version="2", backend="tensorflow", config=None, weights=weights
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int32", "int64"])
def test_every_dtype_keeps_its_bits(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (3, 4)).astype(dtype)
    write_archive(tree(dense=values, scalar=values[0, 0]), tmp_path / "m")
    with h5py.File(tmp_path / "m") as file:  # the HDF5 library's own word
        np.testing.assert_array_equal(file["dense/vars/0"][()], values)
        assert file["dense/vars/0"].dtype == values.dtype
        assert file["scalar/vars/0"].shape == ()
        assert file["dense/vars"].attrs["name"] == "dense"
        assert "vars" in file


def test_bfloat16_is_two_bytes_whose_name_stands_beside_them(tmp_path: Path) -> None:
    bits = np.arange(6, dtype="uint16").reshape(2, 3)
    stored = TreeWeights({"d": TreeObject((memory_array("d", bits, "bfloat16"),), None)})
    archive = in_memory("", "Keras v3 .weights.h5", keras_version="3", backend="", config=None, weights=stored)
    write_archive(archive, tmp_path / "m")
    with open_archive(tmp_path / "m") as back:
        assert isinstance(back.weights, TreeWeights)
        array = back.weights.objects["d"].arrays[0]
        assert array.dtype == "bfloat16"
        np.testing.assert_array_equal(array.read(), bits)


def test_long_lists_of_names_are_cut_as_keras_cuts_them(tmp_path: Path) -> None:
    names = [f"{'layer' * 30}_{i}" for i in range(1000)]  # 155 kB
    write_archive(legacy(*((name, []) for name in names)), tmp_path / "m")
    with h5py.File(tmp_path / "m") as file:
        assert "layer_names" not in file.attrs
        pieces = [file.attrs[f"layer_names{i}"] for i in range(3)]
        assert [name.decode() for piece in pieces for name in piece] == names
    with open_archive(tmp_path / "m") as back:
        assert isinstance(back.weights, LegacyWeights)
        assert [layer.name for layer in back.weights.layers] == names


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (legacy(("a", ["k"]), ("a/k", [])), r"'a/k': two layers, or a layer and a part of another one's name"),
        (legacy(("a", ["k", "k"])), r"layer 'a' has two weights called 'k'"),
        (legacy(("a" * 70000, [])), r"a name of 70,000 bytes does not fit"),
        (legacy(("a\0", ["k"])), r"a name without NUL"),
        (legacy(("a\ud800", ["k"])), r"a name without NUL"),
        *((legacy((name, ["k"])), r"is a path to another one") for name in ("..", "a/../b", "/a", "a/", "./a")),
    ],
)
def test_names_that_cannot_stand_in_a_file_are_refused(tmp_path: Path, archive: Archive, message: str) -> None:
    (tmp_path / "m").write_bytes(b"old")
    with pytest.raises(SaveError, match=message):
        write_archive(archive, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m"]


def test_a_failure_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    def fail() -> np.ndarray:
        raise OSError(28, "No space left on device")

    stored = TreeWeights({"d": TreeObject((memory_array("d", np.zeros(9)), Array("e", (9,), "float64", fail)), None)})
    archive = in_memory("", "Keras v3 .keras zip", keras_version="3", backend="", config={}, weights=stored)
    (tmp_path / "m").write_bytes(b"old")
    with pytest.raises(SaveError, match=r"m': cannot be written \(No space left on device\); nothing was changed"):
        write_archive(archive, tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m"]


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"old")
    (tmp_path / "m").chmod(0o640)
    (tmp_path / "link").symlink_to("m")
    write_archive(tree(d=np.zeros(2)), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640
    assert open_archive(tmp_path / "m").format == "Keras v3 .weights.h5"
    before = os.umask(0o027)
    try:
        write_archive(tree(d=np.zeros(2)), tmp_path / "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_places_that_cannot_be_written_to_are_told(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match=r"No such file or directory\)\. Check that the folder exists"):
        write_archive(tree(d=np.zeros(2)), tmp_path / "none" / "m")
    with pytest.raises(SaveError, match="this is a folder, a pipe or a device"):
        write_archive(tree(d=np.zeros(2)), tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SaveError, match="this is a folder, a pipe or a device"):
        write_archive(tree(d=np.zeros(2)), tmp_path / "pipe")


# Imports once; then, for each line that it reads, a fork of it saves on and on until it is killed.
_SAVES = """
import os, sys
import numpy as np
sys.path[:0] = sys.argv[3:]
from kerastorch.files._values import Array, TreeObject, TreeWeights
from kerastorch.files.write import in_memory, write_archive
values = np.full((400, 500), 7.0)
arrays = tuple(Array(str(i), values.shape, "float64", lambda: values) for i in range(60))
weights = TreeWeights({"d": TreeObject(arrays, None)})
archive = in_memory("", sys.argv[2], keras_version="3", backend="", config={}, weights=weights)
write_archive(archive, sys.argv[1])
for _ in sys.stdin:
    child = os.fork()
    while child == 0:
        write_archive(archive, sys.argv[1])
    print(child, flush=True)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.parametrize("form", ["Keras v3 .keras zip", "Keras v3 .weights.h5"])
def test_a_killed_process_leaves_a_whole_file(tmp_path: Path, form: str) -> None:
    """Kill -9 at 6 moments of a save that takes about 0.2 s: what stands there is whole each time."""
    target = tmp_path / "m"
    command = [sys.executable, "-c", _SAVES, str(target), form, str(ROOT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for moment in range(6):
            print("save", file=process.stdin, flush=True)
            child = int(process.stdout.readline())
            time.sleep(0.05 * moment)
            os.kill(child, signal.SIGKILL)
            assert int(process.stdout.readline()) == signal.SIGKILL
            with open_archive(target) as archive:
                assert isinstance(archive.weights, TreeWeights)
                arrays = archive.weights.objects["d"].arrays
                assert len(arrays) == 60
                assert all((array.read() == 7.0).all() for array in arrays)
    # The last kill came in the middle or not; what it left, and all before it, is gone with the next save.
    write_archive(tree(d=np.zeros(2)), target)
    assert os.listdir(tmp_path) == ["m"]
