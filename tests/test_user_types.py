"""What a type checker tells people about code that uses the package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent

SNIPPET = """
import kerastorch as kt
from kerastorch import layers

lstm = layers.LSTM(4, return_sequences=True)
layers.LSTM(4, return_sequence=True)
layers.Dense(4, "relu", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)
layers.Dense()
reveal_type(lstm)
reveal_type(kt.Sequential([lstm]))
reveal_type(lstm.units)
reveal_type(lstm.weights[0].shape)
"""


@pytest.mark.skipif(importlib.util.find_spec("pyright") is None, reason="pyright is not installed here")
def test_a_misspelt_argument_is_flagged_and_types_are_known(tmp_path: Path) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(file)]
    run = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=300)
    found = json.loads(run.stdout)["generalDiagnostics"]
    lines = SNIPPET.splitlines()
    flagged = {lines[item["range"]["start"]["line"]] for item in found if item["severity"] == "error"}
    assert flagged == {line for line in lines if line.startswith("layers.")}
    told = {lines[item["range"]["start"]["line"]]: item["message"] for item in found if item["severity"] != "error"}
    assert told == {
        "reveal_type(lstm)": 'Type of "lstm" is "LSTM"',
        "reveal_type(kt.Sequential([lstm]))": 'Type of "kt.Sequential([lstm])" is "Sequential"',
        "reveal_type(lstm.units)": 'Type of "lstm.units" is "int"',
        "reveal_type(lstm.weights[0].shape)": 'Type of "lstm.weights[0].shape" is "tuple[int, ...]"',
    }
