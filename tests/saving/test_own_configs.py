"""Models of a person's own class with a config of their own: saved, and opened here and in Keras with the class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from _close import KERAS, assert_close
from _keras_worker import KerasWorker
from workers import configured

import kerastorch as kt
from kerastorch.errors import SaveError

from ._cases import outputs_of, randomize

NAMES = [
    *("Tagger", "Adding", "Unsaid", "Graph", "Chain", "Called", "Masked"),
    *("Inside Tagger", "Inside Adding", "Inside Chain", "Inside Called"),
    *("End Tagger", "End Chain", "End Called", "End Graph", "Inside Graph"),
]
NEED_A_SHAPE = ("Chain", "Called")
DIALECTS = ("keras3", "keras2")


def made(name: str, rng: np.random.Generator) -> tuple[kt.Model, np.ndarray, list[np.ndarray]]:
    model = configured.made(kt, name).eval()
    x = rng.integers(1, configured.WORDS, (2, configured.TIME)).astype("int32")
    x[0, 2:] = x[1, 3] = 0  # masked
    model(torch.as_tensor(x))
    randomize(model, rng)
    return model, x, outputs_of(model, [x])


def endings(name: str) -> tuple[str, ...]:
    return (".keras",) if name in NEED_A_SHAPE else (".keras", ".h5")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", NAMES)
def test_written_and_read(
    tmp_path: Path, rng: np.random.Generator, name: str, dialect: Literal["keras3", "keras2"]
) -> None:
    model, x, wanted = made(name, rng)
    for ending in endings(name):
        path = tmp_path / f"m{ending}"
        report = kt.save_model(model, path, dialect=dialect)
        assert "it needs custom_objects to open the file" in str(report)
        back = kt.load_model(path, custom_objects=configured.classes(kt))
        assert type(back).__name__ == type(model).__name__
        assert_close(outputs_of(back, [x]), wanted, 0)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", NAMES)
def test_keras_opens_it(
    keras_worker: KerasWorker, tmp_path: Path, rng: np.random.Generator, name: str, dialect: Literal["keras3", "keras2"]
) -> None:
    model, x, wanted = made(name, rng)
    for ending in endings(name):
        path = tmp_path / f"m{ending}"
        kt.save_model(model, path, dialect=dialect)
        found, kind = keras_worker.call(dialect, "configured:read", str(path), x)
        assert_close(found, wanted, KERAS)
        assert kind == ("Functional" if type(model) is kt.Model else type(model).__name__)


def test_the_config_is_the_constructors(tmp_path: Path, rng: np.random.Generator) -> None:
    def stated(name: str) -> Any:
        return json.loads(made(name, rng)[0].to_json())["config"]

    assert stated("Tagger") == {"units": 3}
    assert set(stated("Adding")) == {"name", "trainable", "units"}
    assert set(stated("Unsaid")) == {"name", "trainable"}
    assert {"layers", "input_layers", "output_layers"} <= set(stated("Graph"))


def test_a_config_makes_it_again(rng: np.random.Generator) -> None:
    for name in ("Tagger", "Adding", "Unsaid", "Graph"):
        model, x, wanted = made(name, rng)
        again = type(model).from_config(model.get_config()).eval()
        assert type(again) is type(model)
        again.set_weights(model.get_weights())
        assert_close(outputs_of(again, [x]), wanted, 0)


@pytest.mark.parametrize("name", NEED_A_SHAPE)
def test_the_older_format_says_no_shape(tmp_path: Path, rng: np.random.Generator, name: str) -> None:
    with pytest.raises(SaveError, match=rf"^{name} '.*save it as name\.keras, or its weights alone"):
        kt.save_model(made(name, rng)[0], tmp_path / "m.h5")
    assert list(tmp_path.iterdir()) == []
