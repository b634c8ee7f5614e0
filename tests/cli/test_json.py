"""What `--json` of each command says: the keys that docs/command_line.md lists, and values that stand in the files."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from _terminal import Terminal
from make_goldens import ROOT

import kerastorch as kt
from kerastorch import cli
from kerastorch.cli import _help
from kerastorch.cli._json import SCHEMA

PAGE = (ROOT / "docs" / "command_line.md").read_text("utf-8")
KEYS = {
    command: re.findall(r"`(\w+)`", keys)
    for command, keys in re.findall(r"^\| `([\w-]+)` \| (`schema`.*) \|", PAGE, re.MULTILINE)
}
COMMANDS = {
    "info": ("info", "m.keras"),
    "scan": ("scan", "m.keras"),
    "summary": ("summary", "m.keras"),
    "plot": ("plot", "m.keras", "m.svg"),
    "verify": ("verify", "m.keras", "--golden", "m.npz"),
    "convert": ("convert", "m.keras", "m.h5", "--check"),
    "export": ("export", "m.keras", "code", "--to", "source"),
}
ELSEWHERE = ("record", "self-check")  # tests/check_parity: Keras runs there, and every layer


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for ending in ("keras", "npz"):
        shutil.copy(ROOT / "demo" / f"tagger.{ending}", tmp_path / f"m.{ending}")
    monkeypatch.chdir(tmp_path)
    return Terminal(capsys)


def alone(run: Terminal, *command: str, status: int = 0) -> dict[str, Any]:
    """What is printed where JSON is wanted alone."""
    said = json.loads(run(*command, *(("--json",) if command[0] == "scan" else ("--json", "-")), status=status))
    assert (said["schema"], said["command"], said["status"]) == (SCHEMA, command[0], status)
    return said


def test_every_command_has_it_or_a_reason() -> None:
    assert set(COMMANDS) | set(ELSEWHERE) == set(_help.EXAMPLES)
    assert set(KEYS) == set(_help.EXAMPLES)
    assert "`completion` has none" in PAGE


@pytest.mark.parametrize("command", COMMANDS)
def test_the_keys_are_those_of_the_page(command: str, run: Terminal) -> None:
    said = alone(run, *COMMANDS[command])
    wanted = KEYS[command]
    if command == "verify":  # beside --golden there are other keys, and the page says so
        wanted = ["schema", "command", "status", "passed", "golden", "outputs"]
        assert all(f"`{key}`" in PAGE for key in wanted)
    assert list(said) == wanted


def test_info(run: Terminal) -> None:
    said = alone(run, "info", "m.keras")
    model = kt.load_model("m.keras")
    assert [layer["name"] for layer in said["layers"]] == [layer.name for layer in model.layers]
    (tags,) = [layer for layer in said["layers"] if layer["name"] == "tags"]
    assert tags == {
        "name": "tags",
        "class": "TimeDistributed",
        "depth": 0,
        "output_shape": [None, None, 6],
        "connected_to": ["context"],
        "parameters": 150,
        "trainable_parameters": 150,
        "kernel": None,
        "why": None,
    }
    assert said["layers"][3]["kernel"].startswith("fused")
    assert said["parameters"] == {"total": 3975, "trainable": 3975, "not_trainable": 0, "torch": 4071}
    assert {"layer": "embedding", "class": "Embedding", "what": "made"} in said["masks"]
    assert said["written_by"] == "Keras 3.15.1"
    assert said["arrays"] is said["missing"] is said["fitting_layers"] is None


def test_info_of_weights(run: Terminal) -> None:
    kt.load_model("m.keras").save_weights("m.weights.h5")
    said = alone(run, "info", "m.weights.h5")
    assert set(said) == set(KEYS["info"])
    assert {"of": "layers/embedding", "name": "0", "shape": [50, 12], "dtype": "float32"} in said["arrays"]
    assert any(line.startswith("kt.layers.GRU(8),") for line in said["fitting_layers"])
    assert said["layers"] is None
    text = run("info", "m.weights.h5")
    assert "in the order of the file, which need not be the model's, to begin" in text
    kt.load_model("m.keras").save_weights("m.h5")  # the layers as the model has them
    assert "in the order of the model, to begin" in run("info", "m.h5")


def test_info_of_what_needs_code(run: Terminal) -> None:
    x = kt.Input((3,), name="x")
    kt.Model(x, kt.layers.Dense(2, name="mine")(x)).save("own.keras")
    change(Path("own.keras"), b'"class_name": "Dense"', b'"class_name": "Mine!"')
    said = alone(run, "info", "own.keras", status=1)
    assert set(said) == set(KEYS["info"])
    assert said["missing"] == [{"path": "mine", "class": "Mine!", "note": said["missing"][0]["note"]}]
    assert [layer["name"] for layer in said["layers"]] == ["x", "mine"]


def change(path: Path, old: bytes, new: bytes) -> None:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts["config.json"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data.replace(old, new))


def test_the_columns_of_a_summary_are_numbers(run: Terminal) -> None:
    said = alone(run, "summary", "m.keras", "--columns", "dtype,trainable,kernel,memory,mult_adds,torch")
    (context,) = [layer for layer in said["layers"] if layer["name"] == "context"]
    assert context["parameters_in_torch"] == 2400 + 96
    assert context["memory_bytes"] == 4 * 2400
    assert context["mult_adds"] == 2 * 4 * 12 * (12 + 12)
    assert context["dtype"] == "float32"
    assert context["trainable"] is True
    assert said["layers"][0]["trainable"] is None
    assert context["kernel"].startswith("fused")


def test_convert_and_export(run: Terminal) -> None:
    said = alone(run, *COMMANDS["convert"])
    assert said["bytes"] == {"file": os.path.getsize("m.keras"), "out": os.path.getsize("m.h5")}
    assert [item["verdict"] for item in said["check"]] == ["same", "same"]
    assert (said["to"], said["layers"], said["parameters"]["total"]) == ("keras3", 6, 3975)
    assert alone(run, "convert", "m.keras", "m.safetensors")["check"] is None
    files = alone(run, *COMMANDS["export"])["files"]
    assert all(Path(file).is_file() for file in files)
    assert {Path(file).name for file in files} >= {"model.py", "model.safetensors"}


def test_a_golden_that_differs(run: Terminal) -> None:
    import numpy as np

    golden = dict(np.load("m.npz"))
    golden["y1"] = golden["y1"] + 1e-3
    np.savez("other.npz", **golden)
    said = alone(run, "verify", "m.keras", "--golden", "other.npz", status=1)
    assert said["passed"] is False
    assert [item["verdict"] for item in said["outputs"]].count("DIFFERS") == 1


def test_a_file_is_written_whole_beside_what_is_printed(run: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    text = run("info", "m.keras", "--json", "said.json")
    assert text == run("info", "m.keras")
    assert json.loads(Path("said.json").read_text("utf-8"))["command"] == "info"
    whole = Path("said.json").read_bytes()

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in run("info", "m.keras", "--json", "said.json", status=2)
    assert Path("said.json").read_bytes() == whole
    assert [name for name in os.listdir() if "said" in name] == ["said.json"]


@pytest.mark.parametrize("name", ["json", "html"])
def test_a_report_replaces_no_model(run: Terminal, name: str) -> None:
    before = Path("m.keras").read_bytes()
    os.link("m.keras", "linked.keras")
    for place in ("m.keras", "./m.keras", "linked.keras"):
        error = run("verify", "m.keras", "--golden", "m.npz", f"--{name}", place, status=2)
        assert f"--{name} '{place}' is the place of FILE, too; give another name." in error
    assert "is the place of OUT, too" in run("convert", "m.keras", "n.h5", "--json", "n.h5", status=2)
    assert Path("m.keras").read_bytes() == before


def test_a_pipe_is_written_to(run: Terminal) -> None:
    run("info", "m.keras", "--json", os.devnull)
    assert not Path(os.devnull).is_file()


def test_a_script_is_no_report(run: Terminal) -> None:
    assert "no --json" in run("record", "--script", "--json", "-", status=2)


def test_what_is_next_is_said_in_one_place() -> None:
    said = {*_help.NEXT, *_help.SAY_IT_THEMSELVES, *_help.NO_NEXT}
    assert said == set(cli.make_parser().commands)
    tables = (*_help.NEXT.values(), *_help.NEXT_AFTER_A_FAULT.values(), _help.NEXT_OF_A_MODEL, _help.NEXT_OF_WEIGHTS)
    told: dict[str, set[str]] = {}
    for table in tables:
        for line, what in table:
            told.setdefault(line, set()).add(what)
    assert {line for line, whats in told.items() if len(whats) > 1} <= {"kerastorch verify FILE"}  # its aim differs
    assert _help.what_next("verify", 2) == ""
    assert "--html report.html" in _help.what_next("verify", 1)


def test_the_layers_of_a_model_without_shapes() -> None:
    from kerastorch.cli._json import parameters

    model = kt.Sequential([kt.layers.Dense(2)])
    assert parameters(model)["total"] == 0
    model(torch.zeros(1, 3))
    assert parameters(model) == {"total": 8, "trainable": 8, "not_trainable": 0, "torch": 8}
