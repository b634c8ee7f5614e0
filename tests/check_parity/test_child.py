"""The process of Keras: whatever becomes of it, it is reported, and it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import pytest
from _recordings import dense_recording

from kerastorch.errors import ArgumentError, RecordingError
from kerastorch.parity import record, recorder_script

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins of a Python are shell scripts")


def program(path: Path, *lines: str) -> Path:
    """A stand-in of the Python that has Keras."""
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return path


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not collected yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pid: int, within: float = 20.0) -> bool:
    end = time.monotonic() + within
    while is_there(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_what_it_writes_is_read_and_told(tmp_path: Path) -> None:
    made = dense_recording(tmp_path / "made.npz")
    python = program(tmp_path / "python", "echo 'recorder: half way'", "sleep 0.5", f"cp {made} $3")
    said: list[str] = []
    recording = record("model.keras", tmp_path / "r.npz", python=python, progress=said.append)
    assert recording.path == str(tmp_path / "r.npz")
    assert said == ["half way"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.npz", "python", "r.npz"]


def test_a_process_that_fails(tmp_path: Path) -> None:
    python = program(tmp_path / "python", *(f"echo line {number} >&2" for number in range(30)), "exit 7")
    with pytest.raises(RecordingError) as caught:
        record("model.keras", tmp_path / "r.npz", python=python)
    text = str(caught.value)
    assert "its process ended with exit status 7. Its last lines:" in text
    assert text.count("\n") == 12
    assert text.endswith("line 29")
    assert not (tmp_path / "r.npz").exists()


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    python = program(tmp_path / "python", "kill -9 $$")
    with pytest.raises(RecordingError, match=r"ended by SIGKILL, as where the memory is full\. It has printed nothing"):
        record("model.keras", tmp_path / "r.npz", python=python)
    python = program(tmp_path / "python", "kill -SEGV $$")
    with pytest.raises(RecordingError, match="ended by SIGSEGV"):
        record("model.keras", tmp_path / "r.npz", python=python)


KERAS = """
import numpy
__version__ = "3.15.1"
class backend:
    @staticmethod
    def backend():
        return "tensorflow"
class models:
    @staticmethod
    def load_model(path, **options):
        {body}
"""


def with_keras(folder: Path, body: str, *before: str) -> Path:
    """A Python whose Keras does as it is told where it opens a model."""
    (folder / "keras.py").write_text(KERAS.format(body=body))
    (folder / "m.npy").write_bytes(b"")
    return program(folder / "python", *before, f'PYTHONPATH="{folder}" exec "{sys.executable}" "$@"')


def test_a_file_that_keras_refuses(tmp_path: Path) -> None:
    """It is told as that, with what Keras said last and what can be done."""
    python = with_keras(tmp_path, "raise ValueError('Unknown layer: NotEqual. See the\\nguide.')")
    (tmp_path / "a.json").write_text("{}")
    model = h5_file(tmp_path / "my model.h5")
    with pytest.raises(RecordingError) as caught:
        record(model, tmp_path / "r.npz", python=python)
    text = str(caught.value)
    assert text.startswith(
        "Keras refuses this file, so nothing can be compared with it: keras 3.15.1 does not open my model.h5: "
        "ValueError: Unknown layer: NotEqual. See the guide. What can be done: name code of your own that it needs "
        "with --custom module.py; "
    )
    new = tmp_path / "my model_new.keras"
    assert f"compare that: kerastorch convert '{model}' '{new}' --check; or let another Keras run it" in text
    assert text.endswith("  guide.")
    assert "recorder: " not in text


def h5_file(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "3.15.1"
    return path


@pytest.mark.parametrize(
    "body",
    [
        "numpy.ones(1 << 34)",  # more than the child may have: the error is the system's
        "raise RuntimeError('RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8 bytes')",
        "import os; os.write(2, b'pthread_create() failed.\\n' + b'    @ 0x7f tf::Run()\\n' * 20); os.abort()",
        "import os; os.write(2, b\"terminate called after throwing an instance of 'std::bad_alloc'\\n\"); os.abort()",
    ],
)
def test_a_process_that_runs_out_of_memory(tmp_path: Path, body: str) -> None:
    python = with_keras(tmp_path, body, "ulimit -v 4000000", "ulimit -c 0")
    begin = time.monotonic()
    with pytest.raises(RecordingError) as caught:
        record(h5_file(tmp_path / "m.h5"), tmp_path / "r.npz", python=python)
    assert time.monotonic() - begin < 60
    text = str(caught.value)
    assert text.startswith("Keras ran out of memory, and has computed nothing: ")
    assert "What can be done: inputs of fewer rows or steps (inputs=), less that is compared" in text
    assert "Its last lines:\n" in text
    assert not (tmp_path / "r.npz").exists()


def test_a_probe_or_a_training_that_fills_the_memory_ends_the_recorder() -> None:
    """It is no trait of the model: what else Keras refuses is told of a probe, and the others go on."""
    from kerastorch.parity.recorder.memory import is_memory

    Exhausted = type("ResourceExhaustedError", (Exception,), {})
    full = [MemoryError(), Exhausted("failed to allocate"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
    assert all(map(is_memory, full))
    assert not any(map(is_memory, [ValueError("Unknown layer"), RuntimeError("shapes do not fit")]))


def test_a_process_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    python = program(tmp_path / "python", "echo here", "sleep 600 &", f"echo $$ $! > {pids}", "wait")
    begin = time.monotonic()
    with pytest.raises(RecordingError, match=r"longer than 2 s and was ended; --timeout gives it more.*\n  here"):
        record("model.keras", tmp_path / "r.npz", python=python, timeout=2)
    assert time.monotonic() - begin < 60
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    """Once is enough, also where Python looks at a signal while it collects garbage, and loses what that raises."""
    pid = tmp_path / "pid"
    python = program(tmp_path / "python", f"echo $$ > {pid}.part; mv {pid}.part {pid}", "sleep 600")
    code = f"""
import gc
from kerastorch.parity import record

def collected(phase, info):
    for _ in range(300):  # signals are looked at between two steps of this
        pass

gc.callbacks.append(collected)
gc.set_threshold(1, 1000000, 1000000)  # often, of what is young
record('m.keras', {str(tmp_path / "r.npz")!r}, python={str(python)!r})
"""
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 60
        while not pid.exists() and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert "KeyboardInterrupt" in error
    assert gone(int(pid.read_text()))


def test_ctrl_c_while_the_process_starts_leaves_none_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Slow(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Slow)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        record("m.keras", tmp_path / "r.npz", python=program(tmp_path / "python", "sleep 600"))
    assert signal.getsignal(signal.SIGINT) is before
    assert [gone(process.pid) for process in started] == [True]


def test_the_recorder_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "recorder.py").write_text(recorder_script(), encoding="utf-8")
    (tmp_path / "keras.py").write_text("import time; time.sleep(600)")
    command = [
        sys.executable,
        "recorder.py",
        "recorder.py",
        "r.npz",
        "--keras",
        "keras",
        "--arch",
        "a",
        "--with-parent",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        time.sleep(0.5)
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=60) == 3
    finally:
        process.kill()


def test_a_process_that_says_it_is_done_and_is_not(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="ended without a word and wrote nothing"):
        record("model.keras", tmp_path / "r.npz", python=program(tmp_path / "python", "exit 0"))


def test_arguments_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"'.*nowhere' cannot be started: .*Is it a Python\?"):
        record("model.keras", tmp_path / "r.npz", python=tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="keras: expected one of auto, keras, tf_keras, tensorflow, got 'keras4'"):
        record("model.keras", tmp_path / "r.npz", keras="keras4")
    with pytest.raises(ArgumentError, match="backend: expected one of tensorflow, jax, torch, got 'theano'"):
        record("model.keras", tmp_path / "r.npz", backend="theano")
    with pytest.raises(ArgumentError, match="timeout: expected seconds, more than 0"):
        record("model.keras", tmp_path / "r.npz", timeout=0)
    made = dense_recording(tmp_path / "made.npz")
    python = program(tmp_path / "python", f"cp {made} $3")
    with pytest.raises(ArgumentError, match="cannot be written"):
        record("model.keras", tmp_path / "no" / "r.npz", python=python)
