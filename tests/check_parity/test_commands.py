"""`kerastorch verify` and `kerastorch record`: what they print, and with which status they end."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from _needs import lacking
from _recordings import Recordings, dense_model, dense_recording
from _terminal import Terminal
from make_goldens import ROOT

import kerastorch as kt
from kerastorch import cli
from kerastorch.errors import ArgumentError, CorruptFileError, UnsafeFileError
from kerastorch.parity.check import WHAT, _command
from kerastorch.parity.safety import concerns, load_checked

DEMO = ROOT / "demo" / "tagger.keras"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Path]:
    """A file of a small model, and its recording."""
    kt.save_model(dense_model(), tmp_path / "small.keras")
    return tmp_path / "small.keras", dense_recording(tmp_path / "small.npz")


# ---------------------------------------------------------------------------- verify


def test_verify_by_a_recording(run: Terminal, small: tuple[Path, Path]) -> None:
    file, recording = small
    text = run("verify", file, "--recording", recording)
    assert text.startswith("PARITY: 3 arrays compared, none further apart than ")
    assert "reference  by keras 3.15.1 (tensorflow)" in text
    assert "dense  Dense" in text


def test_verify_that_fails(run: Terminal, small: tuple[Path, Path], tmp_path: Path) -> None:
    file, recording = small
    model = kt.load_model(file)
    model.set_weights([array * np.float32(1.001) for array in model.get_weights()])
    kt.save_model(model, tmp_path / "other.keras")
    text = run("verify", tmp_path / "other.keras", "--recording", recording, status=1)
    assert text.startswith("NO PARITY: 3 of 3 arrays differ by more than rounding; it begins at 'dense' (Dense).")
    assert "Explained by: the model here has other weights than the reference: dense (kernel, bias)." in text
    assert "here, " in text


def test_verify_writes_json(run: Terminal, small: tuple[Path, Path], tmp_path: Path) -> None:
    file, recording = small
    told = run("verify", file, "--recording", recording, "--json", tmp_path / "report.json")
    assert told.endswith(f"\nWritten: {tmp_path / 'report.json'}\n")
    written = json.loads((tmp_path / "report.json").read_text())
    printed = json.loads(run("verify", file, "--recording", recording, "--json", "-"))
    assert written == printed
    assert written["passed"] is True
    assert len(written["arrays"]) == 3
    assert "give the path of a file" in run("verify", file, "--recording", recording, "--json", tmp_path, status=2)


def test_verify_says_what_it_has_written(small: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    file, recording = map(str, small)
    page, said = str(tmp_path / "r.html"), str(tmp_path / "r.json")
    assert cli.main(["verify", file, "--recording", recording, "--html", page, "--json", said]) == 0
    assert capsys.readouterr().out.endswith(f"\nWritten: {said}, {page}\n")
    assert (Path(page).exists(), Path(said).exists()) == (True, True)
    assert cli.main(["verify", file, "--recording", recording, "--html", page, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["passed"]  # and nothing else
    assert err == f"Written: {page}\n"
    assert cli.main(["verify", file, "--recording", recording, "--html", str(tmp_path / "no" / "r.html")]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("PARITY: ")  # what took minutes to find is not lost
    assert "Written" not in out
    assert "r.html" in err


def test_options_that_do_not_go_together(run: Terminal, small: tuple[Path, Path]) -> None:
    file, recording = small
    assert "--golden stands alone" in run("verify", file, "--golden", recording, "--recording", recording, status=2)
    assert "--prefix belongs to --golden" in run("verify", file, "--prefix", "p", status=2)
    golden = DEMO.with_suffix(".npz")
    assert "it has no 'recording'" in run("verify", file, "--recording", golden, status=2)


def test_verify_without_keras(run: Terminal, small: tuple[Path, Path], tmp_path: Path) -> None:
    """What the other process says stands in the error, line by line."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho first\necho 'recorder: error: there is no Keras'\nexit 2\n")
    python.chmod(0o755)
    command = [sys.executable, "-m", "kerastorch", "verify", str(small[0]), "--python", str(python)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert ended.returncode == 2
    assert ended.stdout == ""
    told = "kerastorch: Keras has computed nothing: there is no Keras. Its last lines:"
    assert ended.stderr.splitlines() == [told, "  first"]


def test_a_file_alone_is_compared_with_the_keras_that_is_here(recordings: Recordings, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kerastorch", "verify", str(DEMO), "--seed", "3"]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    if "there is no Keras" in ended.stderr:
        lacking("real Keras is not installed here", "KERASTORCH_REQUIRE_KERAS")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("PARITY: ")
    assert "reference  by keras 3." in ended.stdout
    assert f"again: kerastorch verify {DEMO} --seed 3" in ended.stdout
    old = recordings.files / "tf_keras" / "stateful.h5"
    command = [sys.executable, "-m", "kerastorch", "record", str(old), "--out", str(tmp_path / "r.npz")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "8 probes, 3 layers, by\ntf_keras 2." in ended.stdout
    assert kt.check_parity(tmp_path / "r.npz", kt.load_model(old)).passed


# ---------------------------------------------------------------------------- record


def test_the_script_is_printed(run: Terminal) -> None:
    text = run("record", "--script")
    assert text.startswith("#!/usr/bin/env python\n")
    compile(text, "recorder.py", "exec")
    assert "it takes no FILE" in run("record", DEMO, "--script", status=2)
    assert "give a FILE, or --script" in run("record", status=2)


def test_record_by_another_python(run: Terminal, small: tuple[Path, Path], tmp_path: Path) -> None:
    file, recording = small
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ncp {recording} $3\n")
    python.chmod(0o755)
    text = run("record", file, "--python", python)
    compare = f"Compare: kerastorch verify {file} --recording {file}.recording.npz\n"
    assert text == f"{file}.recording.npz: 1 probe, 1 layer, by\nkeras 3.15.1 (tensorflow).\n{compare}"
    assert (tmp_path / "small.keras.recording.npz").exists()


# ---------------------------------------------------------------------------- what Keras would run


def changed(path: Path, change: Any) -> Path:
    """A .keras file whose config was changed."""
    with zipfile.ZipFile(DEMO) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in {**members, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, raw)
    return path


def test_plain_files_are_plainly_safe(goldens_of_both: list[Path]) -> None:
    assert len(goldens_of_both) > 20
    for path in goldens_of_both:
        assert concerns(path) == [], path.name


@pytest.fixture
def goldens_of_both(tmp_path: Path) -> list[Path]:
    from _goldens import expected_files, unpack

    unpack(tmp_path)
    return [tmp_path / packed / f"{name}{end}" for packed, name, end in expected_files() if end != ".weights.h5"]


def first_layer(config: dict[str, Any]) -> dict[str, Any]:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense")


def test_how_a_file_was_compiled_is_looked_at(tmp_path: Path) -> None:
    """Keras makes the optimizer and the losses too, where the comparison trains."""
    hostile = {"module": "os", "class_name": "system", "config": {}, "registered_name": "system"}
    path = changed(tmp_path / "m.keras", lambda config: config.update(compile_config={"optimizer": hostile}))
    assert concerns(path) == ["'system' of the module 'os'"]
    model = kt.Sequential([kt.Input((3,)), kt.layers.Dense(2)])
    model.save(tmp_path / "m.h5", dialect="keras2")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        file.attrs["training_config"] = json.dumps({"loss": "mse", "optimizer_config": hostile})
    assert concerns(tmp_path / "m.h5") == ["'system' of the module 'os'"]
    # So tf.keras since 2.11 calls its own there; nobody else's is imported for it.
    for name, found in (("RMSprop", []), ("Mine", ["a class of somebody's own, 'Custom>Mine'"])):
        with h5py.File(tmp_path / "m.h5", "a") as file:
            stated = {"class_name": f"Custom>{name}", "config": {}}
            file.attrs["training_config"] = json.dumps({"loss": "mse", "optimizer_config": stated})
        assert concerns(tmp_path / "m.h5") == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layer: layer.update(class_name="Lambda"), "Python code of a Lambda"),
        (lambda layer: layer.update(module="os"), "'Dense' of the module 'os'"),
        (lambda layer: layer.update(module="builtins"), "'Dense' of the module 'builtins'"),
        (lambda layer: layer.update(module="keras.src.utils.file_utils"), "of the module 'keras.src.utils"),
        (lambda layer: layer.update(module="keras.config"), "of the module 'keras.config'"),
        (lambda layer: layer.update(registered_name="mine>Dense"), "a class of somebody's own, 'mine>Dense'"),
        (
            lambda layer: layer["config"].update(
                activation={"module": "builtins", "class_name": "function", "config": "run", "registered_name": "run"}
            ),
            "a function of somebody's own, 'run'",
        ),
        (
            lambda layer: layer["config"].update(
                activation={"module": "keras.utils", "class_name": "get_file", "config": {}}
            ),
            "'get_file' of the module 'keras.utils'",
        ),
    ],
)
def test_what_is_not_plainly_safe_needs_trust(run: Terminal, tmp_path: Path, change: Any, message: str) -> None:
    path = changed(tmp_path / "odd.keras", lambda config: change(first_layer(config)))
    assert any(message in concern for concern in concerns(path)), concerns(path)
    assert message in run("verify", path, status=2)
    assert "--trust" in run("record", path, status=2)
    with pytest.raises(UnsafeFileError, match="trust=True"):
        kt.check_parity(path)


def test_the_architecture_beside_a_file_of_weights_is_looked_at(small: tuple[Path, Path], tmp_path: Path) -> None:
    assert load_checked(small[0], None, trust=True).layers
    arch = tmp_path / "arch.json"
    arch.write_text("{")
    with pytest.raises(CorruptFileError, match=r"arch\.json': it is not JSON"):
        load_checked(small[0], arch, trust=False)
    with pytest.raises(ArgumentError, match="cannot be read as text"):
        load_checked(small[0], tmp_path / "missing.json", trust=False)
    arch.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": [{"class_name": "Lambda"}]}}))
    with pytest.raises(UnsafeFileError, match="Python code of a Lambda"):
        load_checked(small[0], arch, trust=False)


# ---------------------------------------------------------------------------- check_parity's own arguments


def test_arguments_of_check_parity(small: tuple[Path, Path], tmp_path: Path) -> None:
    file, recording = small
    model = kt.load_model(file)
    assert kt.check_parity(recording, model).passed
    assert kt.check_parity(kt.read_recording(recording), model, what=("outputs",)).passed
    cases = {
        "what: expected some of": {"what": ("outputs", "weather")},
        f"what: expected some of {WHAT}, got 'layers'": {"what": "layers"},
        "a recording has its own": {"inputs": np.zeros((2, 3))},
    }
    for message, options in cases.items():
        with pytest.raises(ArgumentError) as caught:
            kt.check_parity(recording, model, **options)  # type: ignore[arg-type]
        assert message in str(caught.value)
    with pytest.raises(ArgumentError, match="a recording holds no model"):
        kt.check_parity(recording)
    with pytest.raises(ArgumentError, match="a function is no model"):
        kt.check_parity(lambda x: x)
    with pytest.raises(ArgumentError, match="got 'int'"):
        kt.check_parity(3)
    with pytest.raises(ArgumentError, match="expected a torch module, got 'str'"):
        kt.check_parity(recording, "model")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="does not say what it takes"):
        kt.check_parity(lambda x: x, torch.nn.Linear(3, 2))


def test_the_model_stays_as_it_is(small: tuple[Path, Path]) -> None:
    file, recording = small
    model = kt.load_model(file).train()
    before = [array.copy() for array in model.get_weights()]
    kt.check_parity(recording, model)
    assert model.training
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert not any(module._forward_hooks for module in model.modules())


def test_what_is_compared_is_chosen(run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def check(file: Any, **options: Any) -> Any:
        given.update(options)
        raise ArgumentError("that is enough")

    monkeypatch.setattr("kerastorch.parity.check_parity", check)
    run("verify", tmp_path / "m.keras", "--what", "outputs,gradients", "--steps", "2", status=2)
    assert (given["what"], given["steps"]) == (("outputs", "gradients"), 2)
    given.clear()
    run("verify", tmp_path / "m.keras", status=2)
    assert not {"what", "steps"} & set(given)
    assert "leave out --what and --steps" in run(
        "verify", tmp_path / "m.keras", "--recording", tmp_path / "r.npz", "--steps", "2", status=2
    )


def test_the_command_that_does_it_again_says_what_was_chosen() -> None:
    there = {"backend": "torch", "python": None, "keras": "auto", "arch": None, "custom": ()}
    assert _command("m.keras", there, 3, True, ("outputs", "layers"), 2) == (
        "kerastorch verify m.keras --seed 3 --what outputs,layers --steps 2 --backend torch --trust"
    )
    assert _command("m.keras", there, 0, False, WHAT[::-1], 5) == "kerastorch verify m.keras --seed 0 --backend torch"
