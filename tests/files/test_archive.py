"""`open_archive`: told by content, complete, in order, and refused with a sentence that helps."""

from __future__ import annotations

import ast
import io
import os
import socket
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _made_files import Maker, all_arrays, check, open_files

import kerastorch.files
from kerastorch.errors import ArgumentError, CorruptFileError, LoadError, UnsafeFileError, UnsupportedFileError
from kerastorch.files import Limits, Skipped, open_archive


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_keras_zip(make: Maker, method: int) -> None:
    data = make.keras({"assets/words.txt": b"a\nb\n"}, method)
    _, arrays = make.tree()
    archive = open_archive(io.BytesIO(data))
    assert {array.where: array.shape for array in all_arrays(archive)} == {k: v.shape for k, v in arrays.items()}
    with zipfile.ZipFile(io.BytesIO(data)) as packed, h5py.File(io.BytesIO(packed.read("model.weights.h5"))) as file:
        check(archive, {array.where: file[array.where][()] for array in all_arrays(archive)})
    assert (archive.path, archive.format, archive.keras_version) == ("<stream>", "Keras v3 .keras zip", "3.6.0")
    assert archive.config == {"class_name": "Sequential", "config": {"name": "s\u00e9q"}}
    assert (
        Skipped("1 other file in the archive, the first 'assets/words.txt'", "assets are not read") in archive.skipped
    )
    assert open_archive(io.BytesIO(make.keras({"metadata.json": b""}))).keras_version is None


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ({"model.weights.h5": b"", "model.weights.npz": b"PK"}, UnsupportedFileError, "weights are pickled.*'h5'"),
        ({"model.weights.h5": b"", "model.weights.json": b"{}"}, UnsupportedFileError, "weights are sharded"),
        ({"model.weights.h5": b""}, CorruptFileError, "has no model.weights.h5"),
        ({"config.json": b""}, CorruptFileError, "has no config.json"),
        ({"config.json": b"", "archive/data.pkl": b"x"}, UnsupportedFileError, "PyTorch.*weights_only=True"),
        ({"config.json": b"", "x/saved_model.pb": b"x"}, UnsupportedFileError, "SavedModel"),
        ({"config.json": b'{"a": 1, "a": 2}'}, UnsafeFileError, "config.json: the JSON text has the key 'a' twice"),
        ({"metadata.json": b"[]"}, CorruptFileError, "metadata.json: the JSON text is a list"),
        ({"model.weights.h5": b"longer text"}, CorruptFileError, "model.weights.h5: .*no HDF5 signature"),
    ],
)
def test_keras_zip_without_its_parts(
    make: Maker, members: dict[str, bytes], error: type[LoadError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        open_archive(io.BytesIO(make.keras(members)))
    assert type(caught.value) is error


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(2))
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(2))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", CorruptFileError, "the file is empty"),
        (b"\0" * 5_000, CorruptFileError, "not a Keras file"),
        (b"some text", CorruptFileError, "not a Keras file"),
        (npz(), UnsupportedFileError, r"set of numpy arrays \(.npz\)"),
        (npy(), UnsupportedFileError, r"a numpy array \(.npy\)"),
        (b"\x80\x04\x95\x00", UnsupportedFileError, "a pickle, and the model in it cannot be read"),
        (b"version https://git-lfs.github.com/spec/v1\n", UnsupportedFileError, "Git LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html><html>", UnsupportedFileError, "a web page"),
        (b"\x1c\x00\x00\x00TFL3", UnsupportedFileError, "TensorFlow Lite"),
        (b"\x1f\x8b\x08", UnsupportedFileError, "gzip"),
        (b'{"class_name": "Sequential"}', UnsupportedFileError, "architecture as JSON.*model_from_json"),
        (b'{"a": 1}', UnsupportedFileError, "JSON text"),
        (b"PK\x05\x06" + bytes(18), UnsupportedFileError, "an empty zip archive"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n", CorruptFileError, "needs 1 byte, 0 are left"),
        (b"\x89HDF\r\n\x1a\n\x09", UnsupportedFileError, "superblock has version 9"),
        (b"\x89HDF\r\n\x1a\n", CorruptFileError, "needs 1 byte, 0 are left"),
    ],
    ids=range(16),
)
def test_what_is_no_keras_file(tmp_path: Path, content: bytes, error: type[LoadError], message: str) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    for source in (path, str(path), io.BytesIO(content)):
        with pytest.raises(error, match=message) as caught:
            open_archive(source)
        assert type(caught.value) is error
        assert str(caught.value).startswith("<stream>: " if isinstance(source, io.BytesIO) else f"{path}: ")


def test_other_hdf5_files(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(CorruptFileError, match="an HDF5 file, but not one of Keras"):
        open_archive(path)
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = 2
        file["layer_0/param_0"] = np.zeros(3)
    with pytest.raises(UnsupportedFileError, match=r"weights of Keras 0\.x"):
        open_archive(path)


@pytest.mark.parametrize("options", [{}, {"libver": "latest", "track_order": True}])
def test_a_file_behind_a_user_block(make: Maker, options: dict[str, Any]) -> None:
    path, arrays = make.legacy(userblock_size=1024, **options)
    content = path.read_bytes()
    path.write_bytes(b"somebody's own bytes" + content[20:])
    for source in (path, io.BytesIO(path.read_bytes())):
        with open_archive(source) as archive:
            check(archive, arrays)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_bytes(b"x")
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked/config.json").write_bytes(b"{}")
    for name, message in (("saved", "TensorFlow SavedModel"), ("unpacked", "unpacked .keras"), (".", "a directory")):
        with pytest.raises(UnsupportedFileError, match=message):
            open_archive(tmp_path / name)
    cases: list[tuple[Any, str]] = [
        (tmp_path / "gone.h5", "there is no such file. Check the path"),
        ("hf://user/model", "Only local files are read"),
        ("a\0b", "cannot be opened"),
    ]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        cases += [(tmp_path / "pipe", "a pipe or a device"), ("/dev/zero", "a pipe or a device")]
    for path, message in cases:
        with pytest.raises(LoadError, match=message):
            open_archive(path)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs sockets in the file system")
def test_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.h5")
        with pytest.raises(LoadError, match="cannot be opened"):
            open_archive("s.h5")


def test_arguments() -> None:
    for wrong in (3, None, ["x.h5"]):
        with pytest.raises(ArgumentError, match="a path or a binary stream is needed"):
            open_archive(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="open it with 'rb'"):
        open_archive(io.StringIO("text"))  # type: ignore[arg-type]


def test_closing(make: Maker) -> None:
    for content in (make.legacy()[0], io.BytesIO(make.keras())):
        with open_archive(content) as archive:
            first, second, *_ = all_arrays(archive)
            kept = first.read()
            copy = kept.copy()
        np.testing.assert_array_equal(kept, copy)
        with pytest.raises(LoadError, match="the archive is closed"):
            second.read()
        archive.close()


def test_closing_lets_go_of_the_file(make: Maker) -> None:
    path, _ = make.legacy()
    archive = open_archive(path)
    archive.close()
    assert path.resolve() not in open_files()


def test_a_refused_file_is_let_go(make: Maker) -> None:
    path, _ = make.legacy()
    with h5py.File(path, "a") as file:
        del file["model_weights"].attrs["layer_names"]
    with pytest.raises(CorruptFileError):
        open_archive(path)
    assert path.resolve() not in open_files()
    path.unlink()


def test_reading_needs_numpy_and_nothing_else() -> None:
    """No unpickler, no HDF5 library, no torch: nothing that could run or crash on what a file holds."""
    allowed = {*sys.stdlib_module_names, "numpy", "kerastorch"} - {"pickle", "marshal", "shelve", "dill", "importlib"}
    sources = sorted(Path(kerastorch.files.__file__).parent.glob("*.py"))
    # What is written is ours: the HDF5 library may do it.
    sources = [path for path in sources if path.name not in ("write.py", "_sink.py")]
    assert len(sources) > 8
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                found = [node.module or ""]
            for name in found:
                assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
                assert not name.startswith("kerastorch.") or name in ("kerastorch.errors", "kerastorch.paths")
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", "")
                assert name not in ("eval", "exec", "compile", "__import__"), f"{path.name} calls {name}"
                name = getattr(node.func, "attr", "")
                assert name not in ("import_module", "load", "extract", "extractall"), f"{path.name} calls {name}"


def test_limits_are_passed_on(make: Maker) -> None:
    path, _ = make.legacy(config={"a": [[[1]]]})
    with pytest.raises(UnsafeFileError, match="nested more than 3 deep"):
        open_archive(path, Limits(json_depth=3))
    with pytest.raises(UnsafeFileError, match="more than 4 objects"):
        open_archive(path, Limits(objects=4))
    with pytest.raises(UnsafeFileError, match="3 members, the limit is 1"):
        open_archive(io.BytesIO(make.keras()), Limits(zip_members=1))


def test_control_characters_of_a_path(tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        open_archive(tmp_path / ("x" * 180 + "\x1b[31m\n.h5"))
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
