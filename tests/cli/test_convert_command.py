"""`kerastorch convert`: what it writes, what it refuses, what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from _close import assert_close
from _golden_outputs import golden_differences
from _goldens import read_npz, unpack
from _keras_worker import KerasWorker
from _terminal import Terminal
from make_goldens import ROOT
from safetensors import safe_open
from safetensors.torch import load_file

import kerastorch as kt
from kerastorch.cli import main
from kerastorch.parity.needs import random_inputs

DEMO = ROOT / "demo" / "tagger.keras"


@pytest.fixture(scope="session")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("goldens"))


Run = Callable[..., str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(Terminal(capsys), "convert")


# ---------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("dialect", ["keras3", "keras2"])
def test_an_old_file_opens_with_its_numbers(
    run: Run, keras_worker: KerasWorker, goldens: Path, tmp_path: Path, ending: str, dialect: str
) -> None:
    folder, out = goldens / "tf_keras", tmp_path / f"new{ending}"
    text = run(folder / "recurrent.h5", out, "--check", *(() if dialect == "keras3" else ("--to", dialect)))
    assert ("1.2 times as large" in text) == (dialect == "keras3")  # hard_sigmoid of Keras 2
    assert ("written" in text) == (dialect == "keras3")
    assert "The new file gives the same numbers." in text
    golden = read_npz(folder / "recurrent.npz")
    inputs = [golden[key] for key in ("x0", "x1") if key in golden]
    outputs = [golden[f"y{index}"] for index in range(len([key for key in golden if key.startswith("y")]))]
    found = keras_worker.call(dialect, "compiled:predicted", str(out), inputs)
    assert len(found) == len(outputs)
    for ours, theirs in zip(found, outputs, strict=True):
        assert_close(ours, theirs)  # float32 sums in another order


def test_the_training_config_goes_along(run: Run, tmp_path: Path) -> None:
    model = kt.load_model(DEMO)
    from kerastorch.spec import TrainingConfig, Writer

    config = {"optimizer_config": {"class_name": "Mine", "config": {}}, "loss": "mse"}
    model.training_config = TrainingConfig(json.dumps(config), "h5", Writer("keras3"))
    kt.save_model(model, tmp_path / "compiled.h5")
    text = run(tmp_path / "compiled.h5", tmp_path / "new.keras")
    assert "'Mine' is not an optimizer of Keras 3" in text
    assert "how the model was compiled" in run(tmp_path / "compiled.h5", tmp_path / "new.safetensors")


def test_weights_with_their_architecture(run: Run, goldens: Path, tmp_path: Path) -> None:
    folder = goldens / "keras3"
    with zipfile.ZipFile(folder / "nested.keras") as archive:
        (tmp_path / "nested.json").write_bytes(archive.read("config.json"))
    arguments = (folder / "nested.weights.h5", tmp_path / "new.keras")
    run(*arguments, "--arch", tmp_path / "nested.json")
    assert golden_differences(kt.load_model(arguments[1]), read_npz(folder / "nested.npz")) == {}
    assert "--arch" not in run(folder / "nested.keras", tmp_path / "whole.keras")
    assert (tmp_path / "whole.keras").read_bytes() == arguments[1].read_bytes()


def test_a_torch_state_dict(run: Run, tmp_path: Path) -> None:
    for out in (tmp_path / "a.pt", tmp_path / "b.pth"):
        run(DEMO, out)
        model = kt.load_model(DEMO)
        expected = model.state_dict()
        found = torch.load(out, weights_only=True)
        assert type(found) is dict
        assert list(found) == list(expected)
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)
        model.load_state_dict(found)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pth").read_bytes()
    # No tensor brings the file along that it was read from.
    size = sum(tensor.nbytes for tensor in expected.values())
    assert (tmp_path / "a.pt").stat().st_size < size + 1500 * len(expected)


def test_safetensors(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    assert "The new file gives the same numbers." in run(DEMO, out, "--check")
    model = kt.load_model(DEMO)
    found, expected = load_file(out), model.state_dict()
    assert set(found) == set(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    with safe_open(out, "pt") as file:
        stated = file.metadata()
    assert stated["format"] == "pt"
    assert "3.15.1" in stated["keras_version"]
    layers = json.loads(stated["layers"])
    assert [name for name, _ in layers.values()] == [layer.name for layer in model.layers]
    assert all(any(name.startswith(f"{prefix}.") for prefix in layers) for name in found)
    code = "from kerastorch.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
    for name in "bcd":  # the library alone orders its metadata in another way in each process
        command = [sys.executable, "-c", code, "convert", str(DEMO), str(tmp_path / f"{name}.safetensors")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""  # the bar is for terminals
        assert (tmp_path / f"{name}.safetensors").read_bytes() == out.read_bytes()


# ---------------------------------------------------------------------------- what is refused


def test_nothing_is_overwritten_unasked(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.keras"
    out.write_text("precious")
    assert "--force" in run(DEMO, out, status=2)
    assert out.read_text() == "precious"
    run(DEMO, out, "--force")
    assert kt.load_model(out).name == "tagger"


def test_the_file_that_is_read_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "in.keras"
    source.write_bytes(DEMO.read_bytes())
    (tmp_path / "soft.keras").symlink_to(source)
    os.link(source, tmp_path / "hard.keras")
    for out in (source, tmp_path / "soft.keras", tmp_path / "hard.keras", tmp_path / "." / "in.keras"):
        assert "is what is read" in run(source, out, "--force", status=2)
    assert source.read_bytes() == DEMO.read_bytes()


def two_masks() -> str:
    """A model of Keras 2 that adds two inputs with a mask each, as `to_json()` gave it."""

    def layer(class_name: str, name: str, calls: list[list[object]], **config: object) -> dict[str, object]:
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": calls}

    layers = []
    for side in "ab":
        layers.append(layer("InputLayer", side, [], batch_input_shape=[None, 5], dtype="int32"))
        words = {"input_dim": 6, "output_dim": 3, "mask_zero": True}
        layers.append(layer("Embedding", f"words_{side}", [[[side, 0, 0, {}]]], **words))
    layers.append(layer("Add", "both", [[["words_a", 0, 0, {}], ["words_b", 0, 0, {}]]]))
    layers.append(layer("SimpleRNN", "rnn", [[["both", 0, 0, {}]]], units=2))
    config = {"name": "net", "layers": layers, "input_layers": [["a", 0, 0], ["b", 0, 0]]}
    config["output_layers"] = [["rnn", 0, 0]]
    whole = {"class_name": "Model", "config": config, "keras_version": "2.2.4", "backend": "tensorflow"}
    return json.dumps(whole)


def test_what_keras3_cannot_express_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    weights, architecture, out = tmp_path / "weights.h5", tmp_path / "a.json", tmp_path / "out.keras"
    architecture.write_text(two_masks())
    kt.save_weights(kt.model_from_json(two_masks()), weights)
    error = run(weights, out, "--arch", architecture, status=2)
    assert "'both'" in error
    assert "different masks" in error
    assert not out.exists()
    run(weights, tmp_path / "out.safetensors", "--arch", architecture, "--check")


@pytest.mark.parametrize(
    ("out", "options", "said"),
    [
        ("out.txt", (), "expected an ending of .keras"),
        ("out.weights.h5", (), "weights alone"),
        ("out.pt", ("--to", "keras3"), "--to keras3 writes .keras"),
        ("out.keras", ("--to", "torch"), "--to torch writes .pt"),
        ("out.pt", ("--check",), "a .pt file is a pickle"),
        ("no/such/folder.keras", (), "cannot be written"),
    ],
)
def test_wrong_use(run: Run, tmp_path: Path, out: str, options: tuple[str, ...], said: str) -> None:
    assert said in run(DEMO, tmp_path / out, *options, status=2)
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    assert "missing.h5" in run(tmp_path / "missing.h5", tmp_path / "out.keras", status=2)


# ---------------------------------------------------------------------------- --check


def test_a_wrong_file_is_seen(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kerastorch import saving

    whole = saving.save.save_model_watched

    def off_by_a_little(model: kt.Model, *rest: object) -> object:
        last = model.layers[-1]
        arrays = last.get_weights()
        last.set_weights([arrays[0] + 1e-3, *arrays[1:]])
        report = whole(model, *rest)  # type: ignore[arg-type]
        last.set_weights(arrays)
        return report

    monkeypatch.setattr(saving.save, "save_model_watched", off_by_a_little)
    text = run(DEMO, tmp_path / "wrong.keras", "--check", status=1)
    assert "DIFFERS" in text
    assert "of the new file differ" in text


def test_random_inputs_are_words_with_masked_steps() -> None:
    layers = kt.layers
    words, values = kt.Input((None,), name="words"), kt.Input((6, 3), name="values")
    read = layers.LSTM(2)(layers.Embedding(3, 2, mask_zero=True)(layers.Dropout(0.1)(words)))
    other = layers.LSTM(2)(layers.Masking(mask_value=-1.0)(values))
    model = kt.Model([words, values], layers.Add()([read, other])).eval()
    ids, numbers = random_inputs(model, 7)
    assert ids.shape == (4, 7)
    assert ids.dtype.kind == "i"
    assert set(np.unique(ids)) == {0, 1, 2}
    assert (ids[3, 4:] == 0).all()
    assert (numbers[3, 3:] == -1.0).all()
    assert (numbers[0] != -1.0).all()


def test_help_says_what_happens_to_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["convert", "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "replaced only with --force" in text
    assert "IN is never overwritten" in text
    assert "exit status: 0 written" in text
