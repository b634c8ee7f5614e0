"""Files of a Keras newer than the newest one that is tested: read by its rules, and said so."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

import kerastorch as kt
from kerastorch import Input, Sequential, layers
from kerastorch.cli import main
from kerastorch.compat import tables
from kerastorch.saving.save import _DIALECTS

SAID = r"written by Keras 3\.16\.0, and kerastorch is tested up to 3\.15\.1: it is read by the rules of 3\.15\.1"


def make(path: Path, version: str) -> Sequential:
    """A saved model whose file says that another Keras wrote it."""
    model = Sequential([Input((5,), dtype="int32"), layers.Embedding(6, 3, mask_zero=True)])
    model.add(layers.GRU(2, return_sequences=True))
    model.add(layers.LSTM(2))
    kt.save_model(model, path.with_suffix(".old.keras"))
    with zipfile.ZipFile(path.with_suffix(".old.keras")) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"3.15.1"', f'"{version}"'.encode()))
    return model.eval()


def test_load_model_warns_once(tmp_path: Path) -> None:
    model = make(tmp_path / "m.keras", "3.16.0")
    with pytest.warns(UserWarning, match=SAID) as caught:
        found = kt.load_model(tmp_path / "m.keras")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message).startswith(str(tmp_path / "m.keras"))
    words = torch.tensor([[1, 2, 0, 0, 0], [3, 0, 4, 5, 0]])
    assert torch.equal(found(words), model(words))  # its masks go where those of 3.15 go


def test_json_warns_too(tmp_path: Path) -> None:
    model = make(tmp_path / "m.keras", "3.16.0")
    text = json.dumps({**json.loads(model.to_json()), "keras_version": "3.16.0"})
    with pytest.warns(UserWarning, match=f"model_from_json: the file was {SAID}"):
        kt.model_from_json(text)


def test_info_says_it_without_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "m.keras", "3.16.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["info", str(tmp_path / "m.keras")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "written by Keras 3.16.0" in shown
    assert "is tested up to 3.15.1" in shown


def test_the_newest_that_is_tested_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "m.keras", "3.15.1")
    kt.load_model(tmp_path / "m.keras")  # warnings are errors
    assert main(["info", str(tmp_path / "m.keras")]) == 0
    assert "tested up to" not in capsys.readouterr().out


def test_files_are_written_for_the_newest_that_is_tested() -> None:
    assert [_DIALECTS[name].version for name in ("keras3", "keras2")] == [
        tables.NEWEST["keras3"],
        tables.NEWEST["tf.keras"],
    ]
