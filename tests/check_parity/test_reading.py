"""Recordings that come from anywhere: what is read, and what is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _recordings import dense_model, dense_recording

import kerastorch as kt
from kerastorch.errors import CorruptFileError, MissingFileError, UnsafeFileError, UnsupportedFileError
from kerastorch.parity import compare, read_recording


def test_what_is_written_is_read(tmp_path: Path) -> None:
    recording = read_recording(dense_recording(tmp_path / "r.npz"))
    assert recording.reference == "keras 3.15.1 (tensorflow)"
    assert recording.layers == (("dense", "Dense"),)
    (probe,) = recording.probes
    assert (probe.name, probe.calls[0].layer, probe.error) == ("normal", "dense", None)
    assert recording.array(probe.inputs[0]).shape == (4, 3)
    report = compare(recording, dense_model())
    assert report.passed
    assert {row.where for row in report.rows} == {"output", "layer", "alone"}


def said_by(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return json.loads(file["recording"].tobytes())


def written(path: Path, said: Any, arrays: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        stream = io.BytesIO()
        np.save(stream, np.frombuffer(json.dumps(said).encode(), "uint8"))
        archive.writestr("recording.npy", stream.getvalue())
        for name, raw in arrays.items():
            archive.writestr(name, raw)
    return path


def saved(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def test_files_that_are_no_recordings(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        read_recording(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(CorruptFileError, match=r"expected an \.npz file"):
        read_recording(tmp_path / "text.npz")
    np.savez(tmp_path / "golden.npz", x0=np.zeros(3), y0=np.zeros(3))
    with pytest.raises(CorruptFileError, match=r"it has no 'recording'.*--golden"):
        read_recording(tmp_path / "golden.npz")


def test_a_newer_recording_is_refused_by_name(tmp_path: Path) -> None:
    path = dense_recording(tmp_path / "r.npz")
    said = said_by(path)
    said["schema"] = 3
    with pytest.raises(UnsupportedFileError, match="schema 3, this version of kerastorch reads 1 to 2"):
        read_recording(written(tmp_path / "new.npz", said, {}))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kind", "a cake recipe", "no recording of kerastorch"),
        ("schema", "1", "'schema': expected int"),
        ("schema", True, "'schema': expected int"),
        ("probes", [], "holds no probe"),
        ("probes", {"name": 1}, "'probes': expected list"),
        ("probes", [3], "'name': expected str"),
        ("writer", {"package": "keras"}, "'version': expected str"),
        ("source", {"name": 3}, "'name': expected str"),
        ("inputs", [{"shape": [-1], "name": "x", "dtype": "float32"}], "expected sizes or null, got -1"),
        ("layers", [["a", "b", "c"]], "'layers': expected lists"),
        ("weights", [{"layer": "dense", "names": ["kernel"]}], "'dtypes': expected list"),
        ("complete", 1, "'complete': expected bool"),
    ],
)
def test_what_a_recording_says_is_checked(tmp_path: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(CorruptFileError, match=message):
        read_recording(dense_recording_with(tmp_path, key, value))


def dense_recording_with(folder: Path, key: str, value: Any) -> Path:
    path = dense_recording(folder / "r.npz")
    with zipfile.ZipFile(path) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist() if name != "recording.npy"}
    return written(folder / "changed.npz", {**said_by(path), key: value}, arrays)


def test_weights_that_are_too_large_are_not_made(tmp_path: Path) -> None:
    said = said_by(dense_recording(tmp_path / "r.npz"))["weights"]
    said[0]["shapes"][0] = [1 << 31, 1 << 31]
    with pytest.raises(UnsafeFileError, match="weights of 'dense': shape"):
        read_recording(dense_recording_with(tmp_path, "weights", said))


def test_names_of_arrays_that_are_not_there(tmp_path: Path) -> None:
    path = dense_recording(tmp_path / "r.npz")
    with pytest.raises(CorruptFileError, match="names an array 'a0' that is not there"):
        read_recording(written(tmp_path / "less.npz", said_by(path), {}))


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    said = said_by(dense_recording(tmp_path / "r.npz"))
    arrays = {"a0.npy": saved(np.array([{}], dtype=object), allow_pickle=True), "a1.npy": saved(np.zeros(3))}
    recording = read_recording(written(tmp_path / "objects.npz", said, arrays))
    with pytest.raises(UnsafeFileError, match="'a0': expected floats, integers or bools, got dtype object"):
        recording.array("a0")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (saved(np.zeros((1000, 1000)))[:200], r"shape \(1000, 1000\) of float64 does not fit the 72 bytes"),
        (saved(np.zeros(3)) + b"more", "does not fit the 28 bytes"),
        (b"not an array", "is no array"),
        (b"", "is no array"),
    ],
)
def test_arrays_that_are_not_what_they_say(tmp_path: Path, raw: bytes, message: str) -> None:
    said = said_by(dense_recording(tmp_path / "r.npz"))
    recording = read_recording(written(tmp_path / "cut.npz", said, {"a0.npy": raw, "a1.npy": saved(np.zeros(3))}))
    with pytest.raises(CorruptFileError, match=message):
        recording.array("a0")


def test_a_recording_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = dense_recording(tmp_path / "r.npz")
    with pytest.raises(UnsafeFileError, match="the limit is 100; read_recording"):
        read_recording(path, max_bytes=100)


def test_other_members_are_refused(tmp_path: Path) -> None:
    said = said_by(dense_recording(tmp_path / "r.npz"))
    with pytest.raises(CorruptFileError, match=r"'run\.py' is no array"):
        read_recording(written(tmp_path / "more.npz", said, {"run.py": b"print()"}))


def test_a_model_that_is_another_one(tmp_path: Path) -> None:
    recording = read_recording(dense_recording(tmp_path / "r.npz"))
    other = kt.Sequential([kt.Input((3,)), kt.layers.Dense(2, name="other")])
    report = compare(recording, other)
    assert not report.passed
    assert report.gaps["layer dense"] == "the model here has no layer of this name"
    moved = dense_model()
    moved.set_weights([array + 1 for array in moved.get_weights()])
    report = compare(recording, moved)
    assert report.explained_by == "the model here has other weights than the reference: dense (kernel, bias)"
    assert report.first is not None
    assert (report.first.where, report.first.layer) == ("alone", "dense")
    wider = kt.Sequential([kt.Input((3,)), kt.layers.Dense(5, name="dense")])
    report = compare(recording, wider)
    assert report.worst is not None
    assert report.worst.measured.wrong == "its shape is (4, 5) here, (4, 2) in the reference"
    assert "its shape is (4, 5) here" in str(report)
