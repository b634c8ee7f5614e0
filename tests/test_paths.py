"""A path is given as text, as the bytes that the system has, or as an object that stands for either: everywhere."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerastorch as kt
from kerastorch import callbacks, layers
from kerastorch.errors import ArgumentError
from kerastorch.parity.reading import read_recording
from kerastorch.paths import text_of


class Bytes:
    """An object that stands for a path in bytes."""

    def __init__(self, path: Path) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


FORMS: list[Callable[[Path], Any]] = [str, os.fsencode, Path, Bytes]
# Not ASCII, so that a wrong way from bytes to text is seen.
NAME = "gr\u00fc\u00dfe"


@pytest.fixture(scope="module")
def model() -> kt.Model:
    return kt.Sequential([kt.Input((3,)), layers.Dense(2, name="d"), layers.Dense(2)])


@pytest.mark.parametrize("form", FORMS)
def test_saving_and_loading(tmp_path: Path, form: Callable[[Path], Any], model: kt.Model) -> None:
    x = np.random.default_rng(0).random((4, 3), dtype="float32")
    whole, weights = form(tmp_path / f"{NAME}.keras"), form(tmp_path / f"{NAME}.weights.h5")
    kt.save_model(model, whole)
    model.save(form(tmp_path / f"{NAME}.h5"))
    kt.save_weights(model, weights)
    expected = model.predict(x, verbose=0)
    for path in (whole, form(tmp_path / f"{NAME}.h5")):
        np.testing.assert_array_equal(kt.load_model(path).predict(x, verbose=0), expected)
    again = kt.model_from_json(model.to_json())
    kt.load_weights(again, weights)
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    assert kt.scan(whole).status == 0


@pytest.mark.parametrize("form", FORMS)
def test_ways_out(tmp_path: Path, form: Callable[[Path], Any], model: kt.Model, capsys: Any) -> None:
    kt.to_source(model, form(tmp_path / NAME))
    assert (tmp_path / NAME / "model.py").is_file()
    model.export(form(tmp_path / f"{NAME}.pt2"), format="torch")
    assert (tmp_path / f"{NAME}.pt2").is_file()
    assert f"{NAME}.pt2'" in capsys.readouterr().out


@pytest.mark.parametrize("form", FORMS)
def test_callbacks(tmp_path: Path, form: Callable[[Path], Any], model: kt.Model) -> None:
    model.compile("sgd", "mse")
    backup = callbacks.BackupAndRestore(form(tmp_path / f"{NAME}_backup"), delete_checkpoint=False)
    checkpoint = callbacks.ModelCheckpoint(form(tmp_path / f"{NAME}_{{epoch:02d}}.keras"))
    log = callbacks.CSVLogger(form(tmp_path / f"{NAME}.csv"))
    model.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0, callbacks=[backup, checkpoint, log])
    assert sorted(os.listdir(tmp_path)) == [f"{NAME}.csv", f"{NAME}_01.keras", f"{NAME}_backup"]


@pytest.mark.parametrize("form", FORMS[1:])
def test_words_from_a_file(tmp_path: Path, form: Callable[[Path], Any]) -> None:
    (tmp_path / NAME).write_text("a\nb\n", encoding="utf-8")
    assert layers.StringLookup(vocabulary=form(tmp_path / NAME)).get_vocabulary() == ["[UNK]", "a", "b"]


@pytest.mark.parametrize("form", FORMS)
def test_files_that_are_not_there(tmp_path: Path, form: Callable[[Path], Any], model: kt.Model) -> None:
    for call in (kt.load_model, lambda path: kt.load_weights(model, path), kt.scan, read_recording, kt.check_parity):
        with pytest.raises(kt.KerasTorchError, match=f"{NAME}.*there is no such file|{NAME}.*No such file"):
            call(form(tmp_path / f"{NAME}.keras"))


@pytest.mark.parametrize("path", ["a\0b.keras", b"a\0b.keras"])
def test_a_nul_in_a_path(path: Any, model: kt.Model) -> None:
    calls: list[Callable[[Any], Any]] = [
        kt.load_model,
        lambda path: kt.load_model(path, isolate=True),
        lambda path: kt.load_weights(model, path),
        lambda path: kt.save_model(model, path),
        lambda path: kt.to_source(model, path),
        lambda path: layers.StringLookup(vocabulary=path),
        kt.scan,
        kt.check_parity,
    ]
    for call in calls:
        with pytest.raises(kt.KerasTorchError, match=r"a\\x00b"):
            call(path)


def test_what_is_no_path_is_told() -> None:
    for call in (callbacks.ModelCheckpoint, callbacks.CSVLogger, callbacks.BackupAndRestore):
        with pytest.raises(ArgumentError, match=f"{call.__name__}: .*: expected a path, got 'int'"):
            call(3)
    with pytest.raises(ArgumentError, match="here: expected a path, got 'NoneType'"):
        text_of(None, "here")  # pyright: ignore[reportArgumentType]


def test_no_signature_leaves_bytes_out() -> None:
    """Who writes `os.PathLike[str]` alone has a type checker flag what is read well."""
    for call in (kt.load_model, kt.load_weights, kt.save_model, kt.save_weights, kt.to_source, kt.check_parity):
        assert "PathLike" not in str(inspect.signature(call))
