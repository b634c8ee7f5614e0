"""The help of the command line: examples that run, statuses that are said, names that are meant."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_goldens import ROOT

import kerastorch as kt
from kerastorch import cli
from kerastorch.cli import _help

PAGE = (ROOT / "docs" / "command_line.md").read_text("utf-8")
COMMANDS = [*cli.make_parser().commands]
# Keras runs in these, and a device: tests/check_parity has them.
ELSEWHERE = ("verify model.keras", "verify model.keras --html", "record model.keras", "self-check", "--recording")
LINES = [line for examples in _help.EXAMPLES.values() for line, _ in examples]


def test_every_command_says_what_its_status_means() -> None:
    assert set(COMMANDS) == set(_help.EXIT)
    assert set(_help.EXAMPLES) | {"completion"} == set(COMMANDS)


def test_the_page_has_what_the_help_has() -> None:
    assert [line for line in LINES if f"{line}  # " not in PAGE] == []
    assert [command for command in COMMANDS if f"| `{command}` | {_help.EXIT[command]} |" not in PAGE] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    text = capsys.readouterr().out
    assert f"exit status: {_help.EXIT[command]}" in text
    assert all(line in text for line, _ in _help.EXAMPLES.get(command, ()))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name."""
    demo = ROOT / "demo" / "tagger.keras"
    (tmp_path / "downloads").mkdir()
    for place in ("model.keras", "downloads/model.keras"):
        shutil.copy(demo, tmp_path / place)
    shutil.copy(ROOT / "demo" / "tagger.npz", tmp_path / "outputs.npz")
    model = kt.load_model(demo)
    model.save(tmp_path / "model.h5")
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_the_examples_run(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line)[1:]
    words = words[: words.index(">")] if ">" in words else words
    if any(text in line for text in ELSEWHERE) and "--golden" not in line:
        cli.make_parser().parse_args(words)  # its options are there
        return
    assert cli.main(words) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["infos", "a"], "Did you mean 'info'?"),
        (["verify", "a", "--goldn", "b"], "Did you mean '--golden'?"),
        (["scan", "a", "--strikt"], "Did you mean '--strict'?"),
        (["convert", "a", "b", "--chekc"], "Did you mean '--check'?"),
    ],
)
def test_what_may_be_meant(words: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert meant in capsys.readouterr().err


def test_a_terminal_is_told_what_can_be_done_next(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["summary", "model.keras"]) == 0
    piped = capsys.readouterr().out
    assert "next:" not in piped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(["summary", "model.keras"]) == 0
    assert "next:\n  kerastorch verify model.keras " in capsys.readouterr().out
    assert cli.main(["scan", "--json", "model.keras"]) == 0
    assert "next:" not in capsys.readouterr().out
    shutil.copy("model.keras", "a b.keras")
    assert cli.main(["summary", "a b.keras"]) == 0
    assert "kerastorch verify 'a b.keras'" in capsys.readouterr().out


def test_completion(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)
    ask = f"source {script}; COMP_WORDS=(kerastorch ver); COMP_CWORD=1; _shtab_kerastorch; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["verify"]


def test_completion_without_shtab(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert cli.main(["completion", "zsh"]) == 2
    assert 'completion needs shtab: pip install "kerastorch-rnn[completion]"' in capsys.readouterr().err
