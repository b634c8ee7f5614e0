"""A file that another process reads: the same values, reports and errors, and nothing that takes this process down."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _needs import SHARED_FILES, needs
from make_goldens import GOLDENS

import kerastorch as kt
from kerastorch import layers
from kerastorch.cli import main
from kerastorch.errors import ArgumentError, LoadError, ReaderProcessError, TimeLimitError
from kerastorch.isolation import parent
from kerastorch.isolation.handing import ALIGNED, HEAD, MAGIC
from kerastorch.load import load_model_reported

PACKAGE = Path(kt.__file__).resolve().parents[1]
CORPUS = PACKAGE.parent / "shared" / "corpus" / "files"
posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals, and no bounds, of this kind")
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the address space")


def model() -> kt.Sequential:
    listed = [layers.LSTM(40, return_sequences=True), layers.BatchNormalization(), layers.Dense(3)]
    made = kt.Sequential([kt.Input((None, 30)), *listed])
    made.compile("adam", "mse")
    made.fit(np.ones((2, 3, 30), "f4"), np.ones((2, 3, 3), "f4"), verbose=0)
    return made


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, made = tmp_path_factory.mktemp("saved"), model()
    made.save(folder / "m.keras")
    made.save(folder / "m.h5")
    made.save_weights(folder / "m.weights.h5")
    return {path.name: path for path in folder.iterdir()}


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


# ---------------------------------------------------------------------------- what takes it down


def play(code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the process run this code."""
    script = tmp_path / "played.py"
    script.write_text(f"import os, signal, sys, time\n{code}\n")
    monkeypatch.setattr(parent, "_SCRIPT", script)


@posix
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGKILL", "SIGXCPU", "SIGABRT"])
def test_a_process_that_dies(
    name: str, saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        f"print('last words \\x1b[31m', file=sys.stderr, flush=True); os.kill(os.getpid(), signal.{name})",
        monkeypatch,
        tmp_path,
    )
    says = rf"(?s)m\.keras: the file was not read.*ended by {name}.*Its last lines:\n  'last words \\x1b"
    target = model()
    with pytest.raises(ReaderProcessError, match=says):
        kt.load_model(saved["m.keras"], isolate=True)
    with pytest.raises(ReaderProcessError, match=f"nothing was changed.*{name}"):
        kt.load_weights(target, saved["m.weights.h5"], isolate=True)


def test_a_process_that_fails(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for code, says in (("raise KeyError('x')", r"exit status 1\..*(?s:.*)KeyError: 'x'"), ("", "cannot be understood")):
        play(code, monkeypatch, tmp_path)
        with pytest.raises(ReaderProcessError, match=says):
            kt.load_model(saved["m.h5"], isolate=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    with pytest.raises(ReaderProcessError, match="no python' cannot be started"):
        kt.load_model(saved["m.h5"], isolate=True)
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(ArgumentError, match="has no Python of its own"):
        kt.load_model(saved["m.h5"], isolate=True)


def test_a_process_that_hangs(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parent, "_GRACE", 0.0)
    play(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)", monkeypatch, tmp_path)
    began = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"m\.h5: stopped after .* s, while another process read it; the limit is"):
        kt.load_model(saved["m.h5"], isolate=True, limits=kt.Limits(seconds=2))
    assert time.monotonic() - began < 60  # on a busy machine
    gone(tmp_path / "pid")


def test_a_time_that_is_over_when_the_process_has_ended(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(f"time.sleep(1.2)\n{hand_on(archive_with())}", monkeypatch, tmp_path)
    with pytest.raises(TimeLimitError, match=r"m\.h5: stopped after .* s, while .*; the limit is 1 s"):
        kt.load_model(saved["m.h5"], isolate=True, limits=kt.Limits(seconds=1))


def gone(noted: Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)


@posix
def test_an_interrupt_leaves_no_process(
    saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    play(f"open({str(noted)!r}, 'w').write(str(os.getpid())); time.sleep(600)", monkeypatch, tmp_path)

    def interrupt() -> None:
        while not noted.exists() or not noted.read_text():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT) if sys.platform == "win32" else os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        kt.load_model(saved["m.h5"], isolate=True)
    gone(noted)


@linux
def test_memory_is_bounded(tmp_path: Path) -> None:
    path, size = tmp_path / "m.weights.h5", 3000  # 36 MB
    data = np.random.default_rng(0).integers(0, 2, (size, size)).astype("f4")
    target = kt.Sequential([kt.Input((size,)), layers.Dense(size, use_bias=False)])
    said = []
    for options in ({"chunks": (1000, 1000), "compression": "gzip"}, {}):  # unpacked as a whole, and read in pieces
        with h5py.File(path, "w") as file:
            file.create_dataset("layers/dense/vars/0", data=data, **options)
        with pytest.raises(ReaderProcessError) as caught:
            kt.load_weights(target, path, isolate=True, limits=kt.Limits(memory=25_000_000))
        said.append(str(caught.value))
    assert "needed more than the 25,000,000 bytes of memory that it may take" in said[0]
    assert "no room for what its process handed on; it may be 25,000,000 bytes" in said[1]
    assert all("pass limits=kt.Limits(memory=...)" in message for message in said)
    kt.load_weights(target, path, isolate=True, limits=kt.Limits(memory=40_000_000))
    np.testing.assert_array_equal(target.get_weights()[0], data)


def hand_on(said: Any, values: bytes = bytes(64)) -> str:
    """Code of a process that hands this on."""
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    place = ALIGNED + len(values)
    whole = HEAD.pack(MAGIC, place, len(text)).ljust(ALIGNED, b"\0") + values + text
    return f"os.write(1, {whole!r})"


ARRAY = {"where": "x", "shape": [4], "dtype": "float32", "rows": True, "kind": "<f4", "at": 64, "bytes": 16}
ARCHIVE = {
    **{"path": "m.h5", "format": "Keras v3 .weights.h5", "keras_version": None, "backend": None, "config": None},
    **{"training_config": None, "optimizer": None, "skipped": [], "changed": None},
}


def archive_with(**array: Any) -> dict[str, Any]:
    item = {"path": "layers/dense", "name": None, "keys": None, "strange": None, "arrays": [{**ARRAY, **array}]}
    return {**ARCHIVE, "weights": {"objects": [item]}}


def test_what_is_handed_on_is_checked(saved: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    play(hand_on(archive_with(), np.arange(16, dtype="f4").tobytes()), monkeypatch, tmp_path)
    with parent.open_isolated(saved["m.h5"]) as archive:
        array = archive.weights.objects["layers/dense"].arrays[0]  # type: ignore[union-attr]
        np.testing.assert_array_equal(array.read(), np.arange(4, dtype="f4"))
        np.testing.assert_array_equal(array.read_rows(1, 3), np.arange(1, 3, dtype="f4"))
    with pytest.raises(LoadError, match="the archive is closed"):
        array.read()
    wrong = [
        archive_with(at=120),
        archive_with(at=-1),
        archive_with(at=1.0),
        archive_with(bytes=20),
        archive_with(shape=[5]),
        archive_with(shape=[-4]),
        archive_with(shape=[2**62, 4]),
        archive_with(kind="|O8"),
        archive_with(kind="<U4"),
        archive_with(kind=">f4"),
        archive_with(kind="<i4"),
        archive_with(dtype="bfloat16x"),
        archive_with(where=3),
        archive_with(**{"class": "KeyboardInterrupt", "message": "x"}),
        {**ARCHIVE, "weights": {"objects": [{}]}},
        {"error": {"class": "SystemExit", "message": "x"}},
        {"error": {"class": "LoadError", "message": 3}},
        {"error": 3},
        [],
        b"{",
        b"\xff",
        b"[" * 100_000,
    ]
    for said in wrong:
        play(hand_on(said), monkeypatch, tmp_path)
        with pytest.raises(ReaderProcessError, match="has handed on what cannot be understood"):
            parent.open_isolated(saved["m.h5"])
    for code in ("os.write(1, b'x' * 99)", hand_on(archive_with()) + "\nos.write(1, b'x')"):
        play(code, monkeypatch, tmp_path)
        with pytest.raises(ReaderProcessError, match="has handed on what cannot be understood"):
            parent.open_isolated(saved["m.h5"])


# ---------------------------------------------------------------------------- wherever it is called


SCRIPT = """
import sys, threading
sys.path.insert(0, {package!r})
import kerastorch as kt
found = []
load = lambda: found.append(kt.load_model({path!r}, isolate=True).count_params())
load()
thread = threading.Thread(target=load)
thread.start(); thread.join()
print(found)
"""


def test_from_stdin_without_a_guard_and_in_a_thread(saved: dict[str, Path]) -> None:
    code = SCRIPT.format(package=str(PACKAGE), path=str(saved["m.keras"]))
    run = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True, timeout=300)
    assert (run.stderr, run.stdout) == ("", f"{[model().count_params()] * 2}\n")


def test_the_process_imports_no_torch(saved: dict[str, Path], tmp_path: Path) -> None:
    watched = (
        parent._SCRIPT.read_text()
        + "\nassert not {'torch', 'kerastorch.load', 'kerastorch.models'} & set(sys.modules)\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        code = watched.replace("sys.exit(main())", "main()")
        (tmp_path / "watched.py").write_text(code)
        patch.setattr(parent, "_SCRIPT", tmp_path / "watched.py")
        assert kt.load_model(saved["m.keras"], isolate=True).count_params() == model().count_params()


@pytest.mark.parametrize("bounds", [{"seconds": 1e308}, {"seconds": 2**70}, {"memory": 2**64}, {"memory": 2**2000}])
def test_bounds_larger_than_the_system_can_count(saved: dict[str, Path], bounds: dict[str, Any]) -> None:
    kt.load_model(saved["m.h5"], isolate=True, limits=kt.Limits(**bounds))
