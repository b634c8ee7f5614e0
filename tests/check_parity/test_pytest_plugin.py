"""assert_keras_parity, and the pytest plugin in a pytest of its own: where Keras is, and where it is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _needs import lacking
from _recordings import dense_model, dense_recording
from make_goldens import ROOT

import kerastorch as kt
from kerastorch.errors import ArgumentError, MissingKerasError
from kerastorch.pytest_plugin import missing_keras

DEMO = ROOT / "demo" / "tagger.keras"
TESTS = f"""
import numpy as np
import pytest
import kerastorch as kt
from _recordings import dense_model

def changed(model):
    model.set_weights([array * np.float32(1.001) for array in model.get_weights()])
    return model

def test_file(keras_parity):
    report = keras_parity({str(DEMO)!r}, what=("outputs",), backend="torch")
    assert report.passed and "(torch)" in report.reference["by"]

def test_recording(keras_parity):
    assert keras_parity("small.npz", dense_model()).passed

def test_fault(keras_parity):
    keras_parity("small.npz", changed(dense_model()))

@pytest.fixture
def keras():
    return pytest.importorskip("keras_that_nobody_has", reason="a fixture that comes too early")

@pytest.mark.needs_keras
def test_marked():
    pass

@pytest.mark.needs_keras(backend="jax")
def test_marked_for_jax(keras):
    pass

def test_function():
    kt.assert_keras_parity({str(DEMO)!r}, what=("outputs",), backend="torch")
"""


def installed(folder: Path) -> Path:
    """A folder that says of kerastorch what its installation says: the entry points of `pyproject.toml`."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\[project\.entry-points\.pytest11\]\n((?:.+\n)+)", text, re.M)
    about = folder / "site" / "kerastorch_here-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kerastorch-here\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[pytest11]\n" + table.replace('"', ""))
    return about.parent


def run_pytest(
    folder: Path, *arguments: str, without: bool, stated: bool = False, tests: str = TESTS
) -> tuple[int, dict[str, str], str]:
    """A pytest where kerastorch is installed: its status, the outcome of each test, and what it printed."""
    dense_recording(folder / "small.npz")
    (folder / "test_it.py").write_text(tests)
    head = "import sys\nsys.modules.update(keras=None, tf_keras=None, tensorflow=None)\n" if without else ""
    (folder / "conftest.py").write_text(head + ('pytest_plugins = ["kerastorch.pytest_plugin"]\n' if stated else ""))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    paths = [installed(folder), ROOT, ROOT / "tests", ROOT / "tests" / "check_parity"]
    if without:  # what the process of Keras would import
        for name in ("keras", "tf_keras", "tensorflow"):
            (folder / "away" / name).mkdir(parents=True)
            (folder / "away" / name / "__init__.py").write_text(f"raise ImportError('{name} is away')\n")
        paths.insert(0, folder / "away")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "CI": "", "COLUMNS": "400"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("test_it.py::")]
    return done.returncode, {line[0].partition("::")[2]: line[1] for line in lines}, done.stdout + done.stderr


def test_without_keras(tmp_path: Path) -> None:
    status, found, text = run_pytest(tmp_path, without=True)
    assert status == 1, text
    assert found == {
        "test_file": "SKIPPED",
        "test_recording": "PASSED",
        "test_fault": "FAILED",
        "test_marked": "SKIPPED",
        "test_marked_for_jax": "SKIPPED",
        "test_function": "SKIPPED",
    }, text
    assert "There is no such Keras there: there is no Keras" in text, text
    assert "there is no Keras with the backend torch in" in text
    assert ": keras: keras is away" in text
    assert "Keras is not installed: none of keras, tf_keras" in text
    assert "too early" not in text
    assert "AssertionError: NO PARITY: 3 of 3 arrays differ by more than rounding; it begins at 'dense'" in text
    assert "Explained by: the model here has other weights than the reference: dense" in text
    assert 'keras_parity("small.npz", changed(dense_model()))' in text, "the line of the test is shown"
    assert "raise AssertionError(str(report))" not in text, "and not the one here"


def test_without_keras_where_it_is_required(tmp_path: Path) -> None:
    """A conftest.py that states the plugin, as they did before pytest found it, goes on to work."""
    arguments = ("--require-keras", "-k", "file or marked or function")
    status, found, text = run_pytest(tmp_path, *arguments, without=True, stated=True)
    assert status == 1
    assert found == {
        "test_file": "FAILED",
        "test_marked": "ERROR",
        "test_marked_for_jax": "ERROR",
        "test_function": "FAILED",
    }, text
    assert text.count("(--require-keras)") >= 4


def test_a_pytest_that_needs_no_parity_imports_nothing(tmp_path: Path) -> None:
    tests = """
import sys

def test_it():
    assert "kerastorch.pytest_plugin" in sys.modules
    assert not {"torch", "numpy", "h5py", "kerastorch.parity", "keras", "tensorflow"} & set(sys.modules)
"""
    status, found, text = run_pytest(tmp_path, without=False, tests=tests)
    assert (status, found) == (0, {"test_it": "PASSED"}), text
    off = tmp_path / "off"
    off.mkdir()
    status, _, text = run_pytest(off, "-p", "no:kerastorch.pytest_plugin", without=False, tests=tests)
    assert status == 1, text


@pytest.mark.live
def test_with_keras(tmp_path: Path) -> None:
    if lack := missing_keras(backend="torch"):
        lacking(lack, "KERASTORCH_REQUIRE_KERAS")
    status, found, text = run_pytest(tmp_path, "-k", "file or marked", without=False)
    assert status == 0, text
    assert found == {"test_file": "PASSED", "test_marked": "PASSED", "test_marked_for_jax": "SKIPPED"}, text
    assert "Keras has no backend here: jax is not installed" in text


def test_assert_keras_parity(tmp_path: Path) -> None:
    recording = dense_recording(tmp_path / "small.npz")
    model = dense_model()
    assert kt.assert_keras_parity(recording, model, what=("outputs", "layers")).passed
    with pytest.raises(ArgumentError, match="what: expected some of"):
        kt.assert_keras_parity(recording, model, what=("weather",))
    model.set_weights([array * np.float32(1.001) for array in model.get_weights()])
    with pytest.raises(AssertionError) as caught:
        kt.assert_keras_parity(recording, model)
    assert str(caught.value) == str(kt.check_parity(recording, model))


def test_a_keras_that_is_missing_has_an_error_of_its_own(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'recorder: error: there is no Keras in here'\nexit 4\n")
    python.chmod(0o755)
    told = r"no such Keras there: there is no Keras in here\. What can be done: install keras there; name the Python"
    with pytest.raises(MissingKerasError, match=told):
        kt.check_parity(DEMO, python=python)


def test_backends_of_the_marker() -> None:
    with pytest.raises(ArgumentError, match="expected one of tensorflow, jax, torch, got 'theano'"):
        missing_keras("theano")
