"""Saves that are killed, disks that are full, files that are cut short: a few of each; see `tests/robustness`."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from robustness import trials

import kerastorch as kt

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
ROOT = Path(__file__).resolve().parents[1]


def test_nothing_is_lost() -> None:
    command = [sys.executable, "-m", "tests.robustness", "--kills", "8", "--full-disks", "8", "--truncations", "8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, env={**os.environ})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^kills 8, seed \w+: .*\d+ killed", done.stdout, re.MULTILINE)
    assert re.search(r"^full_disks 8, seed \w+: 8 SaveError$", done.stdout, re.MULTILINE)
    assert re.search(r"^truncations 8, seed \w+: .*\d+ LoadError", done.stdout, re.MULTILINE)


# ---------------------------------------------------------------------- each loss is seen


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "UNITS", 8)
    monkeypatch.setattr(trials, "NAMES", ("w.h5",))


def test_a_save_that_is_not_at_once_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = trials.save

    def in_place(model: kt.Model, path: Path) -> None:
        if path.exists():
            os.truncate(path, 1000)
            time.sleep(0.2)
        original(model, path)

    monkeypatch.setattr(trials, "save", in_place)
    with pytest.raises(kt.errors.LoadError):
        trials.kills(4, tmp_path, random.Random(0))


def test_an_error_of_another_kind_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = trials.save

    def raw(model: kt.Model, path: Path) -> None:
        try:
            original(model, path)
        except kt.errors.SaveError:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(trials, "save", raw)
    with pytest.raises(trials.LostError, match="ends with status"):
        trials.full_disks(2, tmp_path, random.Random(0))


def test_what_is_left_behind_is_seen(tmp_path: Path) -> None:
    (tmp_path / ".w.h5.tmp").write_bytes(b"half")
    with pytest.raises(trials.LostError, match="are left"):
        trials.full_disks(1, tmp_path, random.Random(0))


def test_a_load_of_other_values_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "load", lambda path, into: trials.make(7))
    with pytest.raises(trials.LostError, match="the load ends with status"):
        trials.truncations(2, tmp_path, random.Random(0))


def test_weights_of_two_files_are_seen() -> None:
    model = trials.make(1)
    arrays = model.get_weights()
    arrays[-1][-1] = 2
    model.set_weights(arrays)
    with pytest.raises(trials.LostError, match="of several files"):
        trials.value_of(model)
