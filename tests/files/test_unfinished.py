"""What a killed save leaves is taken away by the next one, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import kerastorch as kt
from kerastorch.errors import SaveError
from kerastorch.files import unfinished as module
from kerastorch.files._sink import Sink
from kerastorch.files.replacing import replacing
from kerastorch.files.unfinished import unfinished

pytestmark = pytest.mark.skipif(module.fcntl is None, reason="nothing is taken away on this system")

# Holds an unfinished file, with another beside it, and says its name; then waits to be killed.
_HOLDS = """
import sys
sys.path[:0] = sys.argv[2:]
from kerastorch.files.unfinished import unfinished
with unfinished(sys.argv[1], is_folder=sys.argv[1].endswith("folder")) as made:
    open(made.path + ".h5" if not sys.argv[1].endswith("folder") else made.path + "/model.py", "w").write("x" * 9000)
    print(made.path, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_saves(target: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    command = [sys.executable, "-c", _HOLDS, str(target), str(Path(module.__file__).parents[2])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Path(process.stdout.readline().strip()), process
        finally:
            process.kill()


def save(target: Path) -> None:
    with replacing(target) as temporary:
        Path(temporary).write_bytes(b"new")


def test_it_goes_when_its_process_has_been_killed(tmp_path: Path) -> None:
    target = tmp_path / "m.keras"
    with another_process_saves(target) as (left, process):
        beside = Path(f"{left}.h5")
        save(target)
        assert left.exists()  # it is being written
        assert beside.exists()
        process.kill()
        process.wait()
        save(tmp_path / "m.ker")
        save(tmp_path / "n.keras")
        assert left.exists()  # it is another file's
        save(target)
        assert sorted(os.listdir(tmp_path)) == ["m.ker", "m.keras", "n.keras"]


def test_folders_go_too(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with another_process_saves(target) as (left, process):
        with unfinished(str(target), is_folder=True):
            assert (left / "model.py").exists()
        process.kill()
        process.wait()
        with unfinished(str(target), is_folder=True):
            assert not left.exists()
    assert os.listdir(tmp_path) == []


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """The name that a save of `m` in a process that has ended would have left."""
    with unfinished(str(tmp_path / "m")) as made:
        name = os.path.basename(made.path)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return name.replace(f"-{os.getpid()}-", f"-{process.pid}-")


def test_what_is_not_ours_stays(tmp_path: Path, dead: str) -> None:
    machine = dead.split("kerastorch-")[1].split("-")[0]
    others = [
        dead.replace(machine, "0" * 12),  # of another machine, for which the number means another process
        dead.replace("kerastorch", "other"),
        dead.replace(".tmp", ".tmp2"),
        f"{dead}.orphan",  # that which it would belong to is not there
        dead.replace(f"-{dead.split('-')[2]}-", f"-{os.getppid()}-"),  # a process that is there, whoever locks what
        dead.replace(f"-{dead.split('-')[2]}-", "-0-"),
        ".m.abcdefgh.tmp",
        "m.tmp",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"kept")
    (tmp_path / "aim").write_bytes(b"kept")
    link = tmp_path / (dead[:-12] + "00000000.tmp")
    link.symlink_to("aim")
    save(tmp_path / "m")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "aim", link.name, "m"])


def test_a_plain_one_of_a_process_that_is_gone_goes(tmp_path: Path, dead: str) -> None:
    (tmp_path / dead).write_bytes(b"old")
    (tmp_path / dead).chmod(0o400)
    (tmp_path / f"{dead}.h5").write_bytes(b"old")
    save(tmp_path / "m")
    assert os.listdir(tmp_path) == ["m"]


def test_a_number_that_came_again_does_not_keep_it(tmp_path: Path, dead: str) -> None:
    """In containers the process that saves has the same small number each time."""
    mine = dead.replace(f"-{dead.split('-')[2]}-", f"-{os.getpid()}-")
    (tmp_path / mine).write_bytes(b"old")
    save(tmp_path / "m")
    assert os.listdir(tmp_path) == ["m"]


def test_where_the_file_system_has_no_locks_everything_stays(
    tmp_path: Path, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(module, "_lock", refuse)
    (tmp_path / dead).write_bytes(b"old")
    save(tmp_path / "m")
    assert sorted(os.listdir(tmp_path)) == [dead, "m"]


def test_a_folder_that_cannot_be_listed_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "scandir", refuse)
    save(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == b"new"


def test_threads_that_save_to_one_place_take_nothing_from_each_other(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def saves() -> None:
        try:
            for _ in range(40):
                save(tmp_path / "m")
        except SaveError as error:
            failed.append(error)

    threads = [threading.Thread(target=saves) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert os.listdir(tmp_path) == ["m"]


def test_names_as_long_as_the_system_takes(tmp_path: Path) -> None:
    for name in ("n" * 255, "\u6c34" * 85):
        save(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["n" * 255, "\u6c34" * 85]
    with pytest.raises(SaveError, match=r"File name too long\).*Give a shorter name"):
        save(tmp_path / ("n" * 256))


def test_a_reader_may_lock_the_file_at_once(tmp_path: Path) -> None:
    """h5py locks what it opens; a lock that the save held longer would be in its way."""
    with unfinished(str(tmp_path / "m")) as made:
        made.move_to(str(tmp_path / "m"))
        with open(tmp_path / "m") as file:
            module.fcntl.flock(file, module.fcntl.LOCK_EX | module.fcntl.LOCK_NB)


@pytest.mark.skipif(os.name == "nt", reason="no permissions as POSIX has them")
@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_nobody_else_reads_what_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """A save that is killed leaves files that only their owner can read, whatever the model's file will be."""
    modes: dict[str, int] = {}
    write = Sink.write

    def watched(self: Sink, data: bytes) -> int:
        modes.update((name, (tmp_path / name).stat().st_mode & 0o777) for name in os.listdir(tmp_path))
        return write(self, data)

    monkeypatch.setattr(Sink, "write", watched)
    model = kt.Sequential([kt.Input((2,)), kt.layers.Dense(3)])
    path = tmp_path / f"m{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    assert modes
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
