"""The process that reads a file: whatever becomes of it, and whatever it hands on, this one is told and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from _read_model import model

import kerastorch as kt
from kerastorch import layers
from kerastorch.errors import ArgumentError, LoadError, ReaderProcessError, TimeLimitError
from kerastorch.isolation import parent
from kerastorch.isolation.handing import ALIGNED, HEAD, MAGIC

PACKAGE = Path(kt.__file__).resolve().parents[1]
CORPUS = PACKAGE.parent / "shared" / "corpus" / "files"
posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no signals, and no bounds, of this kind")
linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the address space")


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


ARRAY = {
    **{"where": "x", "shape": [4], "dtype": "float32", "rows": True, "kind": "<f4"},
    **{"at": 64, "bytes": 16, "unwritten": 0},
}
ARCHIVE = {
    **{"path": "m.h5", "format": "Keras v3 .weights.h5", "keras_version": None, "backend": None, "config": None},
    **{"training_config": None, "optimizer": None, "skipped": [], "changed": None},
}


def archive_with(**array: Any) -> dict[str, Any]:
    item = {
        "path": "layers/dense",
        "name": None,
        "keys": None,
        "strange": None,
        "words": None,
        "arrays": [{**ARRAY, **array}],
    }
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
