"""The process of Keras: whatever becomes of it, it is reported, and it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

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
