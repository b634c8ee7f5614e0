"""A compiled library that cannot be loaded: the import warns once, goes on with the next best, and can say why."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from _needs import COMPILED, lacking, needs

from kerastorch import layers, native
from kerastorch.errors import ArgumentError
from kerastorch.native import _finding

PACKAGE = Path(native.__file__).resolve().parents[1]
HERE = torch.backends.cpu.get_cpu_capability()
BEST = native.level or "DEFAULT"
pytestmark = needs(native.available, COMPILED)
linux = pytest.mark.skipif(sys.platform != "linux", reason="the libraries of other systems are not ELF")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the compiled libraries, in the place of those of the package."""
    for level in _finding.LEVELS:
        if native.file_of(level).exists():
            shutil.copy(native.file_of(level), tmp_path)
    monkeypatch.setattr(_finding, "file_of", lambda level: tmp_path / f"steps-{level.lower()}.so")
    return tmp_path


def compiled(folder: Path, source: str, *flags: str) -> bytes:
    compiler = shutil.which("cc")
    if compiler is None:
        lacking("there is no C compiler")
    (folder / "other.c").write_text(source)
    made = folder / "other.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, folder / "other.c", *flags], check=True)
    return made.read_bytes()


def lone(folder: Path) -> Path:
    """A library without a path in its name, which nothing finds when the program runs."""
    compiled(folder, "int elsewhere(void) { return 1; }", "-Wl,-soname,libc.elsewhere.so.1")
    return (folder / "other.so").rename(folder / "libelsewhere.so")


BROKEN: dict[str, tuple[Callable[[Path, bytes], bytes], str]] = {
    "cut in its code": (lambda folder, whole: whole[: len(whole) // 2], "it is cut: "),
    "cut behind its headers": (lambda folder, whole: whole[:700], "it is cut: "),
    "cut in its headers": (lambda folder, whole: whole[:100], "it is cut: "),
    "cut in its first header": (lambda folder, whole: whole[:30], "it is cut: 30 bytes"),
    "cut at its end": (lambda folder, whole: whole[:-1], "it is cut: "),
    "empty": (lambda folder, whole: b"", "file too short"),
    "zeros": (lambda folder, whole: bytes(len(whole)), "invalid ELF header"),
    "text": (lambda folder, whole: b"version https://git-lfs\n" * 10, "invalid ELF header"),
    "of another processor": (
        lambda folder, whole: whole[:18] + struct.pack("<H", 183 if whole[18] != 183 else 62) + whole[20:],
        "it is for another processor, ",
    ),
    "of another byte order": (lambda folder, whole: whole[:5] + b"\2" + whole[6:], "it is for another processor"),
    "of 32 bits": (lambda folder, whole: whole[:4] + b"\1" + whole[5:], "it is for another processor"),
    "with no table": (lambda folder, whole: whole[:54] + b"\1\0" + whole[56:], "it is damaged"),
    "with a place far away": (lambda folder, whole: whole[:32] + b"\xff" * 8 + whole[40:], "it is cut: "),
    "of other sources": (
        lambda folder, whole: compiled(folder, "int size_of_walk(void) { return 8; }"),
        "is older than its sources",
    ),
    "of another program": (lambda folder, whole: compiled(folder, "int x;"), "is older than its sources"),
    "with names that are nowhere": (
        lambda folder, whole: compiled(folder, "int gone(void); int size_of_walk(void) { return gone(); }"),
        "undefined symbol: gone",
    ),
    "linked with what is not there": (
        lambda folder, whole: compiled(folder, "int x;", "-Wl,--no-as-needed", str(lone(folder))),
        "cannot open shared object file",
    ),
}


@linux
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_library_that_does_not_load_is_warned_of_and_left(kind: str, count: int, folder: Path) -> None:
    levels = _finding.LEVELS[_finding.LEVELS.index(BEST) :]
    if count > len(levels):
        pytest.skip(f"the processor has {len(levels)} levels")
    broken, message = BROKEN[kind]
    for level in levels[:count]:
        file = folder / f"steps-{level.lower()}.so"
        file.write_bytes(broken(folder, file.read_bytes()))
    with pytest.warns(RuntimeWarning) as caught:
        found = _finding.find(native.load)
    assert len(caught) == 1
    text, rest = str(caught[0].message), levels[count:]
    for level in levels[:count]:
        assert f"steps-{level.lower()}.so cannot be loaded: " in text
    assert text.count("cannot be loaded") == count
    assert text.count(message) == count
    assert "Install kerastorch anew" in text
    assert found.level == (rest[0] if rest else None)
    assert (found.library is None) == (not rest)
    assert (f"The code for {found.level} runs in its place" if rest else "Operations of torch run") in text
    assert found.shortfall.count(message) == count


@linux
def test_a_cut_library_does_not_end_the_process() -> None:
    """Behind the end of a file that is mapped, a read is a fatal signal; here for many places of the cut."""
    code = f"""
import sys, tempfile, pathlib
sys.path.insert(0, {str(PACKAGE.parent)!r})
from kerastorch import native
whole = native.file_of("DEFAULT").read_bytes()
file = pathlib.Path(tempfile.mkdtemp()) / "steps.so"
for size in [*range(0, len(whole), 1021), len(whole) - 1]:
    file.write_bytes(whole[:size])
    try:
        native.load(file)
    except OSError:
        continue
    sys.exit("loaded")
native.load(native.file_of("DEFAULT"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_system_that_runs_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = "failed to map segment from shared object: Operation not permitted"

    def refuse(name: str) -> None:
        raise OSError(f"{name}: {refusal}")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.warns(RuntimeWarning, match=refusal):
        assert _finding.find(native.load).library is None


@linux
def test_the_import_warns_once_and_the_numbers_are_right(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "kerastorch", ignore=shutil.ignore_patterns("__pycache__"))
    for file in (tmp_path / "kerastorch" / "native").glob("*.so"):
        file.write_bytes(file.read_bytes()[:20000])
    code = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}, {str(Path(__file__).parent)!r}]
import numpy, torch, kerastorch
from kerastorch import layers
from _close import assert_close
for cls in (layers.LSTM, layers.GRU, layers.SimpleRNN):
    layer, exact = cls(4, activation="relu"), cls(4, activation="relu", dtype="float64")
    x = torch.rand(3, 9, 2)
    out = layer(x)
    exact.build((None, 9, 2)); exact.set_weights(layer.get_weights())
    assert_close(out, exact(x.double()))
    print(layer.kernel_choice().reason)
print(layers.LSTM(4).kernel_choice().reason)
print(layers.GRU(4).kernel_choice().reason)
print(layers.ConvLSTM2D(4, 3).kernel_choice().reason)
print(layers.RNN(layers.LSTMCell(4)).kernel_choice().reason)
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RuntimeWarning") == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    for line in lines:
        assert "no compiled code runs: steps-" in line
        assert "cannot be loaded: it is cut: 20,000 bytes of " in line


def test_levels_that_were_not_compiled_are_told_without_a_warning(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _finding.find(native.load)[1:] == (BEST, "" if BEST == HERE else native.shortfall)
        for level in _finding.LEVELS[:-1]:
            (folder / f"steps-{level.lower()}.so").unlink(missing_ok=True)
        found = _finding.find(native.load)
        assert found.level == "DEFAULT"
        assert found.library is not None
        assert found.library.size_of_walk() > 0
        if HERE in _finding.LEVELS[:-1]:
            assert found.shortfall == (
                f"compiled for DEFAULT, where the processor has {HERE}: the compiler at installation knew no more"
            )
        (folder / "steps-default.so").unlink()
        found = _finding.find(native.load)
    assert found[:2] == (None, None)
    assert found.shortfall == "no recurrence was compiled when kerastorch was installed, which takes a C compiler"


@pytest.mark.parametrize("highest", ["default", "AVX2", "avx512"])
def test_the_environment_keeps_higher_levels_out(highest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_finding.HIGHEST, highest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _finding.find(native.load)
    levels = [level for level in _finding.LEVELS if native.file_of(level).exists()]
    here = levels[levels.index(BEST) :]
    wanted = highest.upper() if highest.upper() in here else BEST
    assert found.level == wanted
    lower = _finding.LEVELS.index(highest.upper()) > _finding.LEVELS.index(HERE) if HERE in _finding.LEVELS else False
    assert (found.shortfall == f"the environment variable KERASTORCH_COMPILED is {highest!r}") is lower


def test_the_environment_keeps_every_level_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_finding.HIGHEST, "none")
    assert _finding.find(native.load) == (None, None, "the environment variable KERASTORCH_COMPILED is 'none'")
    monkeypatch.setenv(_finding.HIGHEST, "")
    assert _finding.find(native.load).level == BEST
    monkeypatch.setenv(_finding.HIGHEST, "sse9")
    with pytest.raises(ArgumentError, match=r"KERASTORCH_COMPILED: expected 'avx512', .* or 'none', "):
        _finding.find(native.load)


@pytest.mark.parametrize("capability", ["NO AVX", "SVE256", "VSX"])
def test_other_processors_take_the_plain_one(capability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert _finding.find(native.load)[1:] == ("DEFAULT", "")


def test_the_kernel_choice_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [layers.LSTM(4), layers.GRU(4), layers.LSTM(4, activation="relu"), layers.ConvLSTM1D(2, 3)]
    for available, what in {True: "slower compiled code runs: ", False: "no compiled code runs: "}.items():
        monkeypatch.setattr(native, "available", available)
        for layer in whole:
            monkeypatch.setattr(native, "shortfall", "")
            assert "compiled code runs:" not in layer.kernel_choice().reason
            monkeypatch.setattr(native, "shortfall", "the reason")
            assert layer.kernel_choice().reason.endswith(f"; {what}the reason")
    softmax = layers.LSTM(4, activation="softmax")  # for which there is no compiled code at all
    assert "the reason" not in softmax.kernel_choice().reason
