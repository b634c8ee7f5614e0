"""Files that somebody else cuts short or writes to while they are read, and disks that are full: errors, no crash."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from _made_files import open_files

import kerastorch as kt
from kerastorch.errors import LoadError
from kerastorch.files import _bytes

PACKAGE = Path(kt.__file__).resolve().parents[1]
UNITS = 150  # one kernel takes several blocks of the reader


def model() -> kt.Sequential:
    return kt.Sequential([kt.Input((None, UNITS)), kt.layers.LSTM(UNITS), kt.layers.Dense(3)])


@pytest.fixture(params=["m.h5", "m.keras", "m.weights.h5"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    made = model()
    made.save_weights(path) if request.param.endswith(".weights.h5") else made.save(path)
    return path


def load_and_change(path: Path, change: Callable[[Path], None], after: int, target: kt.Model) -> int:
    """Load the file, and change it before read number `after`; how often was read if that was earlier."""
    count = 0
    original = _bytes.OpenFile.into

    def into(file: _bytes.OpenFile, at: int, view: memoryview) -> None:
        nonlocal count
        if count == after:
            change(path)
        count += 1
        original(file, at, view)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_bytes.OpenFile, "into", into)
        if path.name.endswith(".weights.h5"):
            kt.load_weights(target, path)
        else:
            kt.load_model(path)
    return count


def cut(path: Path) -> None:
    os.truncate(path, 4096)


def write(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(64))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # clocks of files may stand still for some milliseconds


@pytest.mark.parametrize(("change", "says"), [(cut, "has changed: it"), (write, "written to while|the checksum of")])
def test_a_file_that_changes_is_an_error(saved: Path, change: Callable[[Path], None], says: str) -> None:
    content, target = saved.read_bytes(), model()
    before = [part.clone() for part in target.parameters()]
    reads = load_and_change(saved, change, -1, model())
    assert reads > 4
    for after in range(1, reads):
        saved.write_bytes(content)
        with pytest.raises(LoadError, match=says if after > 1 else None):
            load_and_change(saved, change, after, target)
        assert all(torch.equal(*pair) for pair in zip(before, target.parameters(), strict=True))


def test_what_was_read_does_not_follow_the_file(saved: Path) -> None:
    """A mapped file would show the new bytes in arrays of the old one."""
    if saved.name.endswith(".weights.h5"):
        loaded = model()
        loaded.load_weights(saved)
    else:
        loaded = kt.load_model(saved)
    before = [array.copy() for array in loaded.get_weights()]
    with saved.open("r+b") as file:
        file.write(bytes(saved.stat().st_size))
    for old, new in zip(before, loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_blocks_are_those_of_the_file(tmp_path: Path) -> None:
    path, size = tmp_path / "f", 3 * _bytes._BLOCK + 17
    path.write_bytes(np.random.default_rng(0).bytes(size))
    content = path.read_bytes()
    file = _bytes.OpenFile(os.open(path, os.O_RDONLY), "f")
    try:
        part = _bytes.OnDisk(file, 5, size - 5).part(3, size - 5)
        edges = [
            0,
            1,
            _bytes._BLOCK - 9,
            _bytes._BLOCK - 8,
            _bytes._BLOCK - 7,
            2 * _bytes._BLOCK,
            part.size - 1,
            part.size,
        ]
        for at in edges:
            for end in edges:
                if at <= end:
                    assert part.read(at, end) == content[8 + at : 8 + end]
    finally:
        file.close()
    with pytest.raises(LoadError, match="closed"):
        part.read(0, 1)


def test_a_file_that_nobody_closes_is_closed_with_what_reads_it(saved: Path) -> None:
    archive = kt.files.open_archive(saved)
    assert saved.resolve() in open_files()
    del archive
    gc.collect()
    assert saved.resolve() not in open_files()


FULL = """
import resource, sys
sys.path.insert(0, {package!r})
import kerastorch as kt
model = kt.Sequential([kt.Input((None, 8)), kt.layers.LSTM(64), kt.layers.Dense(3)])
rest = {{"m.h5": [], "m.keras": [], "m.weights.h5": []}}
for limit in (100, 800, 2_048, 2_500, 5_000, 20_000, 60_000, 89_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for name in rest:
        try:
            model.save_weights(name) if ".weights" in name else model.save(name)
        except kt.errors.SaveError as error:
            assert "cannot be written (File too large); nothing was changed" in str(error), error
        else:
            raise AssertionError((limit, name))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """In a process of its own, which the HDF5 library has crashed where a write failed while it closed the file."""
    old = tmp_path / "m.h5"
    old.write_bytes(b"the model of yesterday")
    code = FULL.format(package=str(PACKAGE))
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]
    assert old.read_bytes() == b"the model of yesterday"
