"""`kerastorch scan`: exit status, lines, JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _cases import CASES
from _hostile import dense

from kerastorch.cli import main

BY_NAME = {case.name: case for case in CASES}


def written(folder: Path, name: str) -> str:
    path = folder / name
    path.write_bytes(BY_NAME[name].make(path))
    return str(path)


def test_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, own, unsafe, bad = (
        written(tmp_path, name) for name in ("plain.keras", "own layer.keras", "eval.keras", "cut.keras")
    )
    assert main(["scan", good]) == 0
    assert main(["scan", good, own]) == 1
    assert main(["scan", "--strict", good, own]) == 3
    assert main(["scan", "--strict", good]) == 0
    assert main(["scan", unsafe, own]) == 3
    assert main(["scan", unsafe, bad]) == 4
    assert main(["scan", str(tmp_path)]) == 4
    capsys.readouterr()
    assert main(["scan", good, str(tmp_path / "gone")]) == 2
    assert "gone: there is no such file or folder. Check the path." in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["scan"])
    assert stopped.value.code == 2


def test_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "eval.keras")
    main(["scan", path])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"unsafe    {path} (Keras v3 .keras zip)"
    assert lines[1].startswith("  eval at config.json: config.layers[1].config.activation (layer 'd'): a builtin of P")
    assert lines[-1] == "1 file: 1 unsafe"
    assert main(["scan", "--json", path]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["status"], said["counts"]["unsafe"]) == (3, 1)
    assert said["files"][0]["findings"][0]["class"] == "eval"


def test_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "plain.keras")
    assert main(["scan", path, "--limit", "bytes=100", "--quick"]) == 3
    assert "the limit is 100. If it is meant to be that large, give --limit bytes=N." in capsys.readouterr().out
    assert main(["scan", path, "--limit", "layers=50", "--limit", "seconds=60"]) == 0
    assert main(["scan", path, "--limit", "byte=100"]) == 2
    assert "there is no bound 'byte'. Did you mean 'bytes'?" in capsys.readouterr().err
    assert main(["scan", path, "--limit", "size=100"]) == 2
    assert "there is no bound 'size'. There are bytes, layers, parameters, depth, seconds, " in capsys.readouterr().err
    assert main(["summary", path, "--limit", "bytes=100"]) == 2
    assert capsys.readouterr().err.endswith("give --limit bytes=N.\n")
    assert main(["summary", path, "--sha256", "9f86"]) == 2
    assert "--sha256: expected 64 hexadecimal digits, got '9f86'." in capsys.readouterr().err


def test_the_last_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no model")
    assert main(["scan", str(tmp_path)]) == 2  # a job that looks at the wrong folder must not pass
    assert capsys.readouterr().out == "0 files: none that may be a model; 1 other file, no model\n"
    (tmp_path / "more.txt").write_text("no model")
    assert main(["scan", str(tmp_path)]) == 2
    assert capsys.readouterr().out.endswith("; 2 other files, no models\n")
    assert main(["scan", "https://example.com/m.keras"]) == 2
    assert "Only local files are read: download it first." in capsys.readouterr().err


def test_names_that_act_on_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a\x1b[31m\nb.keras"
    path.write_bytes(dense())
    assert main(["scan", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_what_is_unsafe_shows_where_something_else_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "damaged.h5").write_bytes(b"nothing of a kind")
    (tmp_path / "weights.pkl").write_bytes(b"\x80\x04.")
    assert main(["scan", str(tmp_path)]) == 4
    assert capsys.readouterr().out.endswith("2 files: 1 unsafe, 1 refused\n")
