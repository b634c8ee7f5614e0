"""A file that another process reads: the same values, reports and errors."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _needs import SHARED_FILES, needs
from _read_model import model
from make_goldens import GOLDENS

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import ArgumentError, LoadError
from kerastorch.load import load_model_reported

PACKAGE = Path(kt.__file__).resolve().parents[1]
CORPUS = PACKAGE.parent / "shared" / "corpus" / "files"
posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals, and no bounds, of this kind")
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the address space")


def outcome(call: Callable[[], tuple[kt.Model, Any]]) -> Any:
    """All that a load gives: each weight with its dtype, the state of the optimizer, the report; or the error."""
    try:
        made, report = call()
    except kt.KerasTorchError as error:
        return type(error), str(error), vars(error)
    optimizer = made.__dict__.get("optimizer")
    state = optimizer.state_dict() if optimizer is not None else {}
    tensors = [t for part in state.get("state", {}).values() for t in part.values() if isinstance(t, torch.Tensor)]
    arrays = [*made.get_weights(), *(tensor.numpy() for tensor in tensors)]
    return [(array.dtype.str, array.shape, array.tobytes()) for array in arrays], str(report)


def both(path: Any, **options: Any) -> Any:
    plain = outcome(lambda: load_model_reported(path, **options))
    if hasattr(path, "seek"):
        path.seek(0)
    assert outcome(lambda: load_model_reported(path, isolate=True, **options)) == plain
    return plain


# ---------------------------------------------------------------------------- the same


def damaged(content: bytes, at: float) -> bytes:
    place = int(len(content) * at)
    return content[:place] + bytes(64) + content[place + 64 :]


def test_the_same_values_reports_and_errors(saved: dict[str, Path], tmp_path: Path) -> None:
    for name in ("m.keras", "m.h5"):
        assert isinstance(both(saved[name])[0], list)
    assert isinstance(both(io.BytesIO(saved["m.h5"].read_bytes()), compile=False)[0], list)
    broken = tmp_path / "broken.keras"
    broken.write_bytes(damaged(saved["m.keras"].read_bytes(), 0.5))
    pickled = tmp_path / "m.pkl"
    pickled.write_bytes(b"\x80\x04K\x01.")
    wrong = {
        "absent": tmp_path / "absent.keras",
        "folder": tmp_path,
        "damaged": broken,
        "pickled": pickled,
        "weights only": saved["m.weights.h5"],
        "another digest": saved["m.h5"],
    }
    for what, path in wrong.items():
        found = both(path, expected_sha256="0" * 64 if what == "another digest" else None)
        assert issubclass(found[0], LoadError), what
    content = saved["m.h5"].read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert isinstance(both(saved["m.h5"], expected_sha256=digest)[0], list)


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_how_an_inner_model_was_compiled_is_of_no_use_here_either(form: str, tmp_path: Path) -> None:
    """A number that is refused takes away what was compiled, and leaves nothing that cannot be handed on."""
    path, rows = tmp_path / f"m.{form}", [kt.Input((3,)), layers.Dense(2)]
    kt.Sequential([kt.Input((3,)), kt.Sequential(rows)]).save(path)

    def stated(text: str) -> str:
        config = json.loads(text)
        inner = next(item for item in config["config"]["layers"] if item["class_name"] == "Sequential")
        return json.dumps(config).replace(json.dumps(inner), json.dumps({**inner, "compile_config": {"a": 10**30}}))

    if form == "h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = stated(str(file.attrs["model_config"]))
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = stated(members["config.json"].decode()).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    assert len(both(path)[0]) == 2


@pytest.mark.parametrize("packed", ["keras3.zip", "tf_keras.zip"])
def test_goldens(packed: str, tmp_path: Path) -> None:
    """Measured once over all of them, and the corpus; here three of each."""
    with zipfile.ZipFile(GOLDENS / packed) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith((".keras", ".h5")))
        chosen = names[:: len(names) // 3][:3]
        for name in chosen:
            both(archive.extract(name, tmp_path))


@needs(CORPUS.exists(), SHARED_FILES)
def test_real_files() -> None:
    smallest = sorted((path.stat().st_size, path) for path in CORPUS.iterdir() if path.suffix in (".h5", ".keras"))
    for _, path in smallest[:: len(smallest) // 4][:3]:
        both(path)


def test_weights(saved: dict[str, Path], tmp_path: Path) -> None:
    content = saved["m.weights.h5"].read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    found = []
    for options in ({}, {"isolate": True, "expected_sha256": digest}):
        target = model()  # whose optimizer takes the state
        target.set_weights([array + 1 for array in target.get_weights()])
        report = kt.load_weights(target, saved["m.weights.h5"], **options)
        found.append(outcome(lambda target=target, report=report: (target, report)))
    assert found[0] == found[1]
    text = tmp_path / "a.json"
    text.write_text(model().to_json())
    run = ["summary", str(saved["m.weights.h5"]), "--arch", str(text), "--isolate", "--sha256", digest]
    assert main([*run, "--limit", "seconds=300", "--limit", "bytes=1000000"]) == 0


def test_the_other_ways_to_a_file(saved: dict[str, Path]) -> None:
    """The method of a model, and the state for an optimizer of torch."""
    target = model()
    target.load_weights(saved["m.weights.h5"], isolate=True, limits=kt.Limits(bytes=10**6))
    for options, says in (({"limits": kt.Limits(bytes=9)}, "limit is 9"), ({"expected_sha256": "0" * 64}, "SHA-256")):
        with pytest.raises(LoadError, match=says):
            target.load_weights(saved["m.weights.h5"], **options)
        adam = torch.optim.Adam(target.parameters())
        with pytest.raises(LoadError, match=says):
            kt.optimizers.load_keras_state(target, adam, saved["m.keras"], isolate=True, **options)
        assert not adam.state
    with pytest.raises(ArgumentError, match=r"load_weights has no argument 'isolated'. Did you mean 'isolate'\?"):
        target.load_weights(saved["m.weights.h5"], isolated=True)
    loaded = kt.load_model(saved["m.keras"])
    reports = []
    for isolate in (False, True):
        adam = torch.optim.Adam(loaded.parameters())
        reports.append(kt.optimizers.load_keras_state(loaded, adam, saved["m.keras"], isolate=isolate))
        reports.append([value.tolist() for part in adam.state.values() for value in part.values()])
    assert reports[:2] == reports[2:]


@linux
def test_a_descriptor_of_this_process_is_no_file_of_the_other(saved: dict[str, Path]) -> None:
    with saved["m.keras"].open("rb") as stream:
        path = f"/dev/fd/{stream.fileno()}"
        first, second = (kt.load_model(path, isolate=isolate).get_weights() for isolate in (False, True))
    for mine, other in zip(first, second, strict=True):
        assert np.array_equal(mine, other)
    read, write = os.pipe()
    try:
        for isolate in (False, True):
            with pytest.raises(LoadError, match="a pipe or a device, expected a regular file"):
                kt.load_model(f"/dev/fd/{read}", isolate=isolate)
    finally:
        os.close(read)
        os.close(write)


def damaged_chunk(path: Path) -> Path:
    """An array in pieces, of which one is damaged, of a layer that another array fits only half."""
    with h5py.File(path, "w") as file:
        data = np.random.default_rng(0).random((300, 300), dtype="f4")
        file["layers/dense/vars/0"] = data
        del file["layers/dense/vars/0"]
        group = file["layers/dense/vars"]
        group.create_dataset("0", data=data, chunks=(30, 300), compression="gzip", fletcher32=True)
        file["layers/dense/vars/1"] = np.ones(300, "f4")
        at = group["0"].id.get_chunk_info(4).byte_offset
    with path.open("r+b") as stream:
        stream.seek(at + 99)
        stream.write(bytes(32))
    return path


def test_an_array_that_cannot_be_read_is_an_error_where_it_is_needed(tmp_path: Path) -> None:
    path = damaged_chunk(tmp_path / "m.weights.h5")
    for units, says in ((300, "chunk"), (200, "wrong shape")):  # what does not fit is said first
        target = kt.Sequential([kt.Input((300,)), layers.Dense(units)])
        before = [array.copy() for array in target.get_weights()]
        found = []
        for isolate in (False, True):
            with pytest.raises(LoadError, match=says) as caught:
                kt.load_weights(target, path, isolate=isolate)
            found.append((type(caught.value), str(caught.value)))
        assert found[0] == found[1]
        assert all(np.array_equal(*pair) for pair in zip(before, target.get_weights(), strict=True))


def test_shards(tmp_path: Path) -> None:
    names = ["m_00000.weights.h5", "m_00001.weights.h5"]
    arrays = [np.random.default_rng(i).random(shape, dtype="f4") for i, shape in enumerate([(4, 3), (3,)])]
    for number, (name, array) in enumerate(zip(names, arrays, strict=True)):
        with h5py.File(tmp_path / name, "w") as file:
            file[f"layers/dense/vars/{number}"] = array
    index = {"metadata": {"total_size": 60}, "weight_map": {"/layers/dense/vars": names}}
    (tmp_path / "m.weights.json").write_text(json.dumps(index))
    target = kt.Sequential([kt.Input((4,)), layers.Dense(3)])
    kt.load_weights(target, tmp_path / "m.weights.json", isolate=True)
    assert all(np.array_equal(*pair) for pair in zip(arrays, target.get_weights(), strict=True))


def test_what_the_caller_gives_stays_here(tmp_path: Path) -> None:
    class Own(kt.Layer):
        def call(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2

    made = kt.Sequential([kt.Input((4,)), layers.Dense(3, name="d"), Own(name="o")])
    made.save(tmp_path / "m.keras")
    for options in ({"custom_objects": {"Own": Own}}, {"replace": {"o": lambda x: x * 2}}):
        loaded = kt.load_model(tmp_path / "m.keras", isolate=True, **options)
        x = np.ones((2, 4), "f4")
        np.testing.assert_array_equal(loaded.predict(x), made.predict(x))


def test_a_text_is_not_isolated() -> None:
    with pytest.raises(ArgumentError, match="model_from_json: isolate=True reads a file in another process; here is"):
        kt.model_from_json(model().to_json(), isolate=True)
    for wrong in (1, "yes", None):
        with pytest.raises(ArgumentError, match="isolate: expected True or False, got"):
            kt.load_model("m.keras", isolate=wrong)  # type: ignore[arg-type]
